"""What kind of error each joint of a predicted pose is, by Ronchi and Perona.

M. R. Ronchi and P. Perona, Benchmarking and Error Diagnosis in Multi-Instance Pose
Estimation, ICCV 2017, section 3.1. Poses are matched to people at OKS .1 and more; the
labelled joints of each match are judged by their keypoint similarity, the term of OKS
that belongs to one joint: ks = exp(-d**2 / (2 * area * (2 * k)**2)), d the distance to
a labelled place, area that of the person labelled there.

    good       nearest to its own place, ks >= .85
    jitter     nearest to its own place, .5 <= ks < .85
    inversion  nearest to the mirror joint of the same person, ks >= .5
    swap       nearest to that joint or its mirror joint of someone else, ks >= .5
    miss       near none of them, ks < .5

Nearest is by ks. Poses without a match and people whom no pose found are no errors of
localisation: they have no kind and are counted apart.
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
    """Kinds of error of Q poses.

    Attributes:
        kinds: int8 `[Q, J]`, index in `ERROR_TYPES`; -1 where the pose has no match or
            the person's joint no label.
        matches: who was meant by each pose.
    """

    kinds: np.ndarray
    matches: PoseMatches

    @property
    def counts(self) -> np.ndarray:
        """int64 `[5, J]`, joints of each of `ERROR_TYPES`."""
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
    """The kind of error of each joint, see the module's text.

    Args:
        truth: labelled people.
        predictions: predicted people, of which the 20 best of an image are looked at.
        skeleton: joints of both; needs sigmas.
        image_ids: all images evaluated, see `oks_average_precision`.
        box_area_factor: share of a box's area that stands for an unknown area.

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
    """Similarities `[D, G, J]` of D poses to the joints of G people and to their mirror
    joints; -1 to what is not labelled."""
    spreads = 2 * areas[:, None] * (2 * np.array(skeleton.sigmas)) ** 2
    found = []
    for places in (people, people[:, list(skeleton.flip_permutation)]):
        squares = ((poses[:, None] - places[..., :2]) ** 2).sum(axis=-1)
        found.append(np.where(places[..., 2] > 0, np.exp(-squares / spreads), -1.0))
    return found[0], found[1]


def _kinds(direct: np.ndarray, mirrored: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Kinds `[D, J]` from similarities `[D, G, J]`, `own` `[D]` the person meant."""
    row = np.arange(len(own))
    true, inverted = direct[row, own], mirrored[row, own]
    others = np.maximum(direct, mirrored)
    others[row, own] = -1.0
    other = others.max(axis=1)
    # The own place wins ties: a joint of the middle is its own mirror joint.
    at_home = true >= np.maximum(inverted, other)
    return np.select(
        [
            np.maximum(true, np.maximum(inverted, other)) < _NEAR,
            at_home & (true >= _CLOSE),
            at_home,
            inverted > other,
        ],
        [_MISS, _GOOD, _JITTER, _INVERSION],
        _SWAP,
    )
