"""Projection, calibration and its fits, on real cameras and poses."""

import numpy as np
import pytest

from data_pipelines.lifting.cameras import (
    fit_intrinsics,
    fit_root,
    pinhole,
    project_points,
    rotation_from_quaternion,
    world_to_camera,
)
from data_pipelines.lifting.readers.h36m_cameras import CAMERAS
from tests.peers import import_alone, peer_folder


def test_real_pairs_project_to_their_pixels(h36m_samples):
    for sample in h36m_samples:
        camera = CAMERAS[sample.subject][sample.camera]
        projected = project_points(sample.positions, camera.intrinsics)
        np.testing.assert_allclose(projected, sample.keypoints, atol=2e-3)


def test_calibration_is_that_of_the_samples(h36m_samples):
    for sample in h36m_samples:
        camera, theirs = CAMERAS[sample.subject][sample.camera], sample.calibration
        assert camera.size == (theirs["h"], theirs["w"])
        np.testing.assert_allclose(camera.centre, theirs["T"][:, 0], atol=1e-6)
        turn = rotation_from_quaternion(camera.orientation)
        np.testing.assert_allclose(turn, theirs["R"], atol=1e-6)


def test_calibration_is_that_of_the_original_code():
    folder = peer_folder("poseaug")
    names = ["common.h36m_dataset", "common.camera"]
    absent = {"tensorboardX": {"SummaryWriter": None}}
    with import_alone(folder, names, absent) as (dataset, camera_module):
        rng = np.random.default_rng(0)
        points = rng.normal(size=(5, 3)).astype(np.float32)
        for subject, cameras in CAMERAS.items():
            lenses = dataset.h36m_cameras_intrinsic_params
            poses = dataset.h36m_cameras_extrinsic_params[subject]
            for ours, lens, pose in zip(cameras.items(), lenses, poses, strict=True):
                name, camera = ours
                assert name == lens["id"]
                np.testing.assert_allclose(
                    camera.intrinsics,
                    lens["focal_length"]
                    + lens["center"]
                    + lens["radial_distortion"]
                    + lens["tangential_distortion"],
                    rtol=1e-4,
                )
                theirs = camera_module.world_to_camera(
                    points,
                    np.array(pose["orientation"], np.float32),
                    np.array(pose["translation"], np.float32) / 1000,
                )
                found = world_to_camera(points, camera.orientation, camera.centre)
                np.testing.assert_allclose(found, theirs, atol=3e-6)


def test_projection_is_that_of_the_differentiable_one(h36m_samples):
    geometry = pytest.importorskip("tfpose.geometry")
    positions = np.stack([sample.positions for sample in h36m_samples])
    lenses = np.stack([CAMERAS[s.subject][s.camera].intrinsics for s in h36m_samples])
    theirs = np.asarray(geometry.project(positions.astype(np.float32), lenses))
    np.testing.assert_allclose(project_points(positions, lenses), theirs, atol=1e-3)


def test_root_is_found_from_shape_and_pixels(mpi_samples):
    for sample in mpi_samples:
        f, c = sample.calibration["f"].ravel(), sample.calibration["c"].ravel()
        root = sample.positions[14]
        found = fit_root(
            (sample.positions - root)[None], sample.keypoints[None], pinhole(*f, *c)
        )
        # Labels of single joints are two pixels off; the depth is 3 to 4 m.
        np.testing.assert_allclose(found[0], root, atol=5e-3)


def test_intrinsics_are_found_from_pairs():
    rng = np.random.default_rng(1)
    positions = rng.normal(scale=[0.8, 0.6, 0.5], size=(300, 15, 3)) + [0, 0, 4]
    truth = np.array([820, 815, 322, 244, -0.2, 0.15, 0, 1e-3, -5e-4])
    pixels = project_points(positions, truth)
    found = fit_intrinsics(positions, pixels)
    np.testing.assert_allclose(project_points(positions, found), pixels, atol=1e-2)
    # A tenth of wrong labels does not move the camera by much.
    wrong = pixels.copy()
    wrong[:30] += rng.normal(scale=50, size=(30, 15, 2))
    noisy = project_points(positions, fit_intrinsics(positions, wrong))
    assert np.median(np.linalg.norm(noisy - pixels, axis=-1)) < 1.0
