"""Suppression by OKS: who goes, who stays, and by which area."""

import numpy as np
import pytest

from tfpose.errors import InputError
from tfpose.metrics.nms import oks_nms
from tfpose.metrics.oks import PosePredictions
from tfpose.skeletons import Skeleton, get_skeleton

COCO17 = get_skeleton("coco17")
AREA = 10_000.0


def _poses(offsets, scores, image_ids=None) -> PosePredictions:
    """One pose, moved right by each offset."""
    count = len(offsets)
    base = np.random.default_rng(0).uniform(0, 100, (17, 2))
    keypoints = np.repeat(base[None], count, 0)
    keypoints[..., 0] += np.asarray(offsets)[:, None]
    ids = np.full(count, 7) if image_ids is None else np.asarray(image_ids)
    return PosePredictions(ids, keypoints, np.ones((count, 17)), np.asarray(scores))


def _oks(distance: float, area: float = AREA) -> float:
    variances = (2 * np.array(COCO17.sigmas)) ** 2
    return float(np.exp(-(distance**2) / (2 * area * variances)).mean())


def _kept(poses, areas=None, threshold=0.9):
    areas = np.full(len(poses.image_ids), AREA) if areas is None else areas
    return oks_nms(poses, areas, COCO17, threshold).tolist()


def test_the_better_of_two_alike_stays():
    assert _oks(1) > 0.9 > _oks(6)
    assert _kept(_poses([0, 1], [0.3, 0.8])) == [1]
    assert _kept(_poses([0, 1], [0.8, 0.3])) == [0]
    assert _kept(_poses([0, 6], [0.8, 0.3])) == [0, 1]


def test_overlap_is_oks_with_sigmas_and_the_threshold_is_kept():
    distance = 3.0
    oks = _oks(distance)
    poses = _poses([0, distance], [0.9, 0.5])
    assert _kept(poses, threshold=oks - 1e-6) == [0]
    assert _kept(poses, threshold=oks + 1e-6) == [0, 1]
    assert _kept(_poses([0, 0], [0.9, 0.5]), threshold=1.0) == [0, 1]


def test_area_is_the_mean_of_both():
    distance, areas = 4.0, np.array([4 * AREA, AREA])
    oks = _oks(distance, 2.5 * AREA)
    poses = _poses([0, distance], [0.9, 0.5])
    assert _kept(poses, areas, threshold=oks - 1e-6) == [0]
    assert _kept(poses, areas, threshold=oks + 1e-6) == [0, 1]


def test_a_pose_that_was_dropped_drops_nobody():
    # Each is near to the next; the middle one goes, so the last one stays.
    assert _oks(2) > 0.95 > _oks(4)
    assert _kept(_poses([0, 2, 4], [0.9, 0.8, 0.7]), threshold=0.95) == [0, 2]


def test_joint_scores_do_not_count():
    poses = _poses([0, 1], [0.3, 0.8])
    poses.joint_scores[:] = 0
    assert _kept(poses) == [1]


def test_images_are_apart_and_rows_keep_their_order():
    poses = _poses([0, 0, 1, 1, 0], [0.1, 0.2, 0.9, 0.8, 0.5], [9, 4, 9, 4, 2])
    assert _kept(poses) == [2, 3, 4]


def test_nobody_is_nobody():
    assert _kept(_poses([], [])) == []


def test_refusals():
    poses = _poses([0, 1], [0.3, 0.8])
    for areas in (np.ones(3), np.array([1, 0]), np.array([1, np.nan])):
        with pytest.raises(InputError, match="areas have shape"):
            oks_nms(poses, areas, COCO17)
    for threshold in (-0.1, 1.1, np.nan):
        with pytest.raises(InputError, match="expected 0 to 1"):
            oks_nms(poses, np.ones(2), COCO17, threshold)
    bare = Skeleton("bare", COCO17.joints)
    with pytest.raises(InputError, match="'bare' has no OKS sigmas"):
        oks_nms(poses, np.ones(2), bare)
