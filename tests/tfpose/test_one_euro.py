"""The one-euro filter: by hand, at rest, in motion, at any rate and where joints go."""

import math

import numpy as np
import pytest

from tfpose.one_euro import OneEuroFilter


def test_two_steps_by_hand() -> None:
    smooth = OneEuroFilter(min_cutoff=1.0, beta=0.5, speed_cutoff=1.0)
    assert smooth(np.array([[0.0, 0.0]]), 10.0).tolist() == [[0, 0]]
    # Of 0.1 s; a cutoff of f Hz gives the new value the weight t / (t + 1), t = 2 pi f
    # 0.1.
    turn = 2 * math.pi * 0.1
    speed = turn / (turn + 1) * 5 / 0.1
    turn *= 1 + 0.5 * speed
    expected = np.array([3, 4]) * turn / (turn + 1)
    (found,) = smooth(np.array([[3.0, 4.0]]), 10.1)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("fps", [15, 60])
def test_rest_is_still_and_motion_is_followed(fps) -> None:
    rng = np.random.default_rng(0)
    seconds = np.arange(10 * fps) / fps
    noise = rng.normal(0, 1, (len(seconds), 1, 2))
    rest = OneEuroFilter()
    still = np.array([rest(n, t, 50.0) for n, t in zip(noise, seconds, strict=True)])
    assert still[fps:].std() < 0.6 * noise.std()
    # In units of its size a thing that moves fast lags less.
    lag = {}
    for unit in (1.0, 1000.0):
        filtered = OneEuroFilter()
        for t in seconds:
            out = filtered(np.array([[100 * t, 0.0]]), t, unit)
        lag[unit] = 100 * seconds[-1] - out[0, 0]
    assert lag[1.0] < 0.2 * lag[1000.0]


def test_a_joint_that_was_away_begins_anew() -> None:
    smooth = OneEuroFilter(min_cutoff=0.01, beta=0)
    away = np.array([[np.nan, np.nan], [5.0, 5.0]])
    smooth(np.array([[1.0, 1.0], [5.0, 5.0]]), 0.0)
    found = smooth(away, 0.1)
    assert np.isnan(found[0]).all() and found[1].tolist() == [5, 5]
    found = smooth(np.array([[90.0, 80.0], [5.0, 5.0]]), 0.2)
    assert found.tolist() == [[90, 80], [5, 5]]
