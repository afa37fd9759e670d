"""Targets of nets that draw centres and offsets."""

import numpy as np
import pytest

from tests.drawn_crowd import draw_crowds
from tfpose.codecs.centre_targets import CentreCodec, CentreTargets

SIZE = (64, 96)
CODEC = CentreCodec(SIZE)


def rendered(codec, keypoints, centres, areas, ignored=None, mirrored=None):
    """Targets of a batch as arrays."""
    count = len(keypoints)
    if ignored is None:
        ignored = np.zeros((count, *codec.map_size), np.uint8)
    if mirrored is None:
        mirrored = np.zeros(count, np.float32)
    targets = codec(keypoints, centres, areas, ignored, mirrored)
    return CentreTargets(*(np.asarray(value) for value in targets))


def one_joint(*people):
    """A batch of one input: people of (x, y of a joint, x, y of the centre, area)."""
    values = np.array(people, np.float32)
    ones = np.ones((len(people), 1), np.float32)
    keypoints = np.concatenate([values[:, :2], ones], -1)[None, :, None]
    centres = np.concatenate([values[:, 2:4], ones], -1)[None]
    return keypoints, centres, values[None, :, 4]


def test_gaussians_are_where_the_points_are():
    """By their middles of mass: cell c is the middle of pixels 4 c to 4 c + 3."""
    targets = rendered(CODEC, *one_joint((50.3, 30.8, 41.0, 33.0, 400)))
    y, x = np.mgrid[:16, :24] * 4 + 1.5
    for channel, expected in enumerate([(50.3, 30.8), (41.0, 33.0)]):
        heat = targets.heatmaps[0, ..., channel]
        middle = [(axis * heat).sum() / heat.sum() for axis in (x, y)]
        # The centre's Gaussian is cut at the border.
        assert middle == pytest.approx(expected, abs=0.02 if channel == 0 else 1.5)
    # The largest value is in the cell that the point is in.
    assert np.unravel_index(targets.heatmaps[0, ..., 0].argmax(), (16, 24)) == (7, 12)
    assert 0.9 < targets.heatmaps.max() <= 1


def test_every_cell_of_the_square_leads_to_the_joint():
    targets = rendered(CODEC, *one_joint((70.3, 9.8, 41.0, 33.0, 400)))
    painted = np.argwhere(targets.offset_weights[0, ..., 0] > 0)
    assert painted.min(axis=0).tolist() == [4, 6]
    assert painted.max(axis=0).tolist() == [11, 13] and len(painted) == 64
    assert np.unique(targets.offset_weights) == pytest.approx([0, 1 / 20])
    for row, column in painted:
        cell = np.array([column, row]) * 4 + 1.5
        joint = cell - 4 * targets.offsets[0, row, column, 0]
        assert joint == pytest.approx([70.3, 9.8], abs=1e-4)


def test_weights_of_cells():
    ignored = np.zeros((1, *CODEC.map_size), np.uint8)
    ignored[0, :4, :4] = 1
    keypoints, centres, areas = one_joint((50, 30, 41, 33, 400))
    centres[..., 2] = 0
    weights = rendered(CODEC, keypoints, centres, areas, ignored).weights[0, ..., 0]
    assert set(np.unique(weights).round(6)) == {0, np.float32(0.1).round(6), 1}
    assert (weights[:4, :4] == 0).all() and weights[0, 4] == pytest.approx(0.1)
    # Cell (12.1, 7.1): from floor(c - 6 - 1) on, before ceil(c + 6 + 2).
    assert np.flatnonzero(weights[7] == 1).tolist() == list(range(5, 21))


def test_the_smaller_person_comes_later_and_wins():
    large, small = (20, 20, 40, 30, 2500), (60, 50, 44, 32, 100)
    both = rendered(CODEC, *one_joint(large, small))
    alone = rendered(CODEC, *one_joint(small))
    of_small = alone.offset_weights > 0
    np.testing.assert_array_equal(both.offsets[of_small], alone.offsets[of_small])
    assert (both.offset_weights > 0).sum() > of_small.sum()
    # A joint that the smaller person lacks is the larger one's.
    keypoints, centres, areas = one_joint(large, small)
    keypoints[0, 1] = 0
    without = rendered(CODEC, keypoints, centres, areas)
    lone = rendered(CODEC, *one_joint(large))
    np.testing.assert_array_equal(without.offsets, lone.offsets)


def test_what_is_outside_is_not_drawn():
    """A joint that left the input, a centre that did, and a person without a centre."""
    keypoints, centres, areas = one_joint(
        (-0.6, 20, 40, 30, 2500), (60, 50, 96, 32, 100), (30, 30, 30, 30, 100)
    )
    centres[0, 2] = 0
    targets = rendered(CODEC, keypoints, centres, areas)
    assert (targets.offset_weights == 0).all()
    alone = rendered(CODEC, *one_joint((60, 50, -50, 0, 9), (30, 30, -50, 0, 9)))
    np.testing.assert_array_equal(targets.heatmaps[..., 0], alone.heatmaps[..., 0])
    assert targets.heatmaps[..., 1].max() > 0.9


@pytest.mark.parametrize("released", [False, True])
def test_nobody(released):
    codec = CentreCodec(SIZE, released=released)
    targets = rendered(codec, *draw_crowds(np.random.default_rng(0), (0, 0), 3, 64))
    assert not targets.heatmaps.any() and not targets.offset_weights.any()
    assert np.unique(targets.weights) == pytest.approx([0.1])
    assert np.isfinite(targets.offsets).all()


def test_released_targets_are_those_of_the_released_code():
    """Sums of what its generators made of the same people, by weights of places."""
    crowd = draw_crowds(np.random.default_rng(5), (5, 2), 6, 128)
    targets = rendered(CentreCodec((128, 128), released=True), *crowd)
    place = np.cos(np.arange(32 * 32)).reshape(32, 32)

    def total(values):
        return np.einsum("bhwc,hw->", values.reshape(2, 32, 32, -1), place)

    assert total(targets.heatmaps) == pytest.approx(21.518380791774895, abs=1e-4)
    assert total(targets.weights) == pytest.approx(1.3151871747011001, abs=1e-4)
    assert total(targets.offsets) == pytest.approx(-209.34716783065687, rel=1e-5)
    # There a weight for x and one for y.
    weights = 2 * total(targets.offset_weights)
    assert weights == pytest.approx(0.15327018562893002, abs=1e-5)


def test_the_released_rule_fails_where_a_joint_is_missing():
    """A small person, then a large one, at one place; the small one lacks joint 1.

    Joint 0 stays the small one's. Joint 1 is painted by the large one, and with it all
    that come after it, though the smaller one is to win.
    """
    codec = CentreCodec(SIZE, released=True)
    keypoints = np.ones((1, 2, 3, 3), np.float32)
    keypoints[0, 0, :, :2], keypoints[0, 1, :, :2] = 20, 40
    keypoints[0, 0, 1] = 0
    centres = np.array([[[32, 32, 1], [32, 32, 1]]], np.float32)
    targets = rendered(codec, keypoints, centres, np.array([[100.0, 2500.0]]))
    weights = targets.offset_weights[0, 8, 8]
    assert weights == pytest.approx([1 / 10, 1 / 50, 1 / 50])


def test_released_maps_of_mirrored_photos_are_three_pixels_off():
    codec = CentreCodec(SIZE, released=True)
    off = rendered(codec, *one_joint((50, 30, 41, 33, 400)), mirrored=np.ones(1))
    moved = rendered(codec, *one_joint((47, 30, 38, 33, 400)))
    for one, other in zip(off, moved, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    # Without the released lines a mirrored photo's targets are where its points are.
    crowd = one_joint((50, 30, 41, 33, 400))
    plain, mirrored = (rendered(CODEC, *crowd, mirrored=[m]) for m in (0, 1))
    np.testing.assert_array_equal(plain.heatmaps, mirrored.heatmaps)
