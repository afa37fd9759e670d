"""ISO's equations against the same in plain NumPy, on real poses."""

import numpy as np
import pytest

from tests.mocap_pairs import mocap_pairs
from tfpose.geometry import keypoint_size
from tfpose.iso.loss import (
    cycle_losses,
    generator_loss,
    prior_loss,
    seen_from_elsewhere,
    supervised_loss,
)
from tfpose.lifters.views import view_rotations
from tfpose.skeletons import get_skeleton

H36M = get_skeleton("h36m16")
DISTANCE = 5.0
RNG = np.random.default_rng(0)


@pytest.fixture
def bodies(shared_data) -> np.ndarray:
    positions = mocap_pairs(shared_data)["positions"][:20]
    return positions - positions[:, :1]


@pytest.fixture
def rotations() -> np.ndarray:
    azimuth = RNG.uniform(-np.pi, np.pi, 20).astype(np.float32)
    elevation = RNG.uniform(-0.35, 0.35, 20).astype(np.float32)
    return np.asarray(view_rotations(azimuth, elevation))


def view_of(body: np.ndarray) -> np.ndarray:
    """Of one body `[J, 3]`: a pinhole camera, then centred and of size 1."""
    seen = np.stack([point[:2] / (point[2] + DISTANCE) for point in body])
    seen = seen - seen[0]
    return seen / np.sqrt(np.mean(np.sum(seen**2, axis=-1)))


def test_equation_2(bodies):
    predicted = bodies + RNG.normal(0, 0.1, bodies.shape).astype(np.float32)
    expected = []
    for one, truth in zip(predicted, bodies, strict=True):
        total = 0.0
        for joint, parent in enumerate(H36M.parents):
            total += np.sum((one[joint] - truth[joint]) ** 2)
            if parent >= 0:
                bones = one[joint] - one[parent], truth[joint] - truth[parent]
                total += np.sum((bones[0] - bones[1]) ** 2)
        expected.append(total)
    found = float(supervised_loss(predicted, bodies, H36M))
    assert found == pytest.approx(np.mean(expected), rel=1e-4)
    assert float(supervised_loss(bodies, bodies, H36M)) == 0


def test_equation_3():
    real = RNG.normal(1, 2, (9, 1)).astype(np.float32)
    fake = RNG.normal(-1, 2, (9, 1)).astype(np.float32)
    looks_real, looks_fake = (1 / (1 + np.exp(-scores)) for scores in (real, fake))
    game = np.mean(np.log(looks_real)) + np.mean(np.log(1 - looks_fake))
    for kind in ("saturating", "non_saturating"):
        assert float(prior_loss(real, fake, kind)) == pytest.approx(-game, rel=1e-4)
    lifters = np.mean(np.log(1 - looks_fake))
    assert float(generator_loss(fake, "saturating")) == pytest.approx(lifters, rel=1e-4)
    other = -np.mean(np.log(looks_fake))
    found = float(generator_loss(fake, "non_saturating"))
    assert found == pytest.approx(other, rel=1e-4)
    squares = 0.5 * (np.mean((real - 1) ** 2) + np.mean(fake**2))
    found = float(prior_loss(real, fake, "least_squares"))
    assert found == pytest.approx(squares, rel=1e-4)
    found = float(generator_loss(fake, "least_squares"))
    assert found == pytest.approx(0.5 * np.mean((fake - 1) ** 2), rel=1e-4)
    # A flow does not learn from what the lifter makes.
    assert float(prior_loss(real, fake, "likelihood")) == pytest.approx(-real.mean())
    assert float(generator_loss(fake, "likelihood")) == pytest.approx(-fake.mean())


def test_random_views_are_what_a_camera_sees(bodies, rotations):
    found = np.asarray(seen_from_elsewhere(bodies, rotations, 0, DISTANCE))
    for seen, body, rotation in zip(found, bodies, rotations, strict=True):
        np.testing.assert_allclose(seen, view_of(body @ rotation.T), atol=1e-4)


def test_a_perfect_lifter_has_no_cycle_loss(bodies, rotations):
    # Somewhere in the image, and small.
    keypoints = 0.2 * np.stack([view_of(body) for body in bodies]) + 0.3
    keypoints = keypoints.astype(np.float32)
    view = rotations, 0, DISTANCE
    seen = np.asarray(seen_from_elsewhere(bodies, *view))
    asked = []

    def lift(given):
        asked.append(np.asarray(given))
        return np.einsum("bij,bkj->bki", rotations, bodies)

    losses = cycle_losses(lift, keypoints, bodies, seen, *view)
    np.testing.assert_allclose(losses, 0, atol=1e-5)
    # The second lifting gets the view where the first one's keypoints were.
    np.testing.assert_allclose(asked[0][:, 0], keypoints[:, 0], atol=1e-6)
    sizes = [np.asarray(keypoint_size(given, 0)) for given in (asked[0], keypoints)]
    np.testing.assert_allclose(*sizes, rtol=1e-4)


def test_equation_4(bodies, rotations):
    keypoints = np.stack([view_of(body) for body in bodies]).astype(np.float32)
    view = rotations, 0, DISTANCE
    seen = np.asarray(seen_from_elsewhere(bodies, *view))
    again = bodies + RNG.normal(0, 0.1, bodies.shape).astype(np.float32)
    again -= again[:, :1]
    loss_2d, loss_3d = cycle_losses(lambda _: again, keypoints, bodies, seen, *view)
    backs = [body @ rotation for body, rotation in zip(again, rotations, strict=True)]
    expected_3d = np.mean(
        [np.sum((b - x) ** 2) for b, x in zip(backs, bodies, strict=True)]
    )
    expected_2d = np.mean(
        [np.sum((view_of(b) - x) ** 2) for b, x in zip(backs, keypoints, strict=True)]
    )
    assert float(loss_3d) == pytest.approx(expected_3d, rel=1e-3)
    assert float(loss_2d) == pytest.approx(expected_2d, rel=1e-3)
