"""PoseAug's losses on numbers that can be followed by hand."""

import numpy as np
import pytest

from tfpose.poseaug.augmentor import Augmented
from tfpose.poseaug.body import Body
from tfpose.poseaug.loss import (
    adversarial_loss,
    bounded_feedback,
    discriminator_loss,
    exponential_feedback,
    hinged_regulariser,
    range_regulariser,
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
    )


def test_judged_as_wanted_costs_nothing():
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
