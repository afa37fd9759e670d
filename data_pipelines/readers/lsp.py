"""Leeds Sports Pose and its extension, from their `joints.mat` and `images/`.

Johnson and Everingham, BMVC 2010 (LSP) and CVPR 2011 (LSPET). One person a photo, 14
joints (`lsp14`). What differs between the two:

               joints.mat         third value                    images
    LSP        [3, 14, 2000]      1 occluded, 0 visible          im0001.jpg ...
    LSPET      [14, 3, 10000]     1 labelled, 0 not labelled     im00001.jpg ...

Coordinates are MATLAB's, the first pixel's centre being 1. There are no boxes and no
areas: a box is the extent of the labelled joints with `MARGIN` on every side.
"""

import os
import re
from typing import NamedTuple

import numpy as np

from data_pipelines.image_headers import image_records
from data_pipelines.images import FileImages
from data_pipelines.people import PoseDataset
from data_pipelines.readers.coco_format import MIN_BOX_SIDE
from data_pipelines.readers.coco_images import ImageTable, read_images
from data_pipelines.readers.layout import expect_path
from data_pipelines.readers.mat_file import mat_numbers, read_mat
from data_pipelines.readers.skip_report import SkipReport
from tfpose.errors import InputError
from tfpose.skeletons import Skeleton, get_skeleton

__all__ = ["MARGIN", "read_lsp", "read_lspet"]

MARGIN = 0.1
"""What a box has beyond the labelled joints, as a share of their longer extent."""

_LSP_TRAIN = 1000
_LSPET_VAL = 10
_JOINTS = 14


class _Labels(NamedTuple):
    """Of the photos `numbers` (the first is 1): `keypoints` `[N, 14, 3]`, px from 0,
    and why some cannot be used, "" for the others.
    """

    numbers: np.ndarray
    keypoints: np.ndarray
    problems: list[str]


def read_lsp(
    folder: str, split: str, skeleton: Skeleton | None = None
) -> tuple[PoseDataset, SkipReport]:
    """LSP: photos 1 to 1000 are `train`, the others `val`, as published.

    `skeleton` has no effect: the joints are LSP's.

    Raises:
        InputError: files are absent or not LSP's, or hold no usable person.
    """
    path = expect_path(folder, "joints.mat")
    content = read_mat(path, ["joints"])
    _refuse_other(content["joints"], (_JOINTS, 3), path, "LSPET's, see lspet")
    joints = mat_numbers(content, "joints", (3, _JOINTS, None), path)
    joints = joints.transpose(2, 1, 0)
    visibility = np.where(joints[..., 2] == 1, 1, 2)
    number = np.arange(1, len(joints) + 1)
    chosen = (number <= _LSP_TRAIN) == (split == "train")
    labels = _labels(number[chosen], joints[chosen], visibility[chosen])
    return _read(folder, path, f"lsp_{split}", "im{:04d}.jpg", labels, len(joints))


def read_lspet(
    folder: str, split: str, skeleton: Skeleton | None = None
) -> tuple[PoseDataset, SkipReport]:
    """LSPET: photos 10, 20, 30 ... are `val`, the others `train`.

    The split is this project's: LSPET was published as training data only. `skeleton`
    has no effect: the joints are LSP's.

    Raises:
        InputError: files are absent or not LSPET's, or hold no usable person.
    """
    path = expect_path(folder, "joints.mat")
    content = read_mat(path, ["joints"])
    _refuse_other(content["joints"], (3, _JOINTS), path, "LSP's, see lsp")
    joints = mat_numbers(content, "joints", (_JOINTS, 3, None), path)
    joints = joints.transpose(2, 0, 1)
    visibility = np.where(joints[..., 2] == 1, 2, 0)
    number = np.arange(1, len(joints) + 1)
    chosen = (number % _LSPET_VAL != 0) == (split == "train")
    labels = _labels(number[chosen], joints[chosen], visibility[chosen])
    return _read(folder, path, f"lspet_{split}", "im{:05d}.jpg", labels, len(joints))


def _refuse_other(
    joints: np.ndarray, shape: tuple[int, int], path: str, whose: str
) -> None:
    if np.shape(joints)[:2] == shape:
        raise InputError(f"{path}: 'joints' is {list(joints.shape)}, which is {whose}")


def _labels(numbers: np.ndarray, joints: np.ndarray, visibility: np.ndarray) -> _Labels:
    points = joints[..., :2] - 1
    known = np.isfinite(joints[..., :2]).all(axis=-1)
    visibility = np.where(known, visibility, 0)[..., None]
    keypoints = np.concatenate([points, visibility], axis=-1)
    keypoints[visibility[..., 0] == 0] = 0
    problems = [""] * len(keypoints)
    for row in np.flatnonzero(np.count_nonzero(visibility[..., 0], axis=1) < 2):
        problems[row] = "fewer than two labelled joints"
    for row in np.flatnonzero(~np.isin(joints[..., 2], (0, 1)).all(axis=1)):
        problems[row] = "third value of a joint is not 0 or 1"
    return _Labels(numbers, keypoints, problems)


def _read(
    folder: str, path: str, name: str, pattern: str, labels: _Labels, count: int
) -> tuple[PoseDataset, SkipReport]:
    report = SkipReport(path)
    image_dir = expect_path(folder, "images")
    _note_unlabelled(image_dir, count, report)
    files = [(int(number), pattern.format(number)) for number in labels.numbers]
    images = read_images(image_records(files, image_dir), image_dir, report)
    keypoints, boxes = _usable(labels, images, files, report)
    report.used = {"images": len(images.ids), "people": len(boxes)}
    if not boxes:
        raise InputError(f"no usable person in {report.summary()}{report.example()}")
    image_index = np.array([images.rows[number] for number in boxes], np.int32)
    dataset = PoseDataset(
        name=name,
        skeleton=get_skeleton("lsp14"),
        images=FileImages(images.paths),
        image_ids=np.array(images.ids, np.int64),
        image_sizes=np.array(images.sizes, np.int32),
        image_index=image_index,
        person_ids=np.array(list(boxes), np.int64),
        boxes=np.array(list(boxes.values()), np.float32),
        keypoints=np.array(keypoints, np.float32),
        areas=np.full(len(boxes), np.nan, np.float32),
        crowd=np.zeros(len(boxes), np.bool_),
    )
    return dataset, report


def _usable(
    labels: _Labels,
    images: ImageTable,
    files: list[tuple[int, str]],
    report: SkipReport,
) -> tuple[list[np.ndarray], dict[int, np.ndarray]]:
    """Keypoints and, by the photo's number, boxes of the people to use."""
    keypoints, boxes = [], {}
    rows = zip(files, labels.keypoints, labels.problems, strict=True)
    for (number, name), pose, problem in rows:
        if number in images.unusable:
            problem = f"its {images.unusable[number]}"
        if not problem:
            size = images.sizes[images.rows[number]]
            box = _box(pose, size)
            if (box[2:] >= MIN_BOX_SIDE).all():
                keypoints.append(pose)
                boxes[number] = box
                continue
            problem = "labelled joints outside the image"
        report.skip("annotation", number, name, problem)
    return keypoints, boxes


def _box(pose: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """[x, y, w, h] px, clipped to the image of (height, width) px."""
    points = pose[pose[:, 2] > 0, :2]
    # From pixel centres to edges.
    low, high = points.min(axis=0) + 0.5, points.max(axis=0) + 0.5
    margin = MARGIN * (high - low).max()
    low, high = (
        np.clip(corner, 0, size[::-1]) for corner in (low - margin, high + margin)
    )
    return np.concatenate([low, high - low])


def _note_unlabelled(image_dir: str, count: int, report: SkipReport) -> None:
    for name in sorted(os.listdir(image_dir)):
        match = re.fullmatch(r"im(\d+)\.jpg", name)
        if match and not 1 <= int(match[1]) <= count:
            report.skip("image", int(match[1]), name, "not in joints.mat")
