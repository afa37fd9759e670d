"""HumanEva-I in VideoPose3D's npz files.

Sigal et al., "HumanEva", IJCV 2010. The conversion has the cameras' places but not
their lenses; those are fitted to its own true 2D and 3D.
"""

from typing import Any

import numpy as np

from data_pipelines.lifting.cameras import fit_intrinsics, world_to_camera
from data_pipelines.lifting.poses import LiftingDataset
from data_pipelines.lifting.readers.checks import check_poses
from data_pipelines.lifting.readers.takes import PROJECTED, TakeTable, chosen_subjects
from data_pipelines.lifting.readers.videopose import (
    paired,
    read_keypoints,
    read_positions,
)
from data_pipelines.readers.skip_report import SkipReport
from tfpose.errors import InputError
from tfpose.skeletons import Skeleton

__all__ = ["HUMANEVA15", "read_humaneva"]

# Its thorax is halfway from the shoulders to the base of the neck.
HUMANEVA15 = Skeleton.from_dict(
    {
        "name": "humaneva15",
        "joints": [
            *("pelvis", "thorax"),
            *("left_shoulder", "left_elbow", "left_wrist"),
            *("right_shoulder", "right_elbow", "right_wrist"),
            *("left_hip", "left_knee", "left_ankle"),
            *("right_hip", "right_knee", "right_ankle"),
            "head_top",
        ],
        "limbs": [
            *(("pelvis", "thorax"), ("thorax", "head_top")),
            *(("thorax", "left_shoulder"), ("thorax", "right_shoulder")),
            *(("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist")),
            *(("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist")),
            *(("pelvis", "left_hip"), ("pelvis", "right_hip")),
            *(("left_hip", "left_knee"), ("left_knee", "left_ankle")),
            *(("right_hip", "right_knee"), ("right_knee", "right_ankle")),
        ],
    }
)

_NAME = "humaneva15"
_SUBJECTS = ("S1", "S2", "S3")
# The dataset's own test set is not public; its validation set is tested on.
_SPLITS = {"train": "Train", "test": "Validate"}
_SIZE = (480, 640)

# Subject, camera, quaternion (w, x, y, z), then where it stands, millimetres.
_EXTRINSICS = """
S1 C1 0.4242070 -0.4983646 -0.5802981  0.4847012  4062.227   663.248 1528.397
S1 C2 0.6503354 -0.7481602 -0.0919284  0.0941766   844.813 -3805.209 1504.993
S1 C3 0.0664734 -0.0690535  0.7416416 -0.6639132  -797.674  3916.317 1433.660
S2 C1 0.4214752 -0.4961493 -0.5838273  0.4851187  4112.912   626.493 1545.299
S2 C2 0.6501393 -0.7476588 -0.0954617  0.0959808   923.574 -3877.924 1504.552
S2 C3 0.0699353 -0.0712403  0.7421637 -0.6627420  -781.492  3838.885 1444.993
S3 C1 0.4242070 -0.4983646 -0.5802981  0.4847012  4062.227   663.248 1528.397
S3 C2 0.6503354 -0.7481602 -0.0919284  0.0941766   844.813 -3805.209 1504.993
S3 C3 0.0664734 -0.0690535  0.7416416 -0.6639132  -797.674  3916.317 1433.660
"""
_CAMERAS = {
    (line.split()[0], line.split()[1]): np.array(line.split()[2:], np.float64)
    for line in _EXTRINSICS.split("\n")[1:-1]
}

# How far 3D may project from 2D, px of 1000 (the images are 560 in the mean).
_ERROR_GT, _ERROR_DETECTED = 5.0, 25.0


def read_humaneva(
    folder: str,
    split: str,
    keypoints: str = "gt",
    subjects: list[str] | None = None,
    stride: int = 1,
) -> tuple[LiftingDataset, SkipReport]:
    """Poses of `data_3d_humaneva15.npz` and `data_2d_humaneva15_{keypoints}.npz`.

    Args:
        folder: has the 3D file and, whatever `keypoints` is, the 2D file of "gt", to
            which the cameras are fitted.
        split: "train" or "test" (the dataset's validation set).
        keypoints: the 2D's source, as in the file's name, or "projected".
        subjects: take these instead of S1, S2 and S3.
        stride: every how many frames (60 a second) one is kept.

    Returns:
        `HUMANEVA15`, three cameras per take. "Walking 1 chunk0" is a take of the
        action "Walking".

    Raises:
        InputError: files are absent, damaged, do not belong together, or hold
            something else (see `check_poses`).
    """
    wanted = chosen_subjects(subjects, _SUBJECTS, _SUBJECTS)
    path, positions = read_positions(folder, _NAME)
    truth_path, truth = read_keypoints(folder, _NAME, "gt")
    exact = keypoints in ("gt", PROJECTED)
    given = truth
    if not exact:
        path, given = read_keypoints(folder, _NAME, keypoints)
    report = SkipReport(path)
    table = TakeTable("humaneva", HUMANEVA15, keypoints, report, stride)
    # A camera moved between the subjects, but not between the splits.
    for subject in wanted:
        name = f"{_SPLITS[split]}/{subject}"
        if name not in positions:
            found = ", ".join(positions) or "none"
            raise InputError(f"{path}: no subject {name!r}, found {found}")
        for number in range(3):
            lens = None
            for action in positions[name]:
                where = f"{path}: {name} {action!r}"
                points, pixels = _view(
                    positions[name], given.get(name), action, number, where, report
                )
                if lens is None:
                    lens = _lens(positions, truth, subject, number, truth_path)
                table.add(
                    _in_camera(points, subject, number),
                    None if keypoints == PROJECTED else pixels,
                    camera=(subject, number),
                    intrinsics=lens,
                    size=_SIZE,
                    subject=subject,
                    action=action.split(" ")[0],
                )
    dataset = table.finish()
    check_poses(dataset, path, _ERROR_GT if exact else _ERROR_DETECTED)
    return dataset, report


def _in_camera(points: np.ndarray, subject: str, number: int) -> np.ndarray:
    pose = _CAMERAS[subject, f"C{number + 1}"]
    return world_to_camera(points, pose[:4], pose[4:] / 1000)


def _view(
    positions: dict[str, Any],
    of_cameras: dict[str, Any] | None,
    action: str,
    number: int,
    where: str,
    report: SkipReport,
) -> tuple[np.ndarray, np.ndarray]:
    take = (of_cameras or {}).get(action)
    if take is None:
        raise InputError(f"{where}: in the 3D file but not in the 2D file")
    points, pixels = paired(positions[action], take, number, where, report)
    for kind, array in (("3D", points), ("2D", pixels)):
        if array.shape[1] != HUMANEVA15.num_joints:
            raise InputError(f"{where}: {array.shape[1]} joints in {kind}, expected 15")
    return points, pixels


def _lens(
    positions: dict[str, dict[str, Any]],
    truth: dict[str, dict[str, Any]],
    subject: str,
    number: int,
    path: str,
) -> np.ndarray:
    """Intrinsics of a camera, from all takes of a subject that have true 2D."""
    spare = SkipReport(path)
    points, pixels = [], []
    for folder in _SPLITS.values():
        name = f"{folder}/{subject}"
        for action in positions.get(name, {}):
            if action in truth.get(name, {}):
                where = f"{path}: {name} {action!r}"
                world, seen = _view(
                    positions[name], truth[name], action, number, where, spare
                )
                finite = np.isfinite(world).all((1, 2)) & np.isfinite(seen).all((1, 2))
                points.append(_in_camera(world[finite], subject, number))
                pixels.append(seen[finite])
    if not sum(map(len, points)):
        raise InputError(f"{path}: no true 2D of {subject} to fit its cameras to")
    return fit_intrinsics(np.concatenate(points), np.concatenate(pixels))
