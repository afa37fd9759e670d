"""Every data set by name: `--dataset`, `--data_dir` and a split give its people."""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

from absl import logging

from data_pipelines.people import PoseDataset
from data_pipelines.readers.coco_format import read_coco
from data_pipelines.readers.crowded import (
    read_crowdpose,
    read_crowdpose_test,
    read_ochuman,
    read_ochuman_test,
)
from data_pipelines.readers.h36m_2d import read_h36m
from data_pipelines.readers.layout import NotThere, expect_path
from data_pipelines.readers.photo_folder import read_photos
from data_pipelines.readers.skip_report import SkipReport
from tfpose.errors import InputError
from tfpose.skeletons import Skeleton

__all__ = ["DATASETS", "SPLITS", "Source", "load_dataset", "read_source"]

SPLITS = ("train", "val")
_MANNEQUINS = {"train": 4000, "val": 400}
_CROWDS = {"train": 2000, "val": 200}

Found = tuple[PoseDataset, SkipReport]


class Source(NamedTuple):
    """A kind of dataset: what its folder holds, and what reads it."""

    files: str
    """What must be in the folder; {split} stands for the split's name."""
    read: Callable[[str, str, Skeleton | None], Found]
    """(folder, split, joints if the files do not name them) -> people, report."""
    drawn: bool = False
    """Whether the reader makes the folder itself."""


def _read_coco_layout(folder: str, split: str, skeleton: Skeleton | None) -> Found:
    images = expect_path(folder, f"{split}2017")
    name = f"annotations/person_keypoints_{split}2017.json"
    return read_coco(expect_path(folder, name), images, skeleton)


def _read_coco_format(folder: str, split: str, skeleton: Skeleton | None) -> Found:
    images = os.path.join(folder, "images")
    images = images if os.path.isdir(images) else folder
    return read_coco(expect_path(folder, f"{split}.json"), images, skeleton)


def _read_records(folder: str, split: str, skeleton: Skeleton | None) -> Found:
    from data_pipelines.records import read_records

    expect_path(folder, f"{split}/manifest.json")
    return read_records(os.path.join(folder, split))


def _read_mannequins(folder: str, split: str, skeleton: Skeleton | None) -> Found:
    return _read_drawn(folder, split, _MANNEQUINS[split], scenario="studio")


def _read_mannequin_crowds(folder: str, split: str, skeleton: Skeleton | None) -> Found:
    size, people = (256, 256), (2, 8)
    return _read_drawn(
        folder,
        split,
        _CROWDS[split],
        scenario="crowd",
        image_size=size,
        people=people,
    )


def _read_drawn(folder: str, split: str, count: int, **options: Any) -> Found:
    """What is in the folder, drawn first if there is nothing."""
    if not os.path.exists(os.path.join(folder, f"{split}.json")):
        from data_pipelines.mannequin.write import write_dataset

        seed = SPLITS.index(split)
        logging.info("drawing %d pictures of mannequins into %s", count, folder)
        write_dataset(folder, count=count, seed=seed, split=split, **options)
    return _read_coco_format(folder, split, None)


def _read_photos(folder: str, split: str, skeleton: Skeleton | None) -> Found:
    return read_photos(folder, split)


# Readers of MATLAB files are imported when they are called: they need SciPy.
def _read_lsp(folder: str, split: str, skeleton: Skeleton | None) -> Found:
    from data_pipelines.readers.lsp import read_lsp

    return read_lsp(folder, split, skeleton)


def _read_lspet(folder: str, split: str, skeleton: Skeleton | None) -> Found:
    from data_pipelines.readers.lsp import read_lspet

    return read_lspet(folder, split, skeleton)


def _read_penn_action(folder: str, split: str, skeleton: Skeleton | None) -> Found:
    from data_pipelines.readers.penn_action import read_penn_action

    return read_penn_action(folder, split, skeleton)


def _read_mpii(folder: str, split: str, skeleton: Skeleton | None) -> Found:
    from data_pipelines.readers.mpii import read_mpii

    return read_mpii(folder, split, skeleton)


DATASETS = {
    "coco": Source(
        "annotations/person_keypoints_{split}2017.json and {split}2017/",
        _read_coco_layout,
    ),
    "coco_format": Source(
        "{split}.json and images/ (or image paths relative to the folder)",
        _read_coco_format,
    ),
    "photos": Source(
        "photos of one person each, or of people whose boxes are in boxes.json; in "
        "{split}/, or together, and then every tenth by name is for val",
        _read_photos,
    ),
    "records": Source(
        "{split}/manifest.json, as data_pipelines.prepare writes it", _read_records
    ),
    "mannequin": Source(
        "nothing: people are drawn into the folder on first use",
        _read_mannequins,
        drawn=True,
    ),
    "mannequin_crowd": Source(
        "nothing: pictures of 2 to 8 people are drawn into the folder on first use",
        _read_mannequin_crowds,
        drawn=True,
    ),
    "lsp": Source("joints.mat and images/im0001.jpg, ...", _read_lsp),
    "lspet": Source("joints.mat and images/im00001.jpg, ...", _read_lspet),
    "mpii": Source(
        "images/ and annot/train.json, valid.json, gt_valid.mat (HRNet's files), or "
        "mpii_human_pose_v1_u12_1.mat",
        _read_mpii,
    ),
    "penn_action": Source(
        "labels/0001.mat, ... and frames/0001/000001.jpg, ...", _read_penn_action
    ),
    "h36m": Source(
        "annotation_body3d/fps50/h36m_train.npz and h36m_test.npz, or h36m_coco.json; "
        "images/S1/... or S1/...",
        read_h36m,
    ),
    "crowdpose": Source(
        "annotations/mmpose_crowdpose_{split}.json (or json/crowdpose_{split}.json) "
        "and images/",
        read_crowdpose,
    ),
    "crowdpose_test": Source(
        "as crowdpose, its trainval (to train on) and test (to validate on)",
        read_crowdpose_test,
    ),
    "ochuman": Source(
        "annotations/ochuman_coco_format_val_range_0.00_1.00.json and images/",
        read_ochuman,
    ),
    "ochuman_test": Source(
        "annotations/ochuman_coco_format_test_range_0.00_1.00.json and images/",
        read_ochuman_test,
    ),
}


def load_dataset(
    dataset: str,
    data_dir: str | os.PathLike,
    split: str,
    report_path: str | os.PathLike | None = None,
    skeleton: Skeleton | None = None,
) -> PoseDataset:
    """The people of one split.

    Args:
        dataset: str. A key of `DATASETS`, which says what `data_dir` must hold.
        data_dir: folder of the dataset.
        split: str. "train" or "val".
        report_path: where to write what was skipped, as JSON. Logged in one line
            in any case.
        skeleton: joints of a COCO-format file that does not name them.

    Raises:
        InputError: unknown names, files that are not where they are expected, or no
            usable person in them.
    """
    people, report = read_source(dataset, data_dir, split, skeleton)
    if report.skipped:
        logging.warning("%s", report.summary())
    else:
        logging.info("%s", report.summary())
    if report_path is not None:
        report.write(report_path)
    return people


def read_source(
    dataset: str,
    data_dir: str | os.PathLike,
    split: str,
    skeleton: Skeleton | None = None,
) -> tuple[PoseDataset, SkipReport]:
    """As `load_dataset`, and the report of what was not used."""
    if dataset not in DATASETS:
        raise InputError(
            f"unknown dataset {dataset!r}, expected one of {', '.join(DATASETS)}"
        )
    if split not in SPLITS:
        raise InputError(f"unknown split {split!r}, expected train or val")
    source, folder = DATASETS[dataset], os.fspath(data_dir)
    files = source.files.format(split=split)
    if not folder:
        raise InputError(f"dataset {dataset!r} needs data_dir, a folder with {files}")
    if not source.drawn and not os.path.isdir(folder):
        raise InputError(f"data_dir {folder}: no such folder")
    try:
        return source.read(folder, split, skeleton)
    except NotThere as error:
        raise InputError(
            f"{error}; dataset {dataset!r} expects in its data_dir {files}"
        ) from None
