"""Refined heatmaps and how they are read."""

import numpy as np
import pytest

from tfpose.logocap.attraction import best_places, refine_windows, weighted_peaks


def test_an_attraction_map_moves_its_window():
    """One peak at row 1, column 4 of 5: one up and two to the right."""
    rng = np.random.default_rng(0)
    windows = rng.normal(size=(2, 3, 2, 9, 9)).astype(np.float32)
    attraction = np.zeros((2, 3, 5, 5, 2), np.float32)
    attraction[..., 2, 2, 0] = 25
    attraction[..., 1, 4, 1] = 25
    found = np.asarray(refine_windows(windows, attraction))
    assert found.shape == (2, 3, 9, 9, 2)
    assert np.allclose(found[..., 0], windows[:, :, 0], atol=1e-5)
    moved = np.zeros((2, 3, 9, 9), np.float32)
    moved[:, :, :8, 2:] = windows[:, :, 1, 1:, :7]
    assert np.allclose(found[..., 1], moved, atol=1e-5)


def test_windows_and_maps_meet_one_by_one():
    rng = np.random.default_rng(1)
    windows = rng.normal(size=(2, 2, 3, 7, 7)).astype(np.float32)
    attraction = rng.normal(size=(2, 2, 3, 3, 3)).astype(np.float32)
    together = np.asarray(refine_windows(windows, attraction))
    alone = refine_windows(windows[1:, 1:, 2:], attraction[1:, 1:, :, :, 2:])
    assert np.allclose(together[1:, 1:, ..., 2:], alone, atol=1e-5)


def test_places_are_three_quarters_of_the_highest_and_one_of_the_second():
    heatmaps = np.zeros((1, 1, 9, 9, 2), np.float32)
    heatmaps[0, 0, 4, 4, 0], heatmaps[0, 0, 4, 5, 0] = 1.0, 0.6
    heatmaps[0, 0, 0, 8, 1], heatmaps[0, 0, 2, 8, 1] = 0.4, 0.2
    keypoints = np.array([[[[100.0, 50.0], [10.0, 20.0]]]], np.float32)
    places, values = weighted_peaks(heatmaps, keypoints)
    assert np.allclose(places, [[[[100.25, 50], [14, 16.5]]]])
    assert np.asarray(values).ravel() == pytest.approx([0.9, 0.35])


def test_the_best_place_of_a_local_map():
    rng = np.random.default_rng(2)
    expansion = rng.uniform(0, 99, (1, 2, 3, 3, 2, 2)).astype(np.float32)
    attraction = rng.uniform(size=(1, 2, 3, 3, 2)).astype(np.float32)
    attraction[0, 1, 2, 0, 1] = 2
    places, values = (np.asarray(x) for x in best_places(expansion, attraction))
    assert places[0, 1, 1].tolist() == expansion[0, 1, 2, 0, 1].tolist()
    assert values[0, 1, 1] == 2
