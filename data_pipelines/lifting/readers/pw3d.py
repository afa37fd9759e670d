"""3DPW's sequence files.

von Marcard et al., "Recovering Accurate 3D Human Pose in The Wild Using IMUs and a
Moving Camera", ECCV 2018. The files hold SMPL's 24 joints in the world, 18 joints found
by OpenPose in the image, and the moving camera. 14 joints can be had of both:

    12 limb joints   SMPL's and OpenPose's own
    pelvis           SMPL's; in the image the middle of OpenPose's hips
    thorax           the middle of the shoulders, which is what OpenPose's "neck" is

These are not the 14 joints of published 3DPW scores: those are regressed from the
vertices of the SMPL body, which its own licence covers, and end in neck and head top.
SMPL has no joint for a head top, so the lifters' spine and head cannot be made of it.
"""

import os
from typing import Any

import numpy as np

from data_pipelines.lifting.cameras import pinhole
from data_pipelines.lifting.poses import LiftingDataset
from data_pipelines.lifting.readers.arrays import read_array_pickle
from data_pipelines.lifting.readers.checks import check_poses
from data_pipelines.lifting.readers.takes import PROJECTED, TakeTable
from data_pipelines.readers.layout import NotThere
from data_pipelines.readers.skip_report import SkipReport
from tfpose.errors import InputError
from tfpose.skeletons import Skeleton

__all__ = ["PW3D14", "read_pw3d"]

PW3D14 = Skeleton.from_dict(
    {
        "name": "3dpw14",
        "joints": [
            *("pelvis", "thorax"),
            *("left_hip", "left_knee", "left_ankle"),
            *("right_hip", "right_knee", "right_ankle"),
            *("left_shoulder", "left_elbow", "left_wrist"),
            *("right_shoulder", "right_elbow", "right_wrist"),
        ],
        "limbs": [
            ("pelvis", "thorax"),
            *(("pelvis", "left_hip"), ("pelvis", "right_hip")),
            *(("left_hip", "left_knee"), ("left_knee", "left_ankle")),
            *(("right_hip", "right_knee"), ("right_knee", "right_ankle")),
            *(("thorax", "left_shoulder"), ("thorax", "right_shoulder")),
            *(("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist")),
            *(("right_shoulder", "right_elbow"), ("right_elbow", "right_wrist")),
        ],
    }
)

# Rows of the joints among SMPL's 24 and OpenPose's 18; a pair means its middle.
_OF_SMPL = [
    *((0, 0), (16, 17)),
    *((row, row) for row in (1, 4, 7, 2, 5, 8, 16, 18, 20, 17, 19, 21)),
]
_OF_OPENPOSE = [
    *((11, 8), (1, 1)),
    *((row, row) for row in (11, 12, 13, 8, 9, 10, 5, 6, 7, 2, 3, 4)),
]

_SPLITS = {"train": ("train", "validation"), "test": ("test",)}

# How far SMPL's joints may project from OpenPose's, px of 1000.
_ERROR = 15.0


def read_pw3d(
    folder: str,
    split: str,
    keypoints: str = "openpose",
    subjects: list[str] | None = None,
    stride: int = 1,
) -> tuple[LiftingDataset, SkipReport]:
    """Poses of `sequenceFiles/{train,validation,test}/*.pkl`.

    Args:
        folder: has `sequenceFiles`, or is it.
        split: "train" (the dataset's train and validation) or "test".
        keypoints: "openpose" (the files' detections) or "projected".
        subjects: take these instead of all: "downtown_walking_00 1" is the second
            person of that sequence.
        stride: every how many frames (30 a second) one is kept.

    Returns:
        `PW3D14`. People are named by sequence and place, as the files do not say who
        is who; actions are the sequences' names without their number. Left out and
        counted: frames whose camera was not aligned and, for "openpose", frames where
        one of the 14 joints was not found.

    Raises:
        InputError: files are absent or damaged, or hold something else (see
            `check_poses`).
    """
    if keypoints not in ("openpose", PROJECTED):
        raise InputError(
            f"{folder}: keypoints is {keypoints!r}, expected 'openpose' or 'projected'"
        )
    report = SkipReport(str(folder))
    table = TakeTable("3dpw", PW3D14, keypoints, report, stride)
    known = []
    for path in _sequence_files(folder, split):
        content = read_array_pickle(path)
        if not isinstance(content, dict):
            raise InputError(f"{path}: not a dict, as 3DPW's files are")
        name = os.path.splitext(os.path.basename(path))[0]
        for place in range(len(_listed(content, "jointPositions", path))):
            known.append(f"{name} {place}")
            if subjects is None or known[-1] in subjects:
                _add_person(table, content, place, name, path)
    for subject in subjects or ():
        if subject not in known:
            raise InputError(
                f"{folder}: no subject {subject!r}, the first is {known[0]!r}"
            )
    dataset = table.finish()
    check_poses(dataset, str(folder), 1.0 if keypoints == PROJECTED else _ERROR)
    return dataset, report


def _sequence_files(folder: str, split: str) -> list[str]:
    within = os.path.join(folder, "sequenceFiles")
    root = within if os.path.isdir(within) else folder
    paths = []
    for part in _SPLITS[split]:
        place = os.path.join(root, part)
        names = sorted(os.listdir(place)) if os.path.isdir(place) else []
        paths += [os.path.join(place, name) for name in names if name.endswith(".pkl")]
    if not paths:
        raise NotThere(
            f"{folder}: no sequenceFiles/{_SPLITS[split][0]}/*.pkl in it; found "
            f"{', '.join(sorted(os.listdir(folder))[:8]) or 'nothing'}"
        )
    return paths


def _add_person(
    table: TakeTable, content: dict[str, Any], place: int, name: str, path: str
) -> None:
    where = f"{path}: person {place}"
    lens = _array(content.get("cam_intrinsics"), (3, 3), "cam_intrinsics", where)
    motion = _array(content.get("cam_poses"), (None, 4, 4), "cam_poses", where)
    count = len(motion)
    joints = _of_person(content, "jointPositions", place, (count, 72), where)
    aligned = _of_person(content, "campose_valid", place, (count,), where) > 0
    world = _picked(joints.reshape(count, 24, 3), _OF_SMPL)
    positions = world @ np.swapaxes(motion[:, :3, :3], 1, 2) + motion[:, None, :3, 3]
    table.report.note("frames without aligned camera left out", (~aligned).sum())
    used, pixels = aligned, None
    if table.keypoint_source != PROJECTED:
        found = _of_person(content, "poses2d", place, (count, 3, 18), where)
        found = np.swapaxes(found, 1, 2)
        score = np.stack([found[:, list(rows), 2].min(1) for rows in _OF_OPENPOSE], 1)
        seen = (score > 0).all(1)
        table.report.note(
            "frames without all 14 joints in 2D left out", (aligned & ~seen).sum()
        )
        used = aligned & seen
        pixels = _picked(found[..., :2], _OF_OPENPOSE)[used]
    # The principal point is the image's middle, and tells upright from wide videos.
    size = round(2 * lens[1, 2]), round(2 * lens[0, 2])
    table.add(
        positions[used],
        pixels,
        camera=name,
        intrinsics=pinhole(lens[0, 0], lens[1, 1], lens[0, 2], lens[1, 2]),
        size=size,
        subject=f"{name} {place}",
        action=name.rstrip("0123456789").rstrip("_"),
        frames=np.flatnonzero(used),
    )


def _picked(points: np.ndarray, pairs: list[tuple[int, int]]) -> np.ndarray:
    first, second = np.array(pairs).T
    return (points[:, first] + points[:, second]) / 2


def _listed(content: dict[str, Any], field: str, path: str) -> list[Any]:
    value = content.get(field)
    if isinstance(value, np.ndarray):
        value = list(value)
    if not isinstance(value, list | tuple):
        raise InputError(f"{path}: {field!r} is not a list of one array per person")
    return list(value)


def _of_person(
    content: dict[str, Any],
    field: str,
    place: int,
    shape: tuple[int | None, ...],
    where: str,
) -> np.ndarray:
    values = _listed(content, field, where)
    if place >= len(values):
        raise InputError(f"{where}: {field!r} has {len(values)} people")
    return _array(values[place], shape, field, where)


def _array(
    value: Any, shape: tuple[int | None, ...], field: str, where: str
) -> np.ndarray:
    array = value if isinstance(value, np.ndarray) else np.zeros(0)
    fits = array.ndim == len(shape) and all(
        wanted in (None, size) for wanted, size in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype.kind not in "biuf":
        found = list(array.shape) if array is value else type(value).__name__
        wanted = ", ".join("frames" if size is None else str(size) for size in shape)
        raise InputError(f"{where}: {field!r} is {found}, expected numbers [{wanted}]")
    return array.astype(np.float64)
