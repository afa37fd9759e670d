"""Who is left of poses that lie on each other."""

import numpy as np

from tfpose.logocap.suppression import read_slots, suppress_near


def _people(*moves: float) -> np.ndarray:
    """One pose of 17 joints in a box of 80 x 60, moved right by each number."""
    base = np.random.default_rng(0).uniform(0, 1, (17, 2)) * [80, 60]
    base[:2] = [[0, 0], [80, 60]]
    return np.stack([base + [move, 0] for move in moves])


def test_the_best_of_a_heap_stays():
    poses = _people(0, 3, 200, 1)
    kept = suppress_near(poses, np.array([0.5, 0.9, 0.1, 0.7]))
    assert kept.tolist() == [1, 2]


def test_near_is_a_twentieth_of_the_diagonal():
    poses = _people(0, 4.9)
    assert len(suppress_near(poses, np.array([1.0, 0.5]))) == 1
    poses = _people(0, 5.1)
    assert len(suppress_near(poses, np.array([1.0, 0.5]))) == 2


def test_more_than_eight_of_seventeen_joints_must_be_near():
    poses = _people(0, 0)
    scores = np.array([1.0, 0.5])
    poses[1, 2:11] += 40
    assert len(suppress_near(poses, scores)) == 2
    poses[1, 10] -= 40
    assert len(suppress_near(poses, scores)) == 1


def test_nobody_and_a_pose_of_no_size():
    assert suppress_near(np.zeros((0, 17, 2)), np.zeros(0)).tolist() == []
    poses = np.concatenate([np.zeros((1, 17, 2)), _people(0)])
    assert suppress_near(poses, np.ones(2)).tolist() == [1]


def test_empty_slots_are_nobody():
    points = _people(0, 3, 200, 400)
    poses = np.concatenate([points, np.full((4, 17, 1), 0.5)], axis=-1)
    found, scores = read_slots(poses, np.array([0.5, 0.9, 0.1, 0]))
    assert np.array_equal(found, poses[[1, 2]]) and scores.tolist() == [0.9, 0.1]
    found, scores = read_slots(poses, np.zeros(4))
    assert found.shape == (0, 17, 3) and scores.shape == (0,)
