"""The loss of top-down nets against the official one, written out."""

import numpy as np
import pytest

from tfpose.top_down.loss import keypoint_loss


def _joints_mse(predicted, target, weights):
    """HRNet's JointsMSELoss with target weights, for one person."""
    loss, joints = 0.0, predicted.shape[-1]
    for joint in range(joints):
        error = weights[joint] * (predicted[..., joint] - target[..., joint])
        loss += 0.5 * np.mean(error**2)
    return loss / joints


def test_loss_is_the_official_one():
    rng = np.random.default_rng(0)
    predicted, target = rng.random((2, 3, 6, 5, 4)).astype(np.float32)
    weights = np.array([[1, 1, 1, 1], [1, 0, 1.5, 0], [0, 0, 0, 0]], np.float32)
    expected = [
        _joints_mse(*each) for each in zip(predicted, target, weights, strict=True)
    ]
    assert np.asarray(keypoint_loss(predicted, target, weights)) == pytest.approx(
        expected
    )


def test_low_precision_is_summed_in_float32():
    predicted = np.full((1, 64, 64, 4), 1e-3, np.float16)
    weights = np.ones((1, 4), np.float32)
    loss = keypoint_loss(predicted, np.zeros_like(predicted), weights)
    assert float(loss[0]) == pytest.approx(0.5e-6, rel=1e-2)
