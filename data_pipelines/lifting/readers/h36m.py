"""Human3.6M in VideoPose3D's npz files."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from data_pipelines.lifting.cameras import world_to_camera
from data_pipelines.lifting.poses import LiftingDataset
from data_pipelines.lifting.readers.checks import check_poses
from data_pipelines.lifting.readers.h36m_cameras import CAMERAS
from data_pipelines.lifting.readers.takes import PROJECTED, TakeTable, chosen_subjects
from data_pipelines.lifting.readers.videopose import (
    checked_positions,
    paired,
    read_keypoints,
    read_positions,
)
from data_pipelines.readers.skip_report import SkipReport
from tfpose.errors import InputError
from tfpose.skeletons import get_skeleton

__all__ = ["SUBJECTS", "read_h36m"]

SUBJECTS = {"train": ("S1", "S5", "S6", "S7", "S8"), "test": ("S9", "S11")}

# The moving ones of the 32 joints, in the order of h36m17, and its place of the
# head's middle ("Neck/Nose"), which h36m16 is without.
_OF_32 = [0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27]
_WITHOUT_HEAD = [*range(9), *range(10, 17)]

# A take whose video is broken; VideoPose3D's scripts drop it from the 3D already.
_BROKEN = {("S11", "Directions")}

# How far 3D may project from 2D, px of 1000: "gt" is made by projection; detectors
# are some pixels off in the median.
_ERROR_GT, _ERROR_DETECTED = 1.0, 25.0


def read_h36m(
    folder: str,
    split: str,
    keypoints: str = "gt",
    subjects: list[str] | None = None,
    stride: int = 1,
) -> tuple[LiftingDataset, SkipReport]:
    """Poses of `data_3d_h36m.npz` and `data_2d_h36m_{keypoints}.npz`.

    Args:
        folder: has both files.
        split: "train" (S1, S5, S6, S7, S8) or "test" (S9, S11).
        keypoints: the 2D's source, as in the file's name: gt, cpn_ft_h36m_dbb,
            detectron_ft_h36m, hr, ...; or "projected", without a 2D file.
        subjects: take these instead of the split's.
        stride: every how many frames (50 a second) one is kept.

    Returns:
        h36m17, or h36m16 where the 2D is of 16 joints (as PoseAug's files are); the
        32 joints of the 3D are cut to it. Four cameras per take; "Walking 1" is a take
        of the action "Walking". Of S11 the broken "Directions" is left out.

    Raises:
        InputError: files are absent, damaged, do not belong together, or hold
            something else (see `check_poses`).
    """
    wanted = chosen_subjects(subjects, SUBJECTS[split], CAMERAS)
    path, positions = read_positions(folder, "h36m")
    for subject in wanted:
        if subject not in positions:
            found = ", ".join(positions) or "none"
            raise InputError(f"{path}: no subject {subject!r}, found {found}")
    of_cameras = None
    if keypoints != PROJECTED:
        path, of_cameras = read_keypoints(folder, "h36m", keypoints)
    report = SkipReport(path)
    table = None
    for subject in wanted:
        for action, world in positions[subject].items():
            if (subject, action) in _BROKEN:
                report.note(f"broken take {subject} {action} left out")
                continue
            where = f"{path}: {subject} {action!r}"
            for name, points, pixels in _views(
                world, of_cameras, subject, action, where, report
            ):
                if table is None:
                    skeleton = get_skeleton(f"h36m{points.shape[1]}")
                    table = TakeTable("h36m", skeleton, keypoints, report, stride)
                elif points.shape[1] != table.skeleton.num_joints:
                    raise InputError(
                        f"{where}: {points.shape[1]} joints, but "
                        f"{table.skeleton.num_joints} in the takes before"
                    )
                camera = CAMERAS[subject][name]
                table.add(
                    world_to_camera(points, camera.orientation, camera.centre),
                    pixels,
                    camera=(subject, name),
                    intrinsics=camera.intrinsics,
                    size=camera.size,
                    subject=subject,
                    action=action.split(" ")[0],
                )
    if table is None:
        raise InputError(f"{path}: no take of {', '.join(wanted)}")
    dataset = table.finish()
    exact = keypoints in ("gt", PROJECTED)
    check_poses(dataset, path, _ERROR_GT if exact else _ERROR_DETECTED)
    return dataset, report


def _views(
    world: Any,
    of_cameras: dict[str, dict[str, Any]] | None,
    subject: str,
    action: str,
    where: str,
    report: SkipReport,
) -> Iterator[tuple[str, np.ndarray, np.ndarray | None]]:
    """Camera, 3D in the world and 2D, of the same 16 or 17 joints, of a take."""
    if of_cameras is None:
        points = checked_positions(world, where)
        joints = points.shape[1]
        points = points[:, _joint_rows(joints, min(joints, 17), where)]
        for name in CAMERAS[subject]:
            yield name, points, None
        return
    take = of_cameras.get(subject, {}).get(action)
    if take is None:
        raise InputError(f"{where}: in the 3D file but not in the 2D file")
    for number, name in enumerate(CAMERAS[subject]):
        points, pixels = paired(world, take, number, where, report)
        rows = _joint_rows(points.shape[1], pixels.shape[1], where)
        if pixels.shape[1] == 32:
            pixels = pixels[:, _OF_32]
        yield name, points[:, rows], pixels


def _joint_rows(joints_3d: int, joints_2d: int, where: str) -> np.ndarray:
    """Which rows of the 3D are the joints of the 2D."""
    rows = {32: np.array(_OF_32), 17: np.arange(17), 16: np.arange(16)}
    if not {joints_3d, joints_2d} <= set(rows) or joints_3d < min(joints_2d, 17):
        raise InputError(
            f"{where}: {joints_3d} joints in 3D and {joints_2d} in 2D, expected 32, "
            "17 or 16 of Human3.6M"
        )
    if joints_2d == 16 and joints_3d != 16:
        return rows[joints_3d][_WITHOUT_HEAD]
    return rows[joints_3d]
