"""A folder of photos, with or without people's boxes, and without any labels.

What pretraining needs. Photos show one person each, or `boxes.json` says where people
are, in one of the forms of `box_file`.
"""

import os
import pathlib

import numpy as np

from data_pipelines.images import PHOTO_SUFFIXES, FileImages
from data_pipelines.people import PoseDataset
from data_pipelines.readers.box_file import BoxFile
from data_pipelines.readers.coco_format import BOXES_ALONE, clip_boxes
from data_pipelines.readers.coco_images import stored_size
from data_pipelines.readers.layout import NotThere
from data_pipelines.readers.skip_report import SkipReport
from tfpose.errors import InputError

__all__ = ["read_photos"]

_BOXES = "boxes.json"
_HELD_OUT = 10


def read_photos(
    folder: str | os.PathLike, split: str
) -> tuple[PoseDataset, SkipReport]:
    """The people of a folder's photos, in the order of the photos' names.

    Args:
        folder: with photos in `train/` and `val/`, or anywhere in it, and then every
            tenth by name is for validation. Subfolders are searched, too.
        split: "train" or "val".

    Returns:
        People with no labelled joint, joints `BOXES_ALONE`; and what was not used:
        photos that cannot be read or have no entry in `boxes.json`, and boxes outside
        their photo.

    Raises:
        InputError: no photo is there, none can be used, or a bad `boxes.json`.
    """
    root = pathlib.Path(folder)
    report = SkipReport(os.fspath(folder))
    photos = _photos(root, split, report)
    box_file = root / _BOXES
    table = BoxFile(box_file, photos, []) if box_file.exists() else None
    paths: list[pathlib.Path] = []
    sizes: list[tuple[int, int]] = []
    found: list[np.ndarray] = []
    for number, photo in enumerate(photos, start=1):
        try:
            size = stored_size(str(photo))
        except InputError as error:
            reason, _, detail = str(error).partition(" | ")
            report.skip("image", number, str(photo), reason, detail)
            continue
        try:
            boxes = [[0, 0, *size[::-1]]] if table is None else table.of_photo(photo)
        except InputError:
            report.skip("image", number, str(photo), f"no entry in {_BOXES}")
            continue
        paths.append(photo)
        sizes.append(size)
        found.append(np.array(boxes, np.float64).reshape(-1, 4))
    rows = np.repeat(np.arange(len(paths)), [len(boxes) for boxes in found])
    return _people(
        split, paths, sizes, rows, np.concatenate([*found, np.empty((0, 4))]), report
    ), report


def _photos(root: pathlib.Path, split: str, report: SkipReport) -> list[pathlib.Path]:
    """The split's photos, sorted by name; counts files that are none."""
    own = root / split
    files = sorted(
        file for file in (own if own.is_dir() else root).rglob("*") if file.is_file()
    )
    photos = [file for file in files if file.suffix.lower() in PHOTO_SUFFIXES]
    others = sum(file.name != _BOXES for file in files) - len(photos)
    report.note("file that is no photo", others)
    if not own.is_dir() and any((root / other).is_dir() for other in ("train", "val")):
        raise NotThere(f"{own}: not there")
    if not own.is_dir():
        held_out = photos[_HELD_OUT - 1 :: _HELD_OUT]
        photos = held_out if split == "val" else sorted({*photos} - {*held_out})
    if not photos:
        raise NotThere(f"{own if own.is_dir() else root}: no photos for {split}")
    return photos


def _people(
    split: str,
    paths: list[pathlib.Path],
    sizes: list[tuple[int, int]],
    rows: np.ndarray,
    boxes: np.ndarray,
    report: SkipReport,
) -> PoseDataset:
    """The table of people whose boxes show something."""
    image_sizes = np.array(sizes, np.int32).reshape(-1, 2)
    reasons: list[str | None] = [None] * len(boxes)
    boxes = clip_boxes(boxes, image_sizes[rows], reasons, report)
    for number, problem in enumerate(reasons):
        if problem is not None:
            reason, _, detail = problem.partition(" | ")
            file = str(paths[rows[number]])
            report.skip("annotation", number, file, reason, detail)
    used = np.array([reason is None for reason in reasons], np.bool_)
    count = int(used.sum())
    report.used = {"images": len(paths), "people": count}
    if not count:
        raise InputError(f"no usable person in {report.summary()}{report.example()}")
    return PoseDataset(
        name=split,
        skeleton=BOXES_ALONE,
        images=FileImages(paths),
        image_ids=np.arange(1, len(paths) + 1),
        image_sizes=image_sizes,
        image_index=rows[used].astype(np.int32),
        person_ids=np.arange(1, count + 1),
        boxes=boxes[used].astype(np.float32),
        keypoints=np.zeros((count, BOXES_ALONE.num_joints, 3), np.float32),
        areas=np.full(count, np.nan, np.float32),
        crowd=np.zeros(count, np.bool_),
    )
