"""Every 3D data set by name: folder and split give its pose pairs."""

import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

from absl import logging

from data_pipelines.lifting.poses import LiftingDataset
from data_pipelines.lifting.readers.h36m import read_h36m
from data_pipelines.lifting.readers.humaneva import read_humaneva
from data_pipelines.lifting.readers.mannequin import read_mannequins
from data_pipelines.lifting.readers.mpi_inf_3dhp import read_mpi_inf_3dhp
from data_pipelines.lifting.readers.pw3d import read_pw3d
from data_pipelines.lifting.readers.takes import PROJECTED
from data_pipelines.mocap.dataset import read_mocap_split
from data_pipelines.readers.layout import NotThere
from data_pipelines.readers.skip_report import SkipReport
from tfpose.errors import InputError
from tfpose.skeletons import Skeleton

__all__ = [
    "LIFTING_DATASETS",
    "LIFTING_SPLITS",
    "LiftingSource",
    "load_lifting_dataset",
]

LIFTING_SPLITS = ("train", "test")


class LiftingSource(NamedTuple):
    """A kind of dataset: what its folder holds, and what reads it."""

    files: str
    """What must be in the folder."""
    keypoints: str
    """The 2D that is taken where none is asked for."""
    read: Callable[..., tuple[LiftingDataset, SkipReport]]
    """(folder, split, keypoints, subjects, stride) -> poses, report."""
    any_joints: bool = False
    """Whether the reader takes the skeleton that is asked for, last."""


LIFTING_DATASETS = {
    "h36m": LiftingSource(
        "data_3d_h36m.npz and data_2d_h36m_{keypoints}.npz, as VideoPose3D makes them",
        "gt",
        read_h36m,
    ),
    "mpi_inf_3dhp": LiftingSource(
        "S1/Seq1/annot.mat and camera.calibration ... to train; SPIN's "
        "mpi_inf_3dhp_valid.npz or TS1/annot_data.mat ... to test",
        "gt",
        read_mpi_inf_3dhp,
    ),
    "3dpw": LiftingSource(
        "sequenceFiles/{train,validation,test}/*.pkl", "openpose", read_pw3d
    ),
    "humaneva": LiftingSource(
        "data_3d_humaneva15.npz and data_2d_humaneva15_gt.npz, as VideoPose3D makes "
        "them",
        "gt",
        read_humaneva,
    ),
    "mocap": LiftingSource(
        ".bvh files, and .amc files beside their .asf, in any folders",
        PROJECTED,
        read_mocap_split,
        any_joints=True,
    ),
    "mannequin": LiftingSource(
        "train.json (to test, val.json), as `python -m data_pipelines.mannequin` draws "
        "them",
        PROJECTED,
        read_mannequins,
    ),
}


def load_lifting_dataset(
    dataset: str,
    data_dir: str | os.PathLike,
    split: str,
    skeleton: Skeleton | None = None,
    *,
    keypoints: str | None = None,
    subjects: Sequence[str] | None = None,
    stride: int = 1,
    report_path: str | os.PathLike | None = None,
) -> LiftingDataset:
    """Pose pairs of a dataset, checked against what its cameras can have seen.

    Args:
        dataset: key of `LIFTING_DATASETS`.
        data_dir: its folder.
        split: "train" or "test", as the dataset's papers have them.
        skeleton: what to make of its joints, by name. Defaults to the dataset's own.
        keypoints: source of the 2D, or "projected" to compute it from the 3D.
            Defaults to the dataset's.
        subjects: take these instead of the split's; to keep some of the training
            subjects for choosing a model, say.
        stride: every how many frames one is kept.
        report_path: where to write what was left out, as JSON.

    Raises:
        InputError: no such dataset or split, files are absent, damaged or hold
            something else, or the skeleton cannot be made of the dataset's.
    """
    if dataset not in LIFTING_DATASETS:
        raise InputError(
            f"lifting dataset is {dataset!r}, expected one of "
            f"{', '.join(LIFTING_DATASETS)}"
        )
    if split not in LIFTING_SPLITS:
        raise InputError(f"split is {split!r}, expected one of {LIFTING_SPLITS}")
    source = LIFTING_DATASETS[dataset]
    folder = os.fspath(data_dir)
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: no such folder; {dataset} is {source.files}")
    try:
        poses, report = source.read(
            folder,
            split,
            keypoints or source.keypoints,
            None if subjects is None else list(subjects),
            stride,
            *([skeleton] if source.any_joints else []),
        )
    except NotThere as error:
        raise NotThere(f"{error}; {dataset} is {source.files}") from None
    logging.info("%s", report.summary())
    if report_path is not None:
        report.write(report_path)
    return poses if skeleton is None else poses.convert(skeleton)
