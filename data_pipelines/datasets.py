"""The front door to a dataset: `--dataset`, `--data_dir`, split -> people."""

import os

from absl import logging

from data_pipelines.coco_format import read_coco
from data_pipelines.people import PoseDataset
from data_pipelines.skip_report import SkipReport
from tfpose.errors import InputError
from tfpose.skeletons import Skeleton

__all__ = ["DATASETS", "SPLITS", "load_dataset", "read_source"]

SPLITS = ("train", "val")
DATASETS = {
    "coco": "annotations/person_keypoints_{split}2017.json and {split}2017/",
    "coco_format": "{split}.json and images/ (or image paths relative to the folder)",
    "records": "{split}/manifest.json, as data_pipelines.prepare writes it",
    "mannequin": "nothing: people are drawn into the folder on first use",
}
_MANNEQUINS = {"train": 4000, "val": 400}


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
    folder = os.fspath(data_dir)
    if not folder:
        raise InputError(
            f"dataset {dataset!r} needs data_dir, a folder with "
            + DATASETS[dataset].format(split=split)
        )
    if dataset == "mannequin":
        _draw_mannequins(folder, split)
    elif not os.path.isdir(folder):
        raise InputError(f"data_dir {folder}: no such folder")
    if dataset == "records":
        from data_pipelines.records import read_records

        _expect(dataset, folder, split, f"{split}/manifest.json")
        return read_records(os.path.join(folder, split))
    if dataset == "coco":
        name = f"annotations/person_keypoints_{split}2017.json"
        image_dir = _expect(dataset, folder, split, f"{split}2017")
    else:
        name = f"{split}.json"
        image_dir = os.path.join(folder, "images")
        image_dir = image_dir if os.path.isdir(image_dir) else folder
    return read_coco(_expect(dataset, folder, split, name), image_dir, skeleton)


def _expect(dataset: str, folder: str, split: str, name: str) -> str:
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        found = ", ".join(sorted(os.listdir(folder))[:8]) or "nothing"
        raise InputError(
            f"{path}: not there; dataset {dataset!r} expects in its data_dir "
            f"{DATASETS[dataset].format(split=split)}; found {found}"
        )
    return path


def _draw_mannequins(folder: str, split: str) -> None:
    if os.path.exists(os.path.join(folder, f"{split}.json")):
        return
    from data_pipelines.mannequin.write import write_dataset

    count = _MANNEQUINS[split]
    logging.info("drawing %d mannequins into %s", count, folder)
    write_dataset(
        folder, scenario="studio", count=count, seed=SPLITS.index(split), split=split
    )
