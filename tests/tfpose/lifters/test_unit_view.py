"""What a camera sees of a body of which only the shape is known."""

import numpy as np
import pytest
import tensorflow as tf

from tests.mocap_pairs import mocap_pairs
from tfpose.geometry import centre_keypoints, keypoint_size, project
from tfpose.lifters.unit_view import place_like, unit_view

ROOT = 0


@pytest.fixture
def bodies(shared_data) -> np.ndarray:
    positions = mocap_pairs(shared_data)["positions"][:50]
    return positions - positions[:, :1]


def test_it_is_what_a_camera_sees_centred(bodies):
    seen = np.asarray(unit_view(bodies, ROOT, 5.0))
    assert not seen[:, ROOT].any()
    np.testing.assert_allclose(keypoint_size(seen, ROOT), 1, rtol=1e-4)
    # Whatever its focal length.
    for focal in (1.0, 2.3):
        camera = np.float32([focal, focal, 0.1, 0, 0, 0, 0, 0, 0])
        projected = project(bodies + np.float32([0, 0, 5]), camera)
        expected = centre_keypoints(projected, ROOT)
        np.testing.assert_allclose(seen, expected, atol=1e-4)
    # And little of its distance.
    farther = np.asarray(unit_view(bodies, ROOT, 6.0))
    assert 0 < np.abs(farther - seen).mean() < 0.02


def test_a_joint_behind_the_camera_is_no_infinity():
    body = tf.constant(np.float32([[[0, 0, 0], [1, 1, -5], [0, 1, -9]]]))
    with tf.GradientTape() as tape:
        tape.watch(body)
        seen = unit_view(body, ROOT, 5.0)
        loss = tf.reduce_sum(seen**3)
    assert np.isfinite(seen).all()
    assert np.isfinite(tape.gradient(loss, body)).all()


def test_placed_like_another(bodies, shared_data):
    others = mocap_pairs(shared_data)["keypoints"][50:100]
    placed = np.asarray(place_like(unit_view(bodies, ROOT, 5.0), others, ROOT))
    np.testing.assert_allclose(placed[:, ROOT], others[:, ROOT], atol=1e-6)
    sizes = [np.asarray(keypoint_size(points, ROOT)) for points in (placed, others)]
    np.testing.assert_allclose(*sizes, rtol=1e-4)
    seen = unit_view(bodies, ROOT, 5.0)
    np.testing.assert_allclose(centre_keypoints(placed, ROOT), seen, atol=1e-3)
