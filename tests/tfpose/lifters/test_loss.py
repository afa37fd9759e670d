"""What lifters learn from, on numbers that can be followed by hand."""

import numpy as np

from tfpose.lifters.loss import joint_errors, pose_losses, relative_to_root


def test_errors_keep_the_unit_and_losses_square_it():
    truth = np.zeros((2, 16, 3), np.float32)
    predicted = truth + np.float32([0.03, 0.04, 0])
    np.testing.assert_allclose(joint_errors(predicted, truth), 0.05, rtol=1e-5)
    mean_square = (0.03**2 + 0.04**2) / 3
    np.testing.assert_allclose(pose_losses(predicted, truth), mean_square, rtol=1e-5)


def test_the_roots_row_becomes_0_and_limbs_stay():
    positions = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
    found = np.asarray(relative_to_root(positions, 2))
    assert not found[:, 2].any()
    np.testing.assert_allclose(
        found[:, 1] - found[:, 0], positions[:, 1] - positions[:, 0], atol=1e-6
    )
