"""Other views of real bodies: turned, mirrored, placed."""

import numpy as np
import pytest

from tests.mocap_pairs import mocap_pairs
from tfpose.geometry import keypoint_size, limb_lengths, limb_vectors
from tfpose.lifters.views import (
    mirror_bodies,
    place_bodies,
    project_poses,
    turn_bodies,
    view_rotations,
)
from tfpose.skeletons import get_skeleton

H36M = get_skeleton("h36m16")
RNG = np.random.default_rng(0)


@pytest.fixture
def pairs(shared_data) -> dict[str, np.ndarray]:
    return {name: rows[:50] for name, rows in mocap_pairs(shared_data).items()}


def angles(count: int, most: float) -> np.ndarray:
    return RNG.uniform(-most, most, count).astype(np.float32)


def lengths(positions) -> np.ndarray:
    return np.asarray(limb_lengths(limb_vectors(positions, H36M.parents)))


def test_a_turned_body_keeps_its_root_and_limbs(pairs):
    positions = pairs["positions"]
    rotations = view_rotations(angles(50, 3), angles(50, 1), angles(50, 1))
    turned = np.asarray(turn_bodies(positions, rotations, H36M.root))
    np.testing.assert_allclose(turned[:, 0], positions[:, 0], atol=1e-6)
    np.testing.assert_allclose(lengths(turned), lengths(positions), atol=1e-5)
    assert np.linalg.norm(turned - positions, axis=-1).mean() > 0.1
    back = np.swapaxes(np.asarray(rotations), -1, -2)
    again = turn_bodies(turned, back, H36M.root)
    np.testing.assert_allclose(again, positions, atol=1e-5)


def test_first_the_azimuth_then_the_tilt():
    quarter = np.float32([np.pi / 2])
    turn = np.asarray(view_rotations(quarter, np.zeros_like(quarter)))[0]
    # About y, which points down: depth becomes width, height stays.
    np.testing.assert_allclose(turn @ [0, 0, 1], [1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(turn @ [0, 1, 0], [0, 1, 0], atol=1e-6)
    both = np.asarray(view_rotations(quarter, quarter))[0]
    tilt = np.asarray(view_rotations(np.zeros_like(quarter), quarter))[0]
    np.testing.assert_allclose(both, tilt @ turn, atol=1e-6)
    np.testing.assert_allclose(tilt @ [1, 0, 0], [1, 0, 0], atol=1e-6)
    zero = np.zeros_like(quarter)
    roll = np.asarray(view_rotations(zero, zero, quarter))[0]
    np.testing.assert_allclose(roll @ [0, 0, 1], [0, 0, 1], atol=1e-6)


@pytest.mark.parametrize("name", ["keypoints", "positions"])
def test_a_mirror_swaps_sides_and_shows_the_same_twice(pairs, name):
    points = pairs[name]
    mirrored = np.asarray(mirror_bodies(points, H36M.flip_permutation))
    left, right = H36M.joints.index("left_knee"), H36M.joints.index("right_knee")
    np.testing.assert_array_equal(mirrored[:, left, 0], -points[:, right, 0])
    np.testing.assert_array_equal(mirrored[:, left, 1:], points[:, right, 1:])
    again = mirror_bodies(mirrored, H36M.flip_permutation)
    np.testing.assert_array_equal(again, points)


def test_a_camera_sees_placed_bodies_where_they_shall_be(pairs):
    places = RNG.uniform(-0.4, 0.4, (50, 1, 2)).astype(np.float32)
    sizes = RNG.uniform(0.1, 0.25, (50, 1, 1)).astype(np.float32)
    cameras = pairs["intrinsics"]
    placed = np.asarray(
        place_bodies(pairs["positions"], cameras, places, sizes, H36M.root)
    )
    seen = np.asarray(project_poses(placed, cameras))
    np.testing.assert_allclose(seen[:, :1], places, atol=1e-4)
    np.testing.assert_allclose(keypoint_size(seen, H36M.root), sizes, rtol=0.02)
    rooted = [poses - poses[:, :1] for poses in (placed, pairs["positions"])]
    np.testing.assert_allclose(*rooted, atol=1e-5)


def test_projected_poses_are_the_data_sets_keypoints(pairs):
    seen = project_poses(pairs["positions"], pairs["intrinsics"])
    np.testing.assert_allclose(seen, pairs["keypoints"], atol=1e-3)
    # Far from the axis they are held, where a distortion would run away.
    far = np.float32([[[50, 0, 1], [0, 0, 1]]])
    camera = np.float32([[1, 1, 0, 0, 0, 0, 0, 0, 0]])
    np.testing.assert_allclose(project_poses(far, camera)[0, 0], [1, 0])
