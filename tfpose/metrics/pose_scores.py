"""The metrics of a 2D pose net: PCK, PCKh and AP, as far as the labels allow."""

from typing import Any

import numpy as np

from tfpose.errors import InputError
from tfpose.metrics.oks import (
    PosePredictions,
    PoseTruth,
    oks_average_precision,
    rescore,
)
from tfpose.metrics.pck import box_size, pck, pckh, torso_size
from tfpose.skeletons import Skeleton

__all__ = ["pck_scores", "pose_scores", "reference_length"]


def pose_scores(
    truth: PoseTruth,
    skeleton: Skeleton,
    keypoints: np.ndarray,
    joint_scores: np.ndarray,
) -> tuple[dict[str, float], list[str]]:
    """PCK@0.2, PCKh and OKS AP of one prediction per person, in ground-truth boxes.

    Args:
        truth: P labelled people.
        skeleton: joints of both.
        keypoints: predictions `[P, J, 2]` (x, y), pixels of the photo, in the order of
            `truth`.
        joint_scores: `[P, J]`, maxima of the heatmaps.

    Returns:
        The metrics, in 0..1: `pck` (all keypoints), `pck_mean` (mean over joints);
        where head sizes are known `pckh` and `pckh01` (PCKh@0.5 and @0.1); where the
        skeleton has sigmas and all areas are known `ap`, `ap50`, `ap75`. And notes:
        reference length, sigmas and boxes of the metrics, and which metrics are missing
        and why.
    """
    metrics, notes = pck_scores(truth, skeleton, keypoints)
    notes.insert(0, "boxes: ground truth")
    predictions = PosePredictions(
        image_ids=truth.image_ids,
        keypoints=keypoints,
        joint_scores=joint_scores,
        person_scores=rescore(np.ones(len(keypoints)), joint_scores),
    )
    try:
        result = oks_average_precision(truth, predictions, skeleton)
    except InputError as error:
        notes.append(f"no ap: {error}")
        return metrics, notes
    metrics |= {name.lower(): result[name] for name in ("AP", "AP50", "AP75")}
    notes.append(f"ap: sigmas {result['sigmas_source']}; areas {result['area_source']}")
    return metrics, notes + result["notes"]


def pck_scores(
    truth: PoseTruth, skeleton: Skeleton, keypoints: np.ndarray
) -> tuple[dict[str, float], list[str]]:
    """The PCK and PCKh metrics of `pose_scores`, and their notes.

    Args:
        truth: P labelled people.
        skeleton: joints of both.
        keypoints: predictions `[P, J, 2]` (x, y), pixels of the photo.
    """
    reference, length, notes = reference_length(truth, skeleton)
    result = pck(keypoints, truth.keypoints, reference)
    if result.excluded:
        notes.append(f"pck: {result.excluded} people without a {length} left out")
    metrics = {"pck": result.overall, "pck_mean": result.mean}
    if truth.torso_sizes is not None:
        visible = torso_size(truth.keypoints, skeleton, _torso_kind(skeleton))
        strict = pck(keypoints, truth.keypoints, visible)
        notes.append(
            f"pck of the {strict.people} people whose whole torso is visible: "
            f"{strict.overall:.4f}"
        )
    if truth.head_sizes is not None:
        pckh_metrics, pckh_notes = _pckh_scores(
            truth.keypoints, truth.head_sizes, skeleton, keypoints
        )
        metrics |= pckh_metrics
        notes += pckh_notes
    return metrics, notes


def reference_length(
    truth: PoseTruth, skeleton: Skeleton
) -> tuple[np.ndarray, str, list[str]]:
    """The reference length of each person, `[P]`, its name, and a note on it."""
    kind = _torso_kind(skeleton)
    if truth.torso_sizes is not None:
        length = "torso's length"
        note = f"pck: within 0.2 of the {length} in the labels, of hidden joints too"
        return truth.torso_sizes, length, [note]
    try:
        reference = torso_size(truth.keypoints, skeleton, kind)
    except InputError:
        length = "box's longer side"
        note = f"pck: within 0.2 of the {length}, because the skeleton has no torso"
        return box_size(truth.boxes), length, [note]
    length = f"torso's {kind}"
    ends = {
        "diagonal": "shoulder to opposite hip",
        "midline": "between the shoulders to between the hips",
    }
    return reference, length, [f"pck: within 0.2 of the {length} ({ends[kind]})"]


def _torso_kind(skeleton: Skeleton) -> str:
    # As published for Penn Action, the only data set with these joints.
    return "midline" if skeleton.name == "penn_action13" else "diagonal"


def _pckh_scores(
    truth: np.ndarray, head_sizes: np.ndarray, skeleton: Skeleton, keypoints: np.ndarray
) -> tuple[dict[str, float], list[str]]:
    def at(threshold: float) -> Any:
        return pckh(keypoints, truth, head_sizes, skeleton, threshold)

    result, parts = at(0.5)
    if not result.people:
        return {}, ["no pckh: no head size is known"]
    metrics = {"pckh": result.overall, "pckh01": at(0.1)[0].overall}
    shares = ", ".join(f"{part} {share:.4f}" for part, share in parts.items())
    notes = [
        "pckh, pckh01: within 0.5 and 0.1 of the head size (0.6 of the head box's "
        "diagonal), without pelvis and thorax",
        f"pckh by part: {shares}",
        f"Mean@0.1 of HRNet's tables, measured at 0.11: {at(0.11)[0].overall:.4f}",
    ]
    if result.excluded:
        notes.append(f"pckh: {result.excluded} people without a head size left out")
    return metrics, notes
