"""People in slots, drawn from a seed, for tests of targets and losses."""

import numpy as np

__all__ = ["draw_crowd", "draw_crowds"]


def draw_crowd(
    rng: np.random.Generator, count: int, slots: int, side: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keypoints `[slots, 17, 3]`, centres `[slots, 3]` and areas `[slots]` of people in
    a square input, whose joints may lie outside of it.
    """
    keypoints = np.zeros((slots, 17, 3), np.float32)
    centres, areas = np.zeros((slots, 3), np.float32), np.zeros(slots, np.float32)
    for person in range(count):
        middle = rng.uniform(0.2 * side, 0.8 * side, 2)
        size = rng.uniform(0.2 * side, 0.6 * side)
        points = keypoints[person]
        points[:, :2] = middle + rng.normal(0, size / 3, (17, 2))
        points[:, 2] = rng.choice([0, 1, 2], 17, p=[0.3, 0.2, 0.5])
        points *= points[:, 2:] > 0
        centres[person, :2] = points.sum(axis=0)[:2] / (points[:, 2] > 0).sum()
        centres[person, 2] = 1
        areas[person] = size**2
    return keypoints, centres, areas


def draw_crowds(
    rng: np.random.Generator, counts: tuple[int, ...], slots: int, side: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A batch of `draw_crowd`, one input for each count of people."""
    drawn = [draw_crowd(rng, count, slots, side) for count in counts]
    keypoints, centres, areas = (
        np.stack(values) for values in zip(*drawn, strict=True)
    )
    return keypoints, centres, areas
