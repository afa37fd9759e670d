"""Local and global maps around joints, against interpolation written out in loops."""

import numpy as np
import pytest

from tfpose.codecs.centre_poses import upsample
from tfpose.errors import InputError
from tfpose.logocap.expansion import (
    expand_poses,
    gaussian_window,
    joint_scales,
    sample_features,
    sample_windows,
)
from tfpose.skeletons import Skeleton, get_skeleton


def _read(one: np.ndarray, x: float, y: float) -> np.ndarray:
    """The published code's value of a map `[h, w, ...]` between its cells."""
    total = 0.0
    height, width = one.shape[:2]
    low = np.clip(np.floor([x, y]), 0, [width - 1, height - 1])
    high = np.minimum(low + 1, [width - 1, height - 1])
    after, before = np.clip(high - [x, y], 0, 1), np.clip([x, y] - low, 0, 1)
    for column, column_weight in ((low[0], after[0]), (high[0], before[0])):
        for row, row_weight in ((low[1], after[1]), (high[1], before[1])):
            total = total + one[int(row), int(column)] * column_weight * row_weight
    return total


def test_scales_are_of_the_sigmas():
    scales = joint_scales(get_skeleton("coco17"))
    assert scales[[0, 1, 5, 11]] == pytest.approx([1.04, 1, 3.16, 4.28], abs=1e-5)
    with pytest.raises(InputError, match="'plain' has no OKS sigmas"):
        joint_scales(Skeleton("plain", ("nose",)))


def test_places_go_by_row_and_column_to_both_ends():
    keypoints = np.array([[[[10.0, 20.0], [5.0, 6.0]]]], np.float32)
    places = np.asarray(expand_poses(keypoints, np.array([1, 3], np.float32)))
    assert places.shape == (1, 1, 11, 11, 2, 2)
    assert places[0, 0, 0, 10].tolist() == [[15, 15], [20, -9]]
    assert places[0, 0, 5, 5].tolist() == keypoints[0, 0].tolist()


def test_features_are_read_between_cells_and_on_borders():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(2, 6, 8, 3)).astype(np.float32)
    # Beyond all four borders, too.
    keypoints = rng.uniform(-20, 50, (2, 4, 2, 2)).astype(np.float32)
    places = np.asarray(expand_poses(keypoints, np.array([1, 2.5], np.float32), 2))
    found = np.asarray(sample_features(features, places, 4))
    assert found.shape == (2, 4, 5, 5, 2, 3)
    for index in np.ndindex(*places.shape[:-1]):
        expected = _read(features[index[0]], *places[index] / 4)
        assert np.allclose(found[index], expected, atol=1e-5)


@pytest.mark.parametrize("size", [(6, 8), (40, 36)])
def test_windows_are_of_the_upsampled_heatmaps(size):
    rng = np.random.default_rng(1)
    heatmaps = rng.normal(size=(2, *size, 2)).astype(np.float32)
    ends = np.array([size[1] * 4, size[0] * 4])
    keypoints = rng.uniform(-30, ends + 30, (2, 5, 2, 2)).astype(np.float32)
    radius = 9
    found = np.asarray(sample_windows(heatmaps, keypoints, radius, 4))
    assert found.shape == (2, 5, 2, 19, 19)
    upsampled = np.asarray(upsample(heatmaps, 4))
    for picture, slot, joint in np.ndindex(2, 5, 2):
        x, y = keypoints[picture, slot, joint]
        one = upsampled[picture, :, :, joint]
        expected = [
            [_read(one, x + dx, y + dy) for dx in range(-radius, radius + 1)]
            for dy in range(-radius, radius + 1)
        ]
        assert np.allclose(found[picture, slot, joint], expected, atol=1e-4)


def test_the_window_is_a_gaussian_that_reaches_its_corners():
    window = gaussian_window(48, 16.0)
    assert window.shape == (97, 97) and window[48, 48] == 1
    assert window[48, 64] == pytest.approx(np.exp(-0.5))
    # The published code cuts it below 1e-4, which is nowhere.
    assert window.min() == window[0, 0] == pytest.approx(np.exp(-9), rel=1e-4)
    assert window.min() > 1e-4
