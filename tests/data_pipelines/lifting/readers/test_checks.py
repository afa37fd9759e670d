"""Each fault that a conversion can have is refused with its reason; real poses pass."""

from dataclasses import replace

import numpy as np
import pytest

from data_pipelines.lifting.poses import LiftingDataset
from data_pipelines.lifting.readers.checks import check_poses
from data_pipelines.lifting.readers.h36m_cameras import CAMERAS
from data_pipelines.lifting.readers.takes import TakeTable
from data_pipelines.mocap.dataset import read_mocap
from data_pipelines.readers.skip_report import SkipReport
from tfpose.errors import InputError
from tfpose.skeletons import get_skeleton


@pytest.fixture
def poses(h36m_samples) -> LiftingDataset:
    """Real poses, ten of each, a little apart, seen by two cameras."""
    report = SkipReport("real.npz")
    table = TakeTable("h36m", get_skeleton("h36m17"), "gt", report)
    for sample in h36m_samples:
        camera = CAMERAS[sample.subject][sample.camera]
        shifts = np.linspace(0, 0.2, 10)[:, None, None]
        table.add(
            sample.positions + shifts,
            None,
            camera=sample.camera,
            intrinsics=camera.intrinsics,
            size=camera.size,
            subject=sample.subject,
            action=sample.action,
        )
    return table.finish()


def check(poses: LiftingDataset) -> None:
    check_poses(poses, "real.npz", max_error=1.0)


def test_real_poses_pass(poses):
    check(poses)
    check(poses.select(np.arange(1)))


def test_units(poses):
    for factor, unit in ((1000, "millimetres"), (100, "centimetres")):
        scaled = replace(poses, positions=poses.positions * np.float32(factor))
        with pytest.raises(InputError, match=rf"^real.npz: .* are these {unit}\?$"):
            check(scaled)


def test_joint_order(poses):
    wrong = [0, 2, 3, 1, *range(4, 17)]
    with pytest.raises(InputError, match="joint order"):
        check(replace(poses, positions=poses.positions[:, wrong]))
    # The 2D alone: most joints still fit.
    swapped = [*range(11), 13, 12, *range(13, 17)]
    with pytest.raises(
        InputError, match=r"left_(shoulder|elbow) projects .* joint order"
    ):
        check(replace(poses, keypoints=poses.keypoints[:, swapped]))


def test_left_and_right(poses):
    swapped = list(poses.skeleton.flip_permutation)
    both = replace(
        poses,
        positions=poses.positions[:, swapped],
        keypoints=poses.keypoints[:, swapped],
    )
    with pytest.raises(InputError, match="left and right are swapped"):
        check(both)
    mirrored = replace(poses, positions=poses.positions * np.float32([-1, 1, 1]))
    with pytest.raises(InputError, match="left and right are swapped"):
        check_poses(mirrored, "real.npz")


def test_frame(poses):
    relative = poses.positions - poses.positions[:, :1]
    with pytest.raises(InputError, match=r"100 % of the poses are not before"):
        check(replace(poses, positions=relative))
    upside_down = poses.positions * np.float32([1, -1, 1])
    with pytest.raises(InputError, match="y up instead of down"):
        check(replace(poses, positions=upside_down))


def test_camera_and_pairing(poses):
    other = replace(poses, intrinsics=poses.intrinsics[::-1].copy())
    with pytest.raises(InputError, match=r"camera 0 \(S\d \w+, .*projects .* px from"):
        check(other)
    check_poses(other, "real.npz")
    rolled = replace(poses, keypoints=np.roll(poses.keypoints, 7, axis=0))
    with pytest.raises(InputError, match="another camera, frame or pairing"):
        check(rolled)


def test_no_poses(poses):
    with pytest.raises(InputError, match="real.npz: no poses"):
        check(poses.select([]))


def test_real_motion_passes_clip_by_clip(shared_data):
    """Lying, crouching, kicking and throwing people are no reason to refuse."""
    folder = shared_data / "mocap" / "hdm05"
    if not folder.is_dir():
        pytest.skip(f"real motion capture is not at {folder}")
    poses, _ = read_mocap(
        folder, get_skeleton("h36m16"), frames_per_second=3.0, views=1
    )
    swapped = list(poses.skeleton.flip_permutation)
    for camera in range(len(poses.intrinsics)):
        check_poses(poses.select(poses.camera_index == camera), "hdm05", 0.01)
    for subject in range(len(poses.subjects)):
        part = poses.select(poses.subject_index == subject)
        with pytest.raises(InputError, match="left and right are swapped"):
            check_poses(replace(part, positions=part.positions[:, swapped]), "hdm05")
