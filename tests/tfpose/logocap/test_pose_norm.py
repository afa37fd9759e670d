"""Normalisation by some samples of a batch."""

import keras
import numpy as np

from tfpose.logocap.pose_norm import PoseNorm


def trained(norm, x, mask):
    """What it returns in training, and its moving mean and variance after that."""
    y = np.asarray(norm(x, training=True, mask=mask))
    return y, np.asarray(norm.moving_mean), np.asarray(norm.moving_variance)


def test_statistics_are_of_the_samples_that_count():
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, (5, 4, 4, 6)).astype(np.float32)
    # What does not count must not matter, however large it is.
    x[[1, 3]] = 1e4
    counted = np.array([True, False, True, False, True])
    mask = np.broadcast_to(counted[:, None, None], (5, 4, 4))
    found = trained(PoseNorm(), x, mask)
    expected = trained(keras.layers.BatchNormalization(), x[counted], None)
    np.testing.assert_allclose(found[0][counted], expected[0], atol=1e-4)
    for one, other in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4)


def test_without_any_all_count():
    x = np.random.default_rng(0).normal(3, 2, (5, 4, 4, 6)).astype(np.float32)
    found = trained(PoseNorm(), x, np.zeros((5, 4, 4), bool))
    expected = trained(keras.layers.BatchNormalization(), x, None)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
