"""Centres and the poses around them, against plain loops."""

import numpy as np
import pytest

from tfpose.codecs.centre_poses import find_centres, poses_of_offsets, upsample


def _peaks(centre_map: np.ndarray) -> list[tuple[float, int, int]]:
    """(height, x, y) of all local maxima of 3x3 above 0, the highest first."""
    padded = np.pad(centre_map, 1)
    found = []
    for y, x in np.ndindex(*centre_map.shape):
        value = centre_map[y, x]
        if value > 0 and value == padded[y : y + 3, x : x + 3].max():
            found.append((value, x, y))
    return sorted(found, reverse=True)


def test_centres_are_the_highest_local_maxima():
    rng = np.random.default_rng(0)
    maps = rng.normal(0, 1, (2, 12, 20)).astype(np.float32)
    places, heights = (np.asarray(part) for part in find_centres(maps, 6))
    for one, place, height in zip(maps, places, heights, strict=True):
        expected = _peaks(one)[:6]
        assert len(expected) == 6
        assert np.allclose(height, [peak[0] for peak in expected])
        assert place.tolist() == [list(peak[1:]) for peak in expected]


def test_slots_without_a_peak_have_no_height():
    centre_map = np.full((1, 8, 8), -1, np.float32)
    centre_map[0, 3, 5] = 0.7
    places, heights = find_centres(centre_map, 4)
    assert np.asarray(heights)[0].tolist() == pytest.approx([0.7, 0, 0, 0])
    assert np.asarray(places)[0, 0].tolist() == [5, 3]


def test_offsets_are_centre_minus_keypoint_in_cells():
    rng = np.random.default_rng(1)
    offsets = rng.normal(0, 3, (2, 6, 7, 3, 2)).astype(np.float32)
    centres = rng.integers(0, [28, 24], (2, 5, 2)).astype(np.float32)
    found = np.asarray(poses_of_offsets(offsets, centres, 4))
    for picture, slot in np.ndindex(2, 5):
        x, y = centres[picture, slot]
        expected = [x, y] - 4 * offsets[picture, int(y // 4), int(x // 4)]
        assert np.allclose(found[picture, slot], expected, atol=1e-5)


def test_an_upsampled_map_is_read_between_cells():
    slope = np.arange(6, dtype=np.float32)[None, None, :, None].repeat(4, 1)
    found = np.asarray(upsample(slope, 4))[0, :, :, 0]
    assert found.shape == (16, 24)
    pixels = (np.arange(24) + 0.5) / 4 - 0.5
    assert np.allclose(found, pixels.clip(0, 5), atol=1e-6)
