"""Geometry beside OpenCV, SciPy and NumPy, real cameras, and gradients at the edges."""

import functools
import pickle

import cv2
import numpy as np
import pytest
import tensorflow as tf

from tfpose import geometry
from tfpose.skeletons import SKELETONS, get_skeleton

RNG = np.random.default_rng(0)
every_skeleton = pytest.mark.parametrize("name", sorted(SKELETONS))


def bodies(*shape: int) -> np.ndarray:
    """Something of the size of people at 4 m, `[*shape, 3]`."""
    return (RNG.normal(0, 0.4, (*shape, 3)) + [0, 0, 4]).astype(np.float32)


def gradient_of(function, *values) -> list[np.ndarray]:
    variables = [tf.constant(value) for value in values]
    with tf.GradientTape() as tape:
        tape.watch(variables)
        found = function(*variables)
        weights = tf.constant(RNG.normal(size=found.shape), tf.float32)
        result = tf.reduce_sum(found * weights)
    return [np.asarray(g) for g in tape.gradient(result, variables)]


def all_finite(arrays) -> bool:
    return all(np.isfinite(array).all() for array in arrays)


def human36m_cameras(folder) -> list[dict]:
    with open(folder / "formats/h36m/cameras.pkl", "rb") as file:
        cameras = pickle.load(file, encoding="latin1")
    return [camera for (subject, _), camera in cameras.items() if subject == "S1"]


def nine(camera: dict) -> np.ndarray:
    parts = [camera["f"], camera["c"], camera["k"], camera["p"][::-1]]
    return np.concatenate([np.ravel(part) for part in parts]).astype(np.float32)


# --- limbs ---


@every_skeleton
def test_limbs_and_back(name):
    skeleton = get_skeleton(name)
    positions = bodies(2, 3, skeleton.num_joints)
    limbs = geometry.limb_vectors(positions, skeleton.parents)
    assert limbs.shape == (2, 3, skeleton.num_joints - 1, 3)
    back = geometry.positions_from_limbs(
        limbs, positions[..., skeleton.root, :], skeleton.parents
    )
    np.testing.assert_allclose(back, positions, atol=2e-6)


def test_limbs_point_from_parent_to_child_in_the_order_of_children():
    parents = (2, 0, -1, 2)
    positions = np.arange(12, dtype=np.float32).reshape(4, 3) ** 2
    limbs = np.asarray(geometry.limb_vectors(positions, parents))
    np.testing.assert_array_equal(limbs, positions[[0, 1, 3]] - positions[[2, 0, 2]])


def test_lengths_directions_and_cosines():
    limbs = np.float32([[3, 0, 4], [0, 2, 0], [0, 0, 0], [0, 0, 1e-6]])
    np.testing.assert_allclose(geometry.limb_lengths(limbs), [5, 2, 0, 1e-6], rtol=1e-6)
    directions = np.asarray(geometry.limb_directions(limbs))
    np.testing.assert_allclose(directions[:2], [[0.6, 0, 0.8], [0, 1, 0]], rtol=1e-6)
    assert not directions[2].any() and directions[3, 2] < 0.1
    cosines = np.asarray(geometry.kinematic_chain_space(bodies(5, 7)))
    assert cosines.shape == (5, 7, 7)
    np.testing.assert_allclose(cosines[:, range(7), range(7)], 1, atol=1e-6)
    limbs = np.float32([[1, 0, 0], [1, 1, 0]])
    np.testing.assert_allclose(
        geometry.kinematic_chain_space(limbs)[0, 1], np.sqrt(0.5), atol=1e-6
    )


def test_gradients_are_finite_at_zero_length():
    limbs = bodies(4, 5)
    limbs[0, 0] = limbs[1] = 0
    limbs[2, 1] = 1e-30
    for function in (
        geometry.limb_lengths,
        geometry.limb_directions,
        geometry.kinematic_chain_space,
    ):
        (gradient,) = gradient_of(function, limbs)
        assert np.isfinite(gradient).all() and np.abs(gradient).max() < 1e6


# --- rotations ---


@pytest.mark.parametrize("angle", [0, 1e-8, 1e-4, 0.09, 0.11, 1, 3.1415, 6])
def test_rotations_are_those_of_opencv(angle):
    axes = RNG.normal(size=(20, 3))
    turns = axes / np.linalg.norm(axes, axis=-1, keepdims=True) * angle
    expected = np.stack([cv2.Rodrigues(turn)[0] for turn in turns])
    found = geometry.rotation_matrices(turns.reshape(4, 5, 3).astype(np.float32))
    np.testing.assert_allclose(found, expected.reshape(4, 5, 3, 3), atol=1e-6)


def test_gradients_of_rotations_are_those_of_opencv():
    for turn in ([0, 0, 0], [1e-5, 0, 0], [0.05, -0.06, 0], [0.1, 0.5, -0.3]):
        _, jacobian = cv2.Rodrigues(np.float64(turn))
        variable = tf.constant(turn, tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(variable)
            flat = tf.reshape(geometry.rotation_matrices(variable), [9])
        found = tape.jacobian(flat, variable)
        np.testing.assert_allclose(found, jacobian.T, atol=1e-5)


# --- cameras ---


def test_projection_is_that_of_opencv(shared_data):
    positions = bodies(17)
    for camera in human36m_cameras(shared_data):
        matrix = np.eye(3)
        matrix[[0, 1], [0, 1]] = camera["f"][:, 0]
        matrix[:2, 2] = camera["c"][:, 0]
        k, p = camera["k"][:, 0], camera["p"][:, 0]
        expected, _ = cv2.projectPoints(
            positions.astype(np.float64),
            np.zeros(3),
            np.zeros(3),
            matrix,
            np.array([k[0], k[1], p[0], p[1], k[2]]),
        )
        found = geometry.project(positions, nine(camera), camera_model="opencv")
        np.testing.assert_allclose(found, expected[:, 0], atol=2e-3)


def test_projection_meets_the_truth_of_human36m(shared_data):
    """Which OpenCV's tangential distortion misses by up to 0.2 pixels."""
    truth = np.load(shared_data / "formats/h36m/test_h36m_body3d.npz")
    cameras = {camera["id"]: camera for camera in human36m_cameras(shared_data)}
    for name, body, seen in zip(
        truth["imgname"], truth["S"], truth["part"], strict=True
    ):
        camera = nine(cameras[name.split(".")[1][:8]])
        positions = body[:, :3].astype(np.float32)
        for limit in (None, 1.0):
            found = geometry.project(positions, camera, limit=limit)
            np.testing.assert_allclose(found, seen[:, :2], atol=1e-3)
        other = geometry.project(positions, camera, camera_model="opencv")
        assert np.abs(other - seen[:, :2]).max() > 0.03


def test_each_body_has_its_own_camera_and_limit_holds_at_45_degrees():
    positions = np.float32([[[0.5, -1, 2]], [[3, -5, 2]]])
    intrinsics = np.float32([[2, 3, 0.1, 0.2, 0, 0, 0, 0, 0], [1, 1] + [0] * 7])
    found = geometry.project(positions, intrinsics, limit=1.0)
    np.testing.assert_allclose(found, [[[0.6, -1.3]], [[1, -1]]], rtol=1e-6)
    free = geometry.project(positions, intrinsics)
    np.testing.assert_allclose(free[1], [[1.5, -2.5]], rtol=1e-6)
    with pytest.raises(ValueError, match="camera_model 'pinhole'"):
        geometry.project(positions, intrinsics, camera_model="pinhole")


def test_gradients_of_projection_are_finite_in_the_plane_of_the_camera(shared_data):
    positions = bodies(4, 5)
    positions[0, :, 2] = 0
    positions[1] = 0
    positions[2, :, 2] = -1e-7
    camera = np.stack([nine(human36m_cameras(shared_data)[0])] * 4)
    for limit in (None, 1.0):
        found = geometry.project(positions, camera, limit)
        see = functools.partial(geometry.project, intrinsics=camera, limit=limit)
        gradients = gradient_of(see, positions)
        assert all_finite([found, *gradients])


def test_normalised_keypoints_are_those_of_the_published_lifters(shared_data):
    """As VideoPose3D's and PoseAug's code: 1000 x 1002 pixels are no portrait."""
    expected = np.float32(
        [
            [2.2901, 2.2876, 0.02508, 0.02890],
            [2.2994, 2.2952, 0.01770, 0.01613],
            [2.2983, 2.2976, 0.03963, 0.00281],
            [2.2910, 2.2895, 0.02994, 0.00176],
        ]
    )
    cameras = human36m_cameras(shared_data)
    sizes = np.int32([[camera["h"], camera["w"]] for camera in cameras])
    intrinsics = np.stack([nine(camera) for camera in cameras])
    normalised = np.asarray(geometry.normalize_intrinsics(intrinsics, sizes))
    np.testing.assert_allclose(normalised[:, :4], expected, atol=1e-4)
    positions = bodies(4, 17)
    pixels = geometry.project(positions, intrinsics)
    keypoints = geometry.normalize_keypoints(pixels, sizes)
    height, width = sizes[0]
    np.testing.assert_allclose(
        keypoints[0], pixels[0] / width * 2 - [1, height / width], atol=1e-6
    )
    np.testing.assert_allclose(
        geometry.project(positions, normalised), keypoints, atol=1e-5
    )


@pytest.mark.parametrize("size", [(720, 1280), (1280, 720), (500, 500)])
def test_keypoints_in_the_image_stay_within_one_and_come_back(size):
    corners = np.float32([[0, 0], [size[1], size[0]], [size[1] / 2, size[0] / 2]])
    found = np.asarray(geometry.normalize_keypoints(corners, size))
    assert np.abs(found).max() == 1
    np.testing.assert_allclose(found[2], 0, atol=1e-7)
    sides = np.array(size[::-1]) / max(size)
    np.testing.assert_allclose(found[1], sides, rtol=1e-6)
    np.testing.assert_allclose(
        geometry.denormalize_keypoints(found, size), corners, atol=1e-3
    )


# --- alignment ---


def reference(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The best of many: rotation by SciPy, scale and shift by least squares."""
    rotations = pytest.importorskip("scipy.spatial.transform").Rotation
    x, y = source - source.mean(axis=0), target - target.mean(axis=0)
    turned = rotations.align_vectors(y, x)[0].apply(x)
    return (turned * y).sum() / (x * x).sum() * turned + target.mean(axis=0)


def test_alignment_is_the_best_without_reflection():
    source, target = bodies(2, 3, 16), bodies(2, 3, 16)
    target[0] = source[0] * [-1, 1, 1]  # A mirror image, not to be met.
    found = np.asarray(geometry.align(source, target))
    for i, j in np.ndindex(2, 3):
        expected = reference(source[i, j].astype("f8"), target[i, j].astype("f8"))
        np.testing.assert_allclose(found[i, j], expected, atol=1e-5)
    _, rotations, _ = geometry.similarity_transform(source, target)
    np.testing.assert_allclose(np.linalg.det(rotations), 1, atol=1e-5)
    assert np.abs(found[0] - target[0]).max() > 0.05


def test_alignment_undoes_a_similarity():
    target = bodies(8, 17)
    turns = np.asarray(geometry.rotation_matrices(bodies(8)))
    source = 0.3 * np.einsum("bij,bkj->bki", turns, target) + [5, -2, 1]
    source = source.astype(np.float32)
    np.testing.assert_allclose(geometry.align(source, target), target, atol=1e-4)
    scale, rotation, _ = geometry.similarity_transform(source, target)
    np.testing.assert_allclose(scale, 1 / 0.3, rtol=1e-5)
    np.testing.assert_allclose(rotation, turns.transpose(0, 2, 1), atol=1e-5)


def test_alignment_of_degenerate_bodies_is_finite():
    flat = bodies(16) * np.float32([1, 1, 0])
    line = bodies(16) * np.float32([1, 0, 0])
    point = np.ones((16, 3), np.float32)
    for source in (flat, line, point):
        for target in (flat, line, point, bodies(16)):
            assert np.isfinite(geometry.align(source, target)).all()
    np.testing.assert_allclose(geometry.align(flat, flat), flat, atol=1e-5)


# --- all together ---


def test_all_compiles_under_xla_with_gradients():
    parents = get_skeleton("h36m16").parents
    intrinsics = np.float32([[2, 2, 0, 0, -0.2, 0.2, 0, 1e-3, 1e-3]] * 3)

    def run(positions, turns):
        limbs = geometry.limb_vectors(positions, parents)
        cosines = geometry.kinematic_chain_space(limbs)
        limbs = (
            geometry.limb_directions(limbs) * geometry.limb_lengths(limbs)[..., None]
        )
        body = geometry.positions_from_limbs(limbs, positions[:, 0], parents)
        matrices = geometry.rotation_matrices(turns)
        body = tf.einsum("bij,bkj->bki", matrices, body)
        seen = geometry.project(body, intrinsics, limit=1.0)
        size = tf.constant([[1002, 1000]] * 3)
        pixels = geometry.denormalize_keypoints(seen, size)
        seen = geometry.normalize_keypoints(pixels, size)
        return tf.reduce_sum(seen**2) + tf.reduce_sum(cosines**2)

    def step(positions, turns):
        with tf.GradientTape() as tape:
            tape.watch([positions, turns])
            value = run(positions, turns)
        return value, *tape.gradient(value, [positions, turns])

    values = (
        tf.constant(bodies(3, 16)),
        tf.constant(RNG.normal(size=(3, 3)), tf.float32),
    )
    expected = step(*values)
    found = tf.function(step, jit_compile=True)(*values)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
    pair = values[0], tf.constant(bodies(3, 16))
    compiled = tf.function(geometry.align, jit_compile=True)(*pair)
    np.testing.assert_allclose(compiled, geometry.align(*pair), atol=1e-4)
