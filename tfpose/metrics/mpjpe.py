"""3D pose errors: MPJPE, N-MPJPE, PA-MPJPE, 3D PCK and its AUC.

All are computed from one number per pose and joint: the distance between prediction and
ground truth, both relative to the root joint. Protocols differ in what is fitted
before:

    unscaled      nothing. The mean distance is the MPJPE ("protocol 1").
    global_scale  one scale per pose, about the root, by least squares. The mean
                  distance is the N-MPJPE.
    procrustes    scale, rotation and translation of each pose, without reflection.
                  The mean distance is the PA-MPJPE ("protocol 2").

PCK is the share of distances strictly below 150 mm; AUC is the mean of the PCK at 0, 5,
..., 150 mm, as in MPI-INF-3DHP's evaluation code. No distance is below 0 mm, so a
perfect AUC is 30 / 31.

Sources: Ionescu et al. 2014 (MPJPE), Rhodin et al. 2018 (N-MPJPE), Gower 1975
(Procrustes), Mehta et al. 2017 (PCK at 150 mm, AUC).
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tfpose.errors import InputError
from tfpose.skeletons import Skeleton

__all__ = [
    "PCK_THRESHOLD",
    "PROTOCOLS",
    "PositionScores",
    "Score",
    "align_positions",
    "body_part",
    "score_positions",
]

PROTOCOLS = ("unscaled", "global_scale", "procrustes")

PCK_THRESHOLD = 150.0
"""Threshold of the 3D PCK, millimetres."""
_AUC_THRESHOLDS = np.linspace(0.0, PCK_THRESHOLD, 31)

_HEAD = ("nose", "eye", "ear", "head", "head_top", "neck")
_TORSO = ("pelvis", "spine", "spine2", "spine3", "spine4", "thorax", "clavicle")

# Poses processed at once; half a million poses then need some 100 MB.
_CHUNK = 1 << 16


@dataclasses.dataclass(frozen=True)
class Score:
    """Errors of some poses and joints."""

    mpjpe: float
    """Mean distance, millimetres; its published name depends on the protocol."""
    pck: float
    """Share of distances below 150 mm, 0..1."""
    auc: float
    """Mean PCK of the thresholds 0, 5, ..., 150 mm, 0..1."""
    poses: int
    """Poses counted."""


@dataclasses.dataclass(frozen=True)
class PositionScores:
    """One row of a table of results: the metrics and all that they depend on."""

    skeleton: str
    joints: tuple[str, ...]
    """Joints counted; the root, if it is one of them, counts with error 0."""
    root: str
    """The joint that both poses are relative to."""
    protocol: str
    flip: bool
    """Whether predictions are means with those of the mirrored input."""
    keypoint_source: str
    """Source of the 2D keypoints: "gt", "projected", or a detector's name."""
    overall: Score
    per_joint: Mapping[str, Score]
    per_part: Mapping[str, Score]
    """By `body_part`; both sides together."""
    per_action: Mapping[str, Score]
    """Empty where no actions are given."""

    @property
    def metric(self) -> str:
        """Published name of the mean distance: MPJPE, N-MPJPE or PA-MPJPE."""
        return dict(zip(PROTOCOLS, ("MPJPE", "N-MPJPE", "PA-MPJPE"), strict=True))[
            self.protocol
        ]

    @property
    def mean_of_actions(self) -> float:
        """Mean of the actions' mean distances, millimetres; NaN without actions.

        Many published Human3.6M results are this mean, in which short and long actions
        have the same weight. In `overall` every pose has the same weight.
        """
        scores = [score.mpjpe for score in self.per_action.values()]
        return float(np.mean(scores)) if scores else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form."""
        return dataclasses.asdict(self) | {
            "joints": list(self.joints),
            "metric": self.metric,
        }

    def __str__(self) -> str:
        return (
            f"{self.metric} {self.overall.mpjpe:.1f} mm, "
            f"PCK@150mm {100 * self.overall.pck:.1f} %, "
            f"AUC {100 * self.overall.auc:.1f} % "
            f"({self.overall.poses} poses, {len(self.joints)} joints of "
            f"{self.skeleton}, root {self.root}, protocol {self.protocol}, "
            f"{'with' if self.flip else 'no'} flip, 2D from {self.keypoint_source})"
        )


def body_part(joint: str) -> str:
    """The part of a joint in `per_part`: head, torso, or its name without side."""
    joint = joint.removeprefix("left_").removeprefix("right_")
    if joint in _HEAD:
        return "head"
    return "torso" if joint in _TORSO else joint


def align_positions(
    predicted: np.ndarray, truth: np.ndarray, protocol: str
) -> np.ndarray:
    """Aligns predictions with the ground truth as the protocol defines.

    Args:
        predicted: predictions `[N, J, 3]`, relative to the root, any unit.
        truth: ground truth `[N, J, 3]`, relative to the root, in the same unit.
        protocol: one of `PROTOCOLS`.

    Returns:
        float64 `[N, J, 3]`. A prediction with all joints at one point has no best scale
        and rotation: it stays a point.

    Raises:
        InputError: an unknown protocol.
    """
    predicted = np.asarray(predicted, np.float64)
    truth = np.asarray(truth, np.float64)
    if protocol == "unscaled":
        return predicted
    if protocol == "global_scale":
        norm = np.sum(predicted**2, axis=(-2, -1), keepdims=True)
        product = np.sum(predicted * truth, axis=(-2, -1), keepdims=True)
        # A negative scale would be a reflection through the root.
        return predicted * np.maximum(_ratio(product, norm), 0.0)
    if protocol != "procrustes":
        raise InputError(f"protocol is {protocol!r}, expected one of {PROTOCOLS}")
    truth_mean = truth.mean(axis=-2, keepdims=True)
    centred = predicted - predicted.mean(axis=-2, keepdims=True)
    covariance = np.swapaxes(centred, -2, -1) @ (truth - truth_mean)
    left, values, right = np.linalg.svd(covariance)
    # The last axis, of the smallest value, is flipped where the best fit would be a
    # reflection.
    sign = np.where(np.linalg.det(left) * np.linalg.det(right) < 0, -1.0, 1.0)
    values[..., -1] *= sign
    left[..., -1] *= sign[..., None]
    norm = np.sum(centred**2, axis=(-2, -1), keepdims=True)
    scale = _ratio(values.sum(axis=-1)[..., None, None], norm)
    return scale * (centred @ (left @ right)) + truth_mean


def score_positions(
    predicted: np.ndarray,
    truth: np.ndarray,
    skeleton: Skeleton,
    *,
    protocol: str = "unscaled",
    keypoint_source: str,
    flip: bool = False,
    joints: Sequence[str] | None = None,
    actions: Sequence[str] | None = None,
    action_index: np.ndarray | None = None,
) -> PositionScores:
    """Scores predicted 3D poses.

    Args:
        predicted: predictions `[N, J, 3]`, metres; absolute or relative, because the
            root is subtracted.
        truth: ground truth `[N, J, 3]`, metres; absolute or relative.
        skeleton: the J joints and the root.
        protocol: one of `PROTOCOLS`.
        keypoint_source: source of the 2D keypoints, for the result.
        flip: whether predictions are means with those of the mirrored input, for the
            result.
        joints: names of the joints to fit and count. Defaults to all, root included.
        actions: names of actions, each of which is scored separately, too.
        action_index: int `[N]`, index in `actions` of each pose.

    Raises:
        InputError: shapes do not fit, a value is not finite, there is no pose, no
            such joint or no such protocol.
    """
    predicted, truth = _checked(predicted, truth, skeleton)
    if protocol not in PROTOCOLS:
        raise InputError(f"protocol is {protocol!r}, expected one of {PROTOCOLS}")
    counted = tuple(skeleton.joints if joints is None else joints)
    rows = [skeleton.index(joint) for joint in counted]
    if not rows:
        raise InputError("joints is empty, expected one or more names")
    distances = np.empty((len(truth), len(rows)))
    for start in range(0, len(truth), _CHUNK):
        part = slice(start, start + _CHUNK)
        estimates, references = (
            (poses - poses[:, [skeleton.root]])[:, rows]
            for poses in (
                predicted[part].astype(np.float64),
                truth[part].astype(np.float64),
            )
        )
        aligned = align_positions(estimates, references, protocol)
        distances[part] = 1000.0 * np.linalg.norm(aligned - references, axis=-1)
    parts = [body_part(joint) for joint in counted]
    return PositionScores(
        skeleton=skeleton.name,
        joints=counted,
        root=skeleton.joints[skeleton.root],
        protocol=protocol,
        flip=flip,
        keypoint_source=keypoint_source,
        overall=_score(distances),
        per_joint={
            joint: _score(distances[:, [column]])
            for column, joint in enumerate(counted)
        },
        per_part={
            part: _score(distances[:, [other == part for other in parts]])
            for part in dict.fromkeys(parts)
        },
        per_action=_per_action(distances, actions, action_index),
    )


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """The quotient, and 0 where the denominator is 0."""
    return np.divide(
        numerator,
        denominator,
        out=np.zeros(np.broadcast_shapes(numerator.shape, denominator.shape)),
        where=denominator > 0,
    )


def _score(distances: np.ndarray) -> Score:
    """Metrics of distances `[N, K]`, millimetres; N must not be 0."""
    # Number of thresholds that are strictly above each distance.
    passed = len(_AUC_THRESHOLDS) - np.searchsorted(
        _AUC_THRESHOLDS, distances.ravel(), side="right"
    )
    return Score(
        mpjpe=float(distances.mean()),
        pck=float(np.mean(distances < PCK_THRESHOLD)),
        auc=float(passed.mean() / len(_AUC_THRESHOLDS)),
        poses=len(distances),
    )


def _per_action(
    distances: np.ndarray,
    actions: Iterable[str] | None,
    action_index: np.ndarray | None,
) -> dict[str, Score]:
    if actions is None or action_index is None:
        if actions is not action_index:
            raise InputError("actions and action_index go together, got one of them")
        return {}
    action_index = np.asarray(action_index)
    if action_index.shape != distances.shape[:1]:
        raise InputError(
            f"action_index has shape {action_index.shape}, expected "
            f"{distances.shape[:1]} to fit the poses"
        )
    of_action = ((name, action_index == row) for row, name in enumerate(actions))
    return {name: _score(distances[mask]) for name, mask in of_action if mask.any()}


def _checked(
    predicted: np.ndarray, truth: np.ndarray, skeleton: Skeleton
) -> tuple[np.ndarray, np.ndarray]:
    predicted, truth = np.asarray(predicted), np.asarray(truth)
    expected = (len(truth) if truth.ndim else 0, skeleton.num_joints, 3)
    for name, poses in (("truth", truth), ("predicted", predicted)):
        if poses.shape != expected:
            raise InputError(
                f"{name} has shape {poses.shape}, expected {expected} "
                f"for skeleton {skeleton.name!r}"
            )
        broken = ~np.isfinite(poses).all(axis=(1, 2))
        if broken.any():
            raise InputError(
                f"{name} has values that are not finite in {broken.sum()} of "
                f"{len(poses)} poses, the first is pose {broken.argmax()}"
            )
    if not len(truth):
        raise InputError("there is no pose to score")
    return predicted, truth
