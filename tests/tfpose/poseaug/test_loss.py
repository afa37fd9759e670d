"""PoseAug's losses on numbers that can be followed by hand."""

import numpy as np
import pytest
import tensorflow as tf

from tfpose.adversarial.loss import adversarial_loss, discriminator_loss
from tfpose.geometry import rotation_matrices
from tfpose.poseaug.augmentor import Augmented
from tfpose.poseaug.body import Body
from tfpose.poseaug.loss import (
    bounded_feedback,
    exponential_feedback,
    hinged_regulariser,
    range_regulariser,
    view_spread,
)
from tfpose.skeletons import get_skeleton


def changes(direction=0.0, length=0.0, angle=0.0) -> Augmented:
    nothing = np.zeros((2, 16, 3), np.float32)
    return Augmented(
        nothing,
        nothing,
        nothing,
        np.full((2, 15, 3), direction, np.float32),
        np.full((2, 9), length, np.float32),
        np.full((2, 15), angle, np.float32),
        np.tile(np.eye(3, dtype=np.float32), (2, 1, 1)),
    )


def test_real_as_wanted_costs_nothing():
    ones, zeros = np.ones((4, 5), np.float32), np.zeros((4, 5), np.float32)
    assert float(discriminator_loss(ones, zeros)) == 0
    assert float(discriminator_loss(zeros, ones)) == 1
    assert float(adversarial_loss(ones)) == 0
    assert float(adversarial_loss(zeros)) == 0.5


def test_papers_feedback_is_least_where_hardness_is_met():
    original = np.float32([0.01, 0.02])
    losses = [
        float(exponential_feedback(ratio * original, original, 4.0))
        for ratio in (1, 3, 4, 5, 8)
    ]
    assert losses[2] == pytest.approx(0, abs=1e-6)
    assert losses[0] > losses[1] > losses[2] < losses[3] < losses[4]
    assert losses[4] == pytest.approx(np.mean(np.exp(4 * original) - 1), rel=1e-4)


def test_papers_feedback_stays_finite_for_a_lifter_that_is_far_off():
    near, far, further = (
        float(exponential_feedback(np.float32([x]), np.float32([0]), 2.0))
        for x in (4.999, 5.001, 1000.0)
    )
    assert far - near == pytest.approx(0.002 * np.exp(5), rel=0.02)
    assert further == pytest.approx(996 * np.exp(5) - 1, rel=1e-4)


def test_released_feedback_lets_a_range_be():
    body = Body(get_skeleton("h36m16"))
    original = np.full((3, 16), 0.05, np.float32)
    assert float(bounded_feedback(3.5 * original, original, 5.0, 2.0, body)) == 0
    found = float(bounded_feedback(8 * original, original, 5.0, 2.0, body))
    assert found == pytest.approx(9, rel=1e-4)
    still = np.zeros((3, 16), np.float32)
    assert np.isfinite(bounded_feedback(original, still, 5.0, 2.0, body))


def test_regularisers():
    assert float(hinged_regulariser(changes(0.09, 0.09))) == 0
    assert float(hinged_regulariser(changes(0.2))) == pytest.approx(0.04)
    assert float(hinged_regulariser(changes(length=-0.2))) == pytest.approx(0.04)
    assert float(range_regulariser(changes(length=0.09, angle=0.3))) == 0
    # Doing nothing is not free.
    assert float(range_regulariser(changes())) == pytest.approx(0.205**2, rel=1e-4)
    assert float(range_regulariser(changes(angle=0.5))) == pytest.approx(
        0.295**2, rel=1e-4
    )


def test_view_spread_is_how_much_turns_differ():
    def spread(turns) -> float:
        return float(view_spread(rotation_matrices(np.float32(turns))))

    round_about = np.linspace(0, 2 * np.pi, 100, endpoint=False)
    upright = np.stack([0 * round_about, round_about, 0 * round_about], axis=-1)
    assert spread(np.tile([0.3, 1.2, -0.4], (100, 1))) == pytest.approx(0, abs=1e-5)
    # The mean keeps the axis alone: one in three of a rotation's squares.
    assert spread(upright) == pytest.approx(1 - 1 / 3**0.5, abs=1e-5)
    assert 0 < spread(upright[:25]) < spread(upright[:50]) < spread(upright)
    # Half turns about each axis, and none, cancel out.
    assert spread(np.pi * np.eye(4, 3)) == pytest.approx(1, abs=1e-3)


def test_view_spread_has_a_slope_where_turns_are_nearly_alike():
    turns = tf.Variable(
        np.random.default_rng(0).normal(0, 0.01, (64, 3)), dtype="float32"
    )
    with tf.GradientTape() as tape:
        found = view_spread(rotation_matrices(turns))
    slope = tape.gradient(found, turns).numpy()
    assert np.isfinite(slope).all()
    # Outwards.
    assert (slope * turns.numpy()).sum() > 0
