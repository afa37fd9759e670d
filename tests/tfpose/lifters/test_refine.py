"""Refinement: its gradient is that of what it says, and poses get better by it."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tests.mocap_pairs import mocap_pairs
from tfpose.errors import InputError
from tfpose.geometry import limb_lengths, limb_vectors
from tfpose.lifters.build import build_lifter
from tfpose.lifters.refine import LimbLengths, Refiner
from tfpose.lifters.unit_view import unit_view
from tfpose.skeletons import get_skeleton

H36M = get_skeleton("h36m16")
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def bodies(shared_data) -> np.ndarray:
    positions = mocap_pairs(shared_data)["positions"][:40]
    return positions - positions[:, :1]


@pytest.fixture(scope="module")
def lifted(bodies) -> np.ndarray:
    """As a lifter would have them: some centimetres off."""
    off = RNG.normal(0, 0.05, bodies.shape).astype(np.float32)
    off[:, 0] = 0
    return bodies + off


@pytest.fixture(scope="module")
def seen(bodies) -> np.ndarray:
    """Somewhere in an image."""
    return 0.2 * np.asarray(unit_view(bodies, 0, 5.0)) + np.float32([0.3, -0.1])


@pytest.fixture(scope="module")
def refiner(bodies) -> Refiner:
    found = lengths(bodies)
    kept = LimbLengths(tuple(found.mean(0)), tuple(found.std(0) + 0.01))
    return Refiner(H36M, kept, symmetry_weight=0.7)


def lengths(bodies) -> np.ndarray:
    return np.asarray(limb_lengths(limb_vectors(bodies, H36M.parents)))


def test_gradient_is_that_of_the_objective(refiner, bodies, lifted):
    target = unit_view(bodies, 0, 5.0)
    pose = tf.constant(lifted + RNG.normal(0, 0.05, lifted.shape).astype(np.float32))
    pose -= pose[:, :1]
    with tf.GradientTape() as tape:
        tape.watch(pose)
        objective = refiner.energy(pose, target)
        objective += 0.3 * tf.reduce_sum((pose - lifted) ** 2, axis=(1, 2))
    expected = np.array(tape.gradient(objective, pose))
    expected[:, 0] = 0
    found = np.asarray(refiner.gradient(pose, target, lifted))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    for without in ({"limb_lengths": None}, {"symmetry_weight": 0.0}):
        other = dataclasses.replace(refiner, **without)
        assert np.abs(other.gradient(pose, target, lifted) - found).max() > 1e-3


def test_energy_is_what_it_says(refiner, bodies, seen):
    found = np.asarray(refiner.energy(bodies, seen))
    kept = refiner.limb_lengths
    limbs = lengths(bodies)
    off = ((limbs - kept.mean) / kept.std) ** 2
    expected = 0.02 * off.sum(axis=1)
    children = [j for j in range(16) if H36M.parents[j] >= 0]
    for left, right in H36M.flip_pairs:
        ratio = limbs[:, children.index(left)] / limbs[:, children.index(right)]
        expected += 0.7 * (ratio - 1) ** 2
    # The bodies look like their keypoints: only limbs are left.
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_refined_poses_are_more_likely_and_nearer_to_the_truth(
    refiner, bodies, lifted, seen
):
    refined = np.asarray(refiner(lifted, seen))
    before, after = (np.asarray(refiner.energy(p, seen)) for p in (lifted, refined))
    assert (after < 0.5 * before).mean() > 0.95
    errors = [np.linalg.norm(p - bodies, axis=-1).mean() for p in (lifted, refined)]
    assert errors[1] < 0.9 * errors[0]
    assert not refined[:, 0].any()
    # Each pose by itself, whatever is beside it.
    alone = np.asarray(refiner(lifted[:1], seen[:1]))
    np.testing.assert_allclose(alone, refined[:1], atol=1e-4)


def test_a_heavy_stay_weight_holds_the_pose(refiner, lifted, seen):
    held = dataclasses.replace(refiner, stay_weight=1000.0, steps=30)
    moves = [np.abs(r(lifted, seen) - lifted).mean() for r in (refiner, held)]
    assert moves[1] < 0.5 * moves[0]


def test_symmetry_makes_both_sides_alike(bodies, seen):
    uneven = bodies.copy()
    knee = H36M.joints.index("left_knee")
    ankle = H36M.joints.index("left_ankle")
    uneven[:, ankle] += 0.3 * (uneven[:, ankle] - uneven[:, knee])
    refiner = Refiner(H36M, None, symmetry_weight=2.0, stay_weight=0.01, steps=40)
    children = [j for j in range(16) if H36M.parents[j] >= 0]
    right = H36M.joints.index("right_ankle")
    pair = [children.index(ankle), children.index(right)]

    def unlike(poses) -> float:
        left, other = lengths(poses)[:, pair].T
        return float(np.abs(left / other - 1).mean())

    assert unlike(refiner(uneven, seen)) < 0.5 * unlike(uneven)


def test_a_lifter_must_keep_limb_lengths():
    lifter = build_lifter("martinez_small", H36M)
    with pytest.raises(InputError, match="keeps no limb_lengths of its training"):
        LimbLengths.of(lifter)
    for bad in (
        {"mean": [0.3] * 14, "std": [0.1] * 14},
        {"mean": [0.3] * 15, "std": [0.1]},
        {"mean": [0.0] * 15, "std": [0.1] * 15},
    ):
        lifter.info = {"limb_lengths": bad}
        with pytest.raises(InputError, match="expected 15 lengths above 0") as error:
            LimbLengths.of(lifter)
        assert "\n" not in str(error.value)
    for bad in ({"mean": ["a"] * 15, "std": [0.1] * 15}, {"mean": [0.3]}, 3):
        lifter.info = {"limb_lengths": bad}
        with pytest.raises(InputError, match="keeps no limb_lengths"):
            LimbLengths.of(lifter)
    lifter.info = {"limb_lengths": {"mean": [0.3] * 15, "std": [0.0] * 15}}
    # Nobody's limbs are all of one length to the last digit.
    assert LimbLengths.of(lifter).std == pytest.approx((0.003,) * 15)
