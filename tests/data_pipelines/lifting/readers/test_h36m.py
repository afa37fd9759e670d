"""Human3.6M in VideoPose3D's files, written from real poses."""

import numpy as np
import pytest

from data_pipelines.lifting.cameras import (
    project_points,
    rotation_from_quaternion,
    world_to_camera,
)
from data_pipelines.lifting.readers.h36m import read_h36m
from data_pipelines.lifting.readers.h36m_cameras import CAMERAS
from tests.peers import import_alone, peer_folder
from tfpose.errors import InputError

OF_32 = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]
FRAMES = 3


def to_world(sample):
    """`[3, 17, 3]` in the world: the pose, and it twice more a little further on."""
    camera = CAMERAS[sample.subject][sample.camera]
    turn = rotation_from_quaternion(camera.orientation)
    world = sample.positions @ turn.T + camera.centre
    return world + np.linspace(0, 0.1, FRAMES)[:, None, None]


def seen(world, subject, extra=0):
    """What VideoPose3D's script writes of a take: 2D of each of the four cameras."""
    views = []
    for camera in CAMERAS[subject].values():
        points = world_to_camera(world, camera.orientation, camera.centre)
        pixels = project_points(points, camera.intrinsics).astype(np.float32)
        views.append(np.concatenate([pixels, pixels[:extra] + 100]))
    return views


@pytest.fixture
def trees(h36m_samples):
    """The dicts of both files: real takes, and the first pose again for S6, S9, S11."""
    takes = {sample.subject: (sample, to_world(sample)) for sample in h36m_samples}
    for subject in ("S6", "S9", "S11"):
        takes[subject] = (None, to_world(h36m_samples[0]))
    positions, keypoints = {}, {}
    for subject, (sample, world) in takes.items():
        whole = np.zeros((FRAMES, 32, 3), np.float32)
        whole[:, OF_32] = world
        views = seen(world, subject)
        if sample is not None:
            number = list(CAMERAS[subject]).index(sample.camera)
            views[number][0] = sample.keypoints
        positions[subject] = {"Walking 1": whole, "Directions": whole}
        keypoints[subject] = {"Walking 1": views, "Directions": views}
    return positions, keypoints


def write(folder, positions, keypoints, source="gt"):
    np.savez_compressed(folder / "data_3d_h36m.npz", positions_3d=positions)
    metadata = {"num_joints": 17, "keypoints_symmetry": [[4, 5], [1, 2]]}
    path = folder / f"data_2d_h36m_{source}.npz"
    np.savez_compressed(path, positions_2d=keypoints, metadata=metadata)


def test_train_and_test_split(tmp_path, trees, h36m_samples):
    write(tmp_path, *trees)
    poses, report = read_h36m(tmp_path, "train")
    assert poses.skeleton.name == "h36m17" and poses.keypoint_source == "gt"
    assert poses.subjects == ("S1", "S5", "S6", "S7", "S8")
    assert poses.actions == ("Walking", "Directions")
    assert len(poses) == 5 * 2 * 4 * FRAMES == report.used["poses"]
    assert len(poses.intrinsics) == 20 and poses.sequence_index.max() == 39
    sample = h36m_samples[1]
    row = (
        poses.subjects.index(sample.subject) * 2 * 4 * FRAMES
        + list(CAMERAS[sample.subject]).index(sample.camera) * FRAMES
    )
    np.testing.assert_allclose(poses.positions[row], sample.positions, atol=2e-6)
    np.testing.assert_allclose(poses.keypoints[row], sample.keypoints, atol=1e-4)
    assert poses.frame[row] == 0 and poses.frame[row + 2] == 2
    # S11's Directions is broken in the dataset.
    poses, report = read_h36m(tmp_path, "test")
    assert poses.subjects == ("S9", "S11") and len(poses) == 3 * 4 * FRAMES
    assert report.notes == {"broken take S11 Directions left out": 1}


def test_sixteen_joints(tmp_path, trees):
    positions, keypoints = trees
    for actions in keypoints.values():
        for action, views in actions.items():
            actions[action] = [np.delete(view, 9, axis=1) for view in views]
    write(tmp_path, positions, keypoints, "hr")
    poses, _ = read_h36m(tmp_path, "test", "hr")
    assert poses.skeleton.name == "h36m16" and poses.keypoint_source == "hr"
    whole, _ = read_h36m(tmp_path, "test", "projected")
    assert whole.skeleton.name == "h36m17"
    np.testing.assert_array_equal(
        whole.convert(poses.skeleton).positions, poses.positions
    )


def test_detections_run_on_behind_the_motion_capture(tmp_path, trees):
    positions, _ = trees
    keypoints = {
        subject: {
            action: [
                np.concatenate([view, np.ones((*view.shape[:2], 1))], axis=2)
                for view in seen(whole[:, OF_32], subject, extra=2)
            ]
            for action, whole in actions.items()
        }
        for subject, actions in positions.items()
    }
    write(tmp_path, positions, keypoints, "cpn_ft_h36m_dbb")
    poses, report = read_h36m(tmp_path, "test", "cpn_ft_h36m_dbb")
    assert len(poses) == 3 * 4 * FRAMES
    assert report.notes["frames of 2D behind the end of the 3D left out"] == 3 * 4 * 2
    short = {
        s: {a: [v[:2] for v in vs] for a, vs in t.items()} for s, t in trees[1].items()
    }
    write(tmp_path, positions, short, "short")
    with pytest.raises(InputError, match="2D for 2 frames and 3D for 3"):
        read_h36m(tmp_path, "test", "short")


def test_subjects_and_stride(tmp_path, trees):
    write(tmp_path, *trees)
    poses, _ = read_h36m(tmp_path, "train", subjects=["S8"], stride=2)
    assert poses.subjects == ("S8",)
    np.testing.assert_array_equal(np.unique(poses.frame), [0, 2])
    with pytest.raises(InputError, match="'S2' is not one of"):
        read_h36m(tmp_path, "train", subjects=["S2"])
    with pytest.raises(InputError, match="stride is 0"):
        read_h36m(tmp_path, "train", stride=0)


def test_refusals(tmp_path, trees):
    positions, keypoints = trees
    write(tmp_path, positions, keypoints)
    with pytest.raises(InputError, match="2D sources found: gt"):
        read_h36m(tmp_path, "test", "cpn")
    in_millimetres = {
        subject: {action: 1000 * whole for action, whole in actions.items()}
        for subject, actions in positions.items()
    }
    write(tmp_path, in_millimetres, keypoints)
    with pytest.raises(InputError, match="npz: camera 0"):
        read_h36m(tmp_path, "test")
    write(tmp_path, positions, {"S9": keypoints["S9"]})
    with pytest.raises(InputError, match="S11 'Walking 1': in the 3D file but not in"):
        read_h36m(tmp_path, "test")
    write(tmp_path, {"S9": positions["S9"]}, keypoints)
    with pytest.raises(InputError, match="no subject 'S11', found S9"):
        read_h36m(tmp_path, "test")
    write(tmp_path, {"S9": [1], "S11": {}}, keypoints)
    with pytest.raises(InputError, match="expected a dict of subjects"):
        read_h36m(tmp_path, "test")
    write(tmp_path, {"S9": {"A": "x"}, "S11": {}}, {"S9": {"A": []}})
    with pytest.raises(InputError, match="3D is str, expected floats"):
        read_h36m(tmp_path, "test")


def test_pairs_are_those_of_the_original_code(tmp_path, trees):
    folder = peer_folder("poseaug")
    positions, keypoints = trees
    of_split = {s: positions[s] for s in ("S1", "S5", "S6", "S7", "S8")}
    sixteen = {
        subject: {
            action: [np.delete(view, 9, axis=1) for view in of_cameras]
            for action, of_cameras in keypoints[subject].items()
        }
        for subject in of_split
    }
    write(tmp_path, of_split, sixteen)
    poses, _ = read_h36m(str(tmp_path), "train")
    names = ["common.h36m_dataset", "utils.data_utils"]
    absent = {"tensorboardX": {"SummaryWriter": None}}
    with import_alone(folder, names, absent) as (original, reading):
        theirs = original.Human36mDataset(str(tmp_path / "data_3d_h36m.npz"))
        theirs = reading.read_3d_data(theirs)
        seen = reading.create_2d_data(str(tmp_path / "data_2d_h36m_gt.npz"), theirs)
        points, pixels, actions, cameras = reading.fetch(list(of_split), theirs, seen)
    np.testing.assert_allclose(poses.positions, np.concatenate(points), atol=5e-6)
    assert [poses.actions[row] for row in poses.action_index] == sum(actions, [])
    sizes = poses.image_sizes[poses.camera_index].astype(np.float64)
    height, width = sizes[:, None, 0], sizes[:, None, 1]
    normalised = 2 * poses.keypoints / width[..., None]
    normalised -= np.stack([np.ones_like(height), height / width], axis=-1)
    np.testing.assert_allclose(normalised, np.concatenate(pixels), atol=1e-5)
    lenses = poses.intrinsics[poses.camera_index]
    expected = np.concatenate(cameras)
    np.testing.assert_allclose(lenses[:, :2] * 2 / sizes[:, 1:], expected[:, :2], 1e-5)
    np.testing.assert_allclose(lenses[:, 4:], expected[:, 4:], atol=1e-6)
