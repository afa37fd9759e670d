"""3DPW's sequence files, written from real poses."""

import pickle

import numpy as np
import pytest

from data_pipelines.lifting.cameras import pinhole, project_points
from data_pipelines.lifting.readers.pw3d import PW3D14, read_pw3d
from data_pipelines.readers.layout import NotThere
from tfpose.errors import InputError
from tfpose.skeletons import get_skeleton

H36M = get_skeleton("h36m17")
# By name, where SMPL's and OpenPose's joints are.
SMPL = (
    "pelvis left_hip right_hip . left_knee right_knee . left_ankle right_ankle . . . . "
    ". . . left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist "
    ". ."
).split()
OPENPOSE = (
    ". thorax right_shoulder right_elbow right_wrist left_shoulder left_elbow "
    "left_wrist right_hip right_knee right_ankle left_hip left_knee left_ankle . . . ."
).split()
LENS = np.array([[1960.0, 0, 540], [0, 1962, 960], [0, 0, 1]])
FRAMES = 6


def motion():
    """Cameras that turn and move, `[6, 4, 4]`."""
    poses = np.tile(np.eye(4), (FRAMES, 1, 1))
    for frame, pose in enumerate(poses):
        angle = 0.3 + 0.1 * frame
        cosine, sine = np.cos(angle), np.sin(angle)
        # The world of 3DPW has y up.
        pose[:3, :3] = np.array([[cosine, 0, sine], [0, -1, 0], [sine, 0, -cosine]])
        pose[:3, 3] = [0.1 * frame, 1.0, 4.0]
    return poses


def person(sample, shift):
    """World positions of SMPL's joints, OpenPose's points, and the true 14 joints."""
    poses = motion()
    camera = sample.positions + [shift, 0, 2]
    camera = np.tile(camera, (FRAMES, 1, 1))
    world = (camera - poses[:, None, :3, 3]) @ poses[:, :3, :3]
    joints = np.zeros((FRAMES, 24, 3))
    found = np.zeros((FRAMES, 18, 3))
    lens = pinhole(LENS[0, 0], LENS[1, 1], LENS[0, 2], LENS[1, 2])
    for row, name in enumerate(SMPL):
        if name != ".":
            joints[:, row] = world[:, H36M.index(name)]
    middle = [H36M.index("left_shoulder"), H36M.index("right_shoulder")]
    for row, name in enumerate(OPENPOSE):
        if name != ".":
            rows = middle if name == "thorax" else [H36M.index(name)] * 2
            seen = project_points(camera[:, rows], lens).mean(1)
            found[:, row] = np.insert(seen, 2, 0.9, axis=1)
    truth = np.stack(
        [
            camera[:, middle if name == "thorax" else [H36M.index(name)]].mean(1)
            for name in PW3D14.joints
        ],
        axis=1,
    )
    return joints.reshape(FRAMES, 72), np.swapaxes(found, 1, 2), truth


def write(folder, samples, name="downtown_walking_00", **changes):
    people = [person(sample, shift) for shift, sample in enumerate(samples)]
    valid = np.ones(FRAMES, np.int64)
    valid[1] = 0
    people[0][1][2, :, 5] = 0
    content = {
        "sequence": name,
        "genders": ["m", "f"],
        "jointPositions": [joints for joints, _, _ in people],
        "poses2d": [found for _, found, _ in people],
        "campose_valid": [valid] * len(people),
        "cam_intrinsics": LENS,
        "cam_poses": motion(),
        "img_frame_ids": np.arange(FRAMES) * 2,
    } | changes
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.pkl").write_bytes(pickle.dumps(content, 2))
    return people


def test_people_and_frames(tmp_path, h36m_samples):
    people = write(tmp_path / "sequenceFiles" / "test", h36m_samples[:2])
    poses, report = read_pw3d(tmp_path, "test")
    assert poses.skeleton == PW3D14 and poses.keypoint_source == "openpose"
    assert poses.subjects == ("downtown_walking_00 0", "downtown_walking_00 1")
    assert poses.actions == ("downtown_walking",)
    # Frame 1 has no camera; in frame 2 a joint of the first person was not found.
    np.testing.assert_array_equal(poses.frame, [0, 3, 4, 5, 0, 2, 3, 4, 5])
    assert report.notes == {
        "frames without aligned camera left out": 2,
        "frames without all 14 joints in 2D left out": 1,
    }
    np.testing.assert_allclose(poses.positions[0], people[0][2][0], atol=1e-6)
    np.testing.assert_allclose(poses.positions[8], people[1][2][5], atol=1e-6)
    np.testing.assert_array_equal(poses.image_sizes, [[1920, 1080]])
    wrist = PW3D14.index("left_wrist")
    np.testing.assert_allclose(
        poses.keypoints[8, wrist], people[1][1][5, :2, OPENPOSE.index("left_wrist")]
    )
    projected, _ = read_pw3d(tmp_path, "test", "projected", ["downtown_walking_00 0"])
    np.testing.assert_array_equal(projected.frame, [0, 2, 3, 4, 5])


def test_train_takes_validation_too(tmp_path, h36m_samples):
    for part, name in (("train", "a_00"), ("validation", "b_00")):
        write(tmp_path / part, h36m_samples[2:3], name)
    poses, _ = read_pw3d(tmp_path, "train")
    assert poses.subjects == ("a_00 0", "b_00 0") and len(poses.intrinsics) == 2


def test_refusals(tmp_path, h36m_samples):
    with pytest.raises(NotThere, match=r"no sequenceFiles/test/\*.pkl"):
        read_pw3d(tmp_path, "test")
    folder = tmp_path / "test"
    samples = h36m_samples[:1]
    write(folder, samples)
    with pytest.raises(InputError, match="expected 'openpose' or 'projected'"):
        read_pw3d(tmp_path, "test", "gt")
    with pytest.raises(InputError, match="no subject 'x', the first is 'downtown_"):
        read_pw3d(tmp_path, "test", subjects=["x"])
    write(folder, samples, cam_poses=np.zeros((2, 4, 4)))
    with pytest.raises(InputError, match=r"'jointPositions' is \[6, 72\], .*\[2, 72\]"):
        read_pw3d(tmp_path, "test")
    write(folder, samples, cam_intrinsics=None)
    with pytest.raises(InputError, match="'cam_intrinsics' is NoneType"):
        read_pw3d(tmp_path, "test")
    inverse = np.linalg.inv(motion())
    write(folder, samples, cam_poses=inverse)
    with pytest.raises(InputError, match="camera 0"):
        read_pw3d(tmp_path, "test")
    (folder / "downtown_walking_00.pkl").write_bytes(b"\x80\x02}")
    with pytest.raises(InputError, match="not readable as a pickle: pickle exhausted"):
        read_pw3d(tmp_path, "test")
