"""PCK: the share of keypoints within a fraction of a reference length.

A keypoint is correct if its distance to the ground truth is at most `threshold` times
the person's reference length. Published results differ in the reference length:

    LSP          PCK@0.2 of the torso diagonal    torso_size(kind="diagonal")
    Penn Action  PCK@0.2 of mid-shoulder to mid-hip   torso_size(kind="midline")
    JHMDB        PCK@0.2 of the box               box_size
    MPII         PCKh@0.5 of the head size        head_size, and `pckh`
"""

import dataclasses

import numpy as np

from tfpose.errors import InputError
from tfpose.skeletons import Skeleton

__all__ = [
    "PCK",
    "PCKH_PARTS",
    "box_size",
    "correct_keypoints",
    "head_size",
    "pck",
    "pckh",
    "torso_size",
]

HEAD_SHARE = 0.6
"""MPII's head size as a share of the head box's diagonal."""

PCKH_PARTS = ("head", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
"""Columns of MPII's tables: head is head_top, the others are means of both sides."""

_NOT_IN_PCKH = ("pelvis", "thorax")


@dataclasses.dataclass(frozen=True)
class PCK:
    """Result of `pck`. Shares are in 0..1, and NaN where nothing was counted."""

    overall: float
    """Share of all counted keypoints; joints labelled more often have more weight."""
    mean: float
    """Mean over the joints that were counted at least once."""
    per_joint: np.ndarray
    """Share of each joint, float64 `[J]`."""
    counts: np.ndarray
    """Number of keypoints counted of each joint, int64 `[J]`."""
    people: int
    """People counted: with a reference length and at least one labelled keypoint."""
    excluded: int
    """People not counted because their reference length is undefined."""


def torso_size(
    truth: np.ndarray, skeleton: Skeleton, kind: str = "diagonal"
) -> np.ndarray:
    """Torso length of each person.

    Args:
        truth: `[P, J, 3]` (x, y, visibility); visibility 0 is absent.
        skeleton: joints of `truth`; it needs both shoulders and both hips.
        kind: "diagonal" is left shoulder to right hip, as in LSP, or the other diagonal
            where that one is not labelled; "midline" is from the middle of the
            shoulders to the middle of the hips.

    Returns:
        float64 `[P]`, pixels; NaN where joints are absent.

    Raises:
        InputError: an unknown kind, or the skeleton lacks a joint.
    """
    truth = _checked_truth(truth)
    left_shoulder, right_shoulder, left_hip, right_hip = (
        np.where(
            truth[:, skeleton.index(joint), 2:] > 0,
            truth[:, skeleton.index(joint), :2],
            np.nan,
        )
        for joint in ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
    )
    if kind == "diagonal":
        size = np.linalg.norm(left_shoulder - right_hip, axis=-1)
        other = np.linalg.norm(right_shoulder - left_hip, axis=-1)
        return np.where(np.isnan(size), other, size)
    if kind == "midline":
        middle = (left_shoulder + right_shoulder - left_hip - right_hip) / 2
        return np.linalg.norm(middle, axis=-1)
    raise InputError(f"torso kind is {kind!r}, expected 'diagonal' or 'midline'")


def box_size(boxes: np.ndarray) -> np.ndarray:
    """The longer side of each box `[P, 4]` (x, y, w, h): float64 `[P]`, pixels."""
    return np.asarray(boxes, np.float64)[:, 2:4].max(axis=-1)


def head_size(corners: np.ndarray) -> np.ndarray:
    """MPII's head size.

    Args:
        corners: `[P, 2, 2]`, (x, y) of two opposite corners of the head's box.

    Returns:
        float64 `[P]`, pixels: 0.6 of the box's diagonal; NaN where it is 0 or unknown.
    """
    corners = np.asarray(corners, np.float64)
    size = HEAD_SHARE * np.linalg.norm(corners[:, 1] - corners[:, 0], axis=-1)
    return np.where(size > 0, size, np.nan)


def pckh(
    predicted: np.ndarray,
    truth: np.ndarray,
    head_sizes: np.ndarray,
    skeleton: Skeleton,
    threshold: float = 0.5,
) -> tuple[PCK, dict[str, float]]:
    """PCKh as in MPII's single-person tables (as HRNet's code computes it).

    `overall`, the tables' "Mean", is the share of all keypoints except pelvis and
    thorax, so joints labelled more often have more weight.

    Args:
        predicted: as for `pck`.
        truth: as for `pck`.
        head_sizes: `[P]` pixels, see `head_size`; a person with NaN is not counted.
        skeleton: joints of both.
        threshold: fraction of the head size, above 0. HRNet's "Mean@0.1" is
            measured at 0.11.

    Returns:
        The result, and by name the shares of those of `PCKH_PARTS` that the skeleton
        has, means of left and right.

    Raises:
        InputError: as `pck`.
    """
    truth = _checked_truth(truth).copy()
    left_out = [row for row, name in enumerate(skeleton.joints) if name in _NOT_IN_PCKH]
    truth[:, left_out, 2] = 0
    result = pck(predicted, truth, head_sizes, threshold)
    parts = {}
    for part in PCKH_PARTS:
        names = ("head_top",) if part == "head" else (f"left_{part}", f"right_{part}")
        if all(name in skeleton.joints for name in names):
            rows = [skeleton.index(name) for name in names]
            parts[part] = float(result.per_joint[rows].mean())
    return result, parts


def pck(
    predicted: np.ndarray,
    truth: np.ndarray,
    reference: np.ndarray,
    threshold: float = 0.2,
) -> PCK:
    """Percentage (here a share) of correct keypoints.

    Args:
        predicted: predictions `[P, J, 2]` (x, y), pixels of the same image as `truth`;
            NaN counts as wrong.
        truth: ground truth `[P, J, 3]` (x, y, visibility). Joints of visibility 0 are
            not counted, occluded ones are.
        reference: `[P]` length of each person, pixels. A person whose length is NaN or
            not above 0 is not counted, and reported in `excluded`.
        threshold: fraction of the reference length, above 0.

    Raises:
        InputError: shapes do not fit, or the threshold is not above 0.
    """
    correct, labelled = correct_keypoints(predicted, truth, reference, threshold)
    counts = labelled.sum(axis=0)
    per_joint = np.full(labelled.shape[1], np.nan)
    np.divide(correct.sum(axis=0), counts, out=per_joint, where=counts > 0)
    total = int(counts.sum())
    usable = _usable(reference)
    return PCK(
        overall=float(correct.sum() / total) if total else float("nan"),
        mean=float(np.nanmean(per_joint)) if total else float("nan"),
        per_joint=per_joint,
        counts=counts,
        people=int(labelled.any(axis=1).sum()),
        excluded=int((~usable).sum()),
    )


def correct_keypoints(
    predicted: np.ndarray,
    truth: np.ndarray,
    reference: np.ndarray,
    threshold: float = 0.2,
) -> tuple[np.ndarray, np.ndarray]:
    """Which keypoints are correct, and which are counted at all: bool `[P, J]` each.

    Arguments and errors are those of `pck`.
    """
    truth = _checked_truth(truth)
    predicted = np.asarray(predicted, np.float64)
    reference = np.asarray(reference, np.float64)
    if predicted.shape != (*truth.shape[:2], 2):
        raise InputError(
            f"predicted has shape {predicted.shape}, expected "
            f"{(*truth.shape[:2], 2)} to fit the truth"
        )
    if reference.shape != truth.shape[:1]:
        raise InputError(
            f"reference has shape {reference.shape}, expected {truth.shape[:1]}"
        )
    if not threshold > 0:
        raise InputError(f"PCK threshold is {threshold}, expected above 0")
    usable = _usable(reference)
    labelled = (truth[..., 2] > 0) & usable[:, None]
    distance = np.linalg.norm(predicted - truth[..., :2], axis=-1)
    limit = threshold * np.where(usable, reference, 0.0)
    return labelled & (distance <= limit[:, None]), labelled


def _usable(reference: np.ndarray) -> np.ndarray:
    reference = np.asarray(reference, np.float64)
    return np.isfinite(reference) & (reference > 0)


def _checked_truth(truth: np.ndarray) -> np.ndarray:
    truth = np.asarray(truth, np.float64)
    if truth.ndim != 3 or truth.shape[-1] != 3:
        raise InputError(f"truth has shape {truth.shape}, expected [P, J, 3]")
    return truth
