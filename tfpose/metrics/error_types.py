"""Error types of the joints of predicted poses, by Ronchi and Perona.

M. R. Ronchi and P. Perona, Benchmarking and Error Diagnosis in Multi-Instance Pose
Estimation, ICCV 2017, section 3.1. Poses are matched to people at OKS .1 and more. The
labelled joints of each match are classified by their keypoint similarity, the term of
OKS for one joint: ks = exp(-d**2 / (2 * area * (2 * k)**2)), with d the distance to a
labelled joint and area that of the labelled person.

    good       nearest to its own label, ks >= .85
    jitter     nearest to its own label, .5 <= ks < .85
    inversion  nearest to the mirror joint of the same person, ks >= .5
    swap       nearest to that joint or its mirror joint of another person, ks >= .5
    miss       near none of them, ks < .5

Nearest means the largest ks. Poses without a match and people without a pose are not
localisation errors: they have no error type and are counted separately.
"""

import dataclasses

import numpy as np

from tfpose.metrics.oks import PoseMatches, PosePredictions, PoseTruth, match_poses
from tfpose.skeletons import Skeleton

__all__ = ["ERROR_TYPES", "PoseErrors", "find_error_types"]

ERROR_TYPES = ("good", "jitter", "inversion", "swap", "miss")
_GOOD, _JITTER, _INVERSION, _SWAP, _MISS = range(5)
_MATCH_OKS = 0.1
_NEAR, _CLOSE = 0.5, 0.85


@dataclasses.dataclass(frozen=True)
class PoseErrors:
    """Error types of Q poses.

    Attributes:
        kinds: int8 `[Q, J]`, index in `ERROR_TYPES`; -1 where the pose has no match or
            the person's joint has no label.
        matches: the matched person of each pose.
    """

    kinds: np.ndarray
    matches: PoseMatches

    @property
    def counts(self) -> np.ndarray:
        """Number of joints of each of `ERROR_TYPES`, int64 `[5, J]`."""
        return np.stack(
            [np.count_nonzero(self.kinds == kind, axis=0) for kind in range(5)]
        )


def find_error_types(
    truth: PoseTruth,
    predictions: PosePredictions,
    skeleton: Skeleton,
    image_ids: np.ndarray | None = None,
    box_area_factor: float | None = None,
) -> PoseErrors:
    """The error type of each joint, see the module's docstring.

    Args:
        truth: labelled people.
        predictions: predicted people; the 20 best of an image are used.
        skeleton: joints of both; needs sigmas.
        image_ids: all images evaluated, see `oks_average_precision`.
        box_area_factor: share of a box's area that is used for an unknown area.

    Raises:
        InputError: as `oks_average_precision`.
    """
    matches = match_poses(
        truth, predictions, skeleton, _MATCH_OKS, image_ids, box_area_factor
    )
    kinds = np.full((len(matches.rows), skeleton.num_joints), -1, np.int8)
    matched = np.flatnonzero(matches.rows >= 0)
    people = np.flatnonzero(matches.counted)
    images = np.asarray(truth.image_ids)
    for image_id in np.unique(images[matches.rows[matched]]):
        poses = matched[images[matches.rows[matched]] == image_id]
        here = people[images[people] == image_id]
        similarities = _similarities(
            np.asarray(predictions.keypoints, np.float64)[poses],
            np.asarray(truth.keypoints, np.float64)[here],
            matches.areas[here],
            skeleton,
        )
        own = np.searchsorted(here, matches.rows[poses])
        kinds[poses] = _kinds(*similarities, own)
    labelled = np.asarray(truth.keypoints)[matches.rows[matched], :, 2] > 0
    kinds[matched] = np.where(labelled, kinds[matched], -1)
    return PoseErrors(kinds, matches)


def _similarities(
    poses: np.ndarray, people: np.ndarray, areas: np.ndarray, skeleton: Skeleton
) -> tuple[np.ndarray, np.ndarray]:
    """Similarities `[D, G, J]` of D poses to the joints and mirror joints of G people.

    -1 where the joint is not labelled.
    """
    spreads = 2 * areas[:, None] * (2 * np.array(skeleton.sigmas)) ** 2
    similarities = []
    for labels in (people, people[:, list(skeleton.flip_permutation)]):
        squares = ((poses[:, None] - labels[..., :2]) ** 2).sum(axis=-1)
        values = np.where(labels[..., 2] > 0, np.exp(-squares / spreads), -1.0)
        similarities.append(values)
    return similarities[0], similarities[1]


def _kinds(direct: np.ndarray, mirrored: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Kinds `[D, J]` from similarities `[D, G, J]`; `own` `[D]`: the matched people."""
    row = np.arange(len(own))
    true, inverted = direct[row, own], mirrored[row, own]
    others = np.maximum(direct, mirrored)
    others[row, own] = -1.0
    other = others.max(axis=1)
    # A tie counts as the own label: a joint of the middle is its own mirror joint.
    nearest_own = true >= np.maximum(inverted, other)
    return np.select(
        [
            np.maximum(true, np.maximum(inverted, other)) < _NEAR,
            nearest_own & (true >= _CLOSE),
            nearest_own,
            inverted > other,
        ],
        [_MISS, _GOOD, _JITTER, _INVERSION],
        _SWAP,
    )
