"""MOTA and jitter by hand."""

import numpy as np
import pytest

from tfpose.metrics.tracks import TrackScore, mean_acceleration
from tfpose.skeletons import get_skeleton

COCO = get_skeleton("coco17")
BODY = np.random.default_rng(0).uniform(0, 100, (17, 3))
BODY[:, 2] = 2


def at(*places):
    return np.array([BODY + [x, 0, 0] for x in places]).reshape(-1, 17, 3)


def add(score, truth, who, found, numbers):
    score.add(
        at(*truth),
        np.full(len(truth), 4000.0),
        np.array(who),
        at(*found)[..., :2],
        np.array(numbers),
    )


def counts(score):
    return score.people, score.misses, score.false_alarms, score.switches


def test_mota_by_hand() -> None:
    score = TrackScore(COCO)
    add(score, [0, 500], [0, 1], [0, 500], [7, 8])
    assert counts(score) == (2, 0, 0, 0) and score.mota == 1
    # One is missed, and somebody is seen who is not there.
    add(score, [0, 500], [0, 1], [0, 900], [7, 9])
    assert counts(score) == (4, 1, 1, 0)
    # The numbers are exchanged: two switches; back again: two more.
    add(score, [0, 500], [0, 1], [0, 500], [8, 7])
    add(score, [0, 500], [0, 1], [500, 0], [8, 7])
    assert counts(score) == (8, 1, 1, 4) and score.mota == 1 - 6 / 8
    add(score, [], [], [3], [1])
    assert counts(score) == (8, 1, 2, 4)


def test_who_was_a_pair_stays_one() -> None:
    """The other pose is nearer, but the one of the same number is near enough."""
    score = TrackScore(COCO)
    add(score, [0], [0], [0], [7])
    add(score, [0], [0], [1, 4], [8, 7])
    assert counts(score) == (2, 0, 1, 0)
    # A miss in between is no switch.
    add(score, [0], [0], [], [])
    add(score, [0], [0], [0], [7])
    assert score.switches == 0


def test_mean_acceleration_of_a_fall_is_that_of_gravity() -> None:
    seconds = np.arange(20) / 50
    points = np.zeros((20, 2, 2))
    points[:, 0, 1] = 9.81 / 2 * seconds**2
    points[:, 1, 0] = np.nan
    assert mean_acceleration(points, 50) == pytest.approx(9.81)
    assert np.isnan(mean_acceleration(points[:2], 50))
