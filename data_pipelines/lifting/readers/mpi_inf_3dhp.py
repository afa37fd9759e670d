"""MPI-INF-3DHP: the test set in SPIN's npz or as published, the training set as
published.

Mehta et al., "Monocular 3D Human Pose Estimation In The Wild", 3DV 2017. The joints are
those of the test set, `mpi_inf_3dhp17`; of the training set's 28 they are picked by
name.
"""

import os
import re
from collections.abc import Iterator, Sequence

import h5py
import numpy as np

from data_pipelines.lifting.cameras import fit_root, pinhole
from data_pipelines.lifting.poses import LiftingDataset
from data_pipelines.lifting.readers.arrays import read_archive
from data_pipelines.lifting.readers.checks import check_poses
from data_pipelines.lifting.readers.takes import PROJECTED, TakeTable, chosen_subjects
from data_pipelines.readers.layout import NotThere
from data_pipelines.readers.mat_file import read_mat
from data_pipelines.readers.skip_report import SkipReport
from tfpose.errors import InputError
from tfpose.skeletons import convert_keypoints, get_skeleton

__all__ = ["SUBJECTS", "read_mpi_inf_3dhp"]

SUBJECTS = {
    "train": tuple(f"S{number}" for number in range(1, 9)),
    "test": tuple(f"TS{number}" for number in range(1, 7)),
}

_SKELETON = get_skeleton("mpi_inf_3dhp17")
_WHOLE = get_skeleton("mpi_inf_3dhp28")
_PELVIS = _SKELETON.index("pelvis")

# Rows of the 17 joints among SPIN's 24.
_OF_SPIN = [18, 12, 8, 7, 6, 9, 10, 11, 2, 1, 0, 3, 4, 5, 14, 16, 17]
_SPIN_FILES = ("mpi_inf_3dhp_valid.npz", "mpi_inf_3dhp_test.npz")

# The test set's two cameras: (height, width) and intrinsics, px, fitted by least
# squares to its own 2D and 3D (the files have no calibration).
_STUDIO = (2048, 2048), pinhole(1500.0, 1500.7, 1017.4, 1043.0)
_OUTDOOR = (1080, 1920), pinhole(1683.7, 1672.3, 939.9, 560.2)
_TEST_CAMERAS = {
    s: _OUTDOOR if s in ("TS5", "TS6") else _STUDIO for s in SUBJECTS["test"]
}

# The training cameras around the person; the others look down from the ceiling.
_TRAIN_CAMERAS = (0, 1, 2, 4, 5, 6, 7, 8)

_ACTIVITIES = {
    1: "Standing/Walking",
    2: "Exercising",
    3: "Sitting",
    4: "Reaching/Crouching",
    5: "On the floor",
    6: "Sports",
    7: "Miscellaneous",
}

# How far 3D may project from 2D, px of 1000; hips are 1 px off in the labels.
_ERROR = 4.0


def read_mpi_inf_3dhp(
    folder: str,
    split: str,
    keypoints: str = "gt",
    subjects: list[str] | None = None,
    stride: int = 1,
) -> tuple[LiftingDataset, SkipReport]:
    """Poses of the training set (S1 to S8) or the test set (TS1 to TS6).

    Args:
        folder: for "test", `mpi_inf_3dhp_valid.npz` (SPIN's; taken first if it is
            there), or `TS1/annot_data.mat` ...; for "train" `S1/Seq1/annot.mat` and
            `S1/Seq1/camera.calibration` .... Folders may be below `train`, `test` or
            `mpi_inf_3dhp_test_set`.
        split: "train" or "test".
        keypoints: "gt" or "projected".
        subjects: take these instead of the split's.
        stride: every how many frames one is kept; SPIN's frames are counted as they
            are in the file.

    Returns:
        mpi_inf_3dhp17. The test set is of the universal skeleton, as the dataset's
        own evaluation has it, and set where its 2D is seen from; frames that the
        dataset calls invalid are left out and counted. The training set is of real
        size, by the eight cameras around the person. Actions are the test set's
        activities, or the name of the sequence where the file has none.

    Raises:
        InputError: files are absent or damaged, or hold something else (see
            `check_poses`).
    """
    if keypoints not in ("gt", PROJECTED):
        raise InputError(
            f"{folder}: keypoints is {keypoints!r}, expected 'gt' or 'projected'"
        )
    wanted = chosen_subjects(subjects, SUBJECTS[split], SUBJECTS[split])
    report = SkipReport(str(folder))
    table = TakeTable("mpi_inf_3dhp", _SKELETON, keypoints, report, stride)
    if split == "train":
        for subject in wanted:
            _add_training(table, folder, subject)
    else:
        archives = [os.path.join(folder, name) for name in _SPIN_FILES]
        archives = [path for path in archives if os.path.exists(path)]
        if archives:
            report.source = archives[0]
            _add_spin(table, archives[0], wanted)
        else:
            for subject in wanted:
                _add_test(table, folder, subject)
    dataset = table.finish()
    check_poses(dataset, report.source, _ERROR)
    return dataset, report


def _below(folder: str, name: str, parents: tuple[str, ...]) -> str:
    for parent in ("", *parents):
        path = os.path.join(folder, parent, name)
        if os.path.exists(path):
            return path
    found = ", ".join(sorted(os.listdir(folder))[:8]) or "nothing"
    raise NotThere(f"{os.path.join(folder, name)}: not there; found {found}")


def _add_test_poses(
    table: TakeTable,
    subject: str,
    positions: np.ndarray,
    keypoints: np.ndarray,
    actions: np.ndarray,
    frames: np.ndarray,
) -> None:
    """Adds poses of which only the shape is known, where their 2D is seen from."""
    size, intrinsics = _TEST_CAMERAS[subject]
    relative = positions - positions[:, [_PELVIS]]
    placed = relative + fit_root(relative, keypoints, intrinsics)[:, None]
    for action in dict.fromkeys(actions.tolist()):
        rows = np.flatnonzero(actions == action)
        table.add(
            placed[rows],
            keypoints[rows] if table.keypoint_source == "gt" else None,
            camera=subject,
            intrinsics=intrinsics,
            size=size,
            subject=subject,
            action=action,
            frames=frames[rows],
        )


def _add_spin(table: TakeTable, path: str, subjects: Sequence[str]) -> None:
    content = read_archive(path, ["imgname", "part", "S"])
    names, part, pose = content["imgname"], content["part"], content["S"]
    count = len(names)
    if part.shape != (count, 24, 3) or pose.shape != (count, 24, 4):
        raise InputError(
            f"{path}: 'part' is {list(part.shape)} and 'S' is {list(pose.shape)} for "
            f"{count} names, expected [{count}, 24, 3] and [{count}, 24, 4]"
        )
    found = [re.search(r"\b(TS[1-6])\b.*?(\d+)\.\w+$", str(name)) for name in names]
    for name, match in zip(names, found, strict=True):
        if match is None:
            raise InputError(
                f"{path}: imgname has {str(name)!r}, expected .../TS1/.../img_1.jpg"
            )
    of_subject = np.array([match[1] for match in found if match])
    frames = np.array([int(match[2]) for match in found if match])
    labelled = (part[:, _OF_SPIN, 2] > 0).all(1) & (pose[:, _OF_SPIN, 3] > 0).all(1)
    table.report.note("frames with an unlabelled joint left out", (~labelled).sum())
    for subject in subjects:
        rows = np.flatnonzero(labelled & (of_subject == subject))
        _add_test_poses(
            table,
            subject,
            pose[rows][:, _OF_SPIN, :3].astype(np.float64),
            part[rows][:, _OF_SPIN, :2].astype(np.float64),
            of_subject[rows],
            frames[rows],
        )


def _add_test(table: TakeTable, folder: str, subject: str) -> None:
    name = os.path.join(subject, "annot_data.mat")
    path = _below(folder, name, ("mpi_inf_3dhp_test_set", "test"))
    try:
        with h5py.File(path, "r") as file:
            content = {
                name: np.asarray(file[name], np.float64)
                for name in ("annot2", "univ_annot3", "valid_frame")
            }
            activity = file.get("activity_annotation")
            activity = None if activity is None else np.asarray(activity).ravel()
    except (OSError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: not readable as MPI-INF-3DHP's: {reason}") from None
    valid = content["valid_frame"].ravel() > 0
    count = len(valid)
    arrays = []
    for name, axes in (("univ_annot3", 3), ("annot2", 2)):
        shape = content[name].shape
        if shape != (count, 1, 17, axes):
            raise InputError(
                f"{path}: {name!r} is {list(shape)}, expected [{count}, 1, 17, {axes}] "
                "as in 'valid_frame'"
            )
        arrays.append(content[name][valid, 0])
    table.report.note("invalid frames left out", (~valid).sum())
    if activity is None or len(activity) != count:
        actions = np.full(count, subject)
    else:
        actions = np.array([_ACTIVITIES.get(int(n), f"activity {n}") for n in activity])
    frames = 1 + np.flatnonzero(valid)
    _add_test_poses(table, subject, arrays[0] / 1000, arrays[1], actions[valid], frames)


def _add_training(table: TakeTable, folder: str, subject: str) -> None:
    for sequence in ("Seq1", "Seq2"):
        name = os.path.join(subject, sequence)
        path = _below(folder, os.path.join(name, "annot.mat"), ("train",))
        place = _below(folder, os.path.join(name, "camera.calibration"), ("train",))
        cameras = dict(_read_calibration(place))
        content = read_mat(path, ["annot2", "annot3"], structs=True)
        for number in _TRAIN_CAMERAS:
            if number not in cameras:
                raise InputError(f"{place}: no camera {number}")
            whole = []
            for variable, axes in (("annot3", 3), ("annot2", 2)):
                try:
                    cell = np.asarray(content[variable][number], np.float64)
                    array = cell.reshape(-1, _WHOLE.num_joints, axes)
                except (IndexError, TypeError, ValueError, KeyError):
                    raise InputError(
                        f"{path}: {variable!r} has no frames x {28 * axes} numbers of "
                        f"camera {number}"
                    ) from None
                whole.append(convert_keypoints(array, _WHOLE, _SKELETON)[0])
            positions, keypoints = whole
            if len(positions) != len(keypoints):
                raise InputError(
                    f"{path}: camera {number} has {len(positions)} frames of 3D and "
                    f"{len(keypoints)} of 2D"
                )
            size, intrinsics = cameras[number]
            table.add(
                positions / 1000,
                keypoints if table.keypoint_source == "gt" else None,
                camera=(subject, sequence, number),
                intrinsics=intrinsics,
                size=size,
                subject=subject,
                action=sequence,
                frames=1 + np.arange(len(positions)),
            )


def _read_calibration(
    path: str,
) -> Iterator[tuple[int, tuple[tuple[int, int], np.ndarray]]]:
    """Number, (height, width) and intrinsics of every camera of the file."""
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.read()
    for block in re.split(r"^name\s+", text, flags=re.MULTILINE)[1:]:
        lines = [line.split() for line in block.splitlines() if line.strip()]
        fields = {words[0]: words[1:] for words in lines[1:]}
        try:
            number = int(lines[0][0])
            width, height = (int(word) for word in fields["size"])
            matrix = np.array(fields["intrinsic"], np.float64).reshape(4, 4)
        except (KeyError, ValueError, IndexError):
            raise InputError(
                f"{path}: camera {block.split(None, 1)[:1]}: expected a number, 'size' "
                "of 2 numbers and 'intrinsic' of 16"
            ) from None
        lens = matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]
        yield number, ((height, width), pinhole(*lens))
