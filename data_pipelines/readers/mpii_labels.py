"""MPII's labels as its files have them, and the person table that they make.

Andriluka et al., CVPR 2014. 16 joints (`mpii16`), coordinates MATLAB's, the first
pixel's centre being 1. There are no boxes of people: a label has a rough centre and a
scale, its person's height being about 200 times the scale in pixels. Everybody's nets
are shown the region that Newell et al. (ECCV 2016) chose, and so are ours: the square
of 250 times the scale, moved down by 15 times the scale.

The square, without the 1.25 that `tfpose/top_down/crop.py` pads every box by, is the
box of the person table. It is not clipped, else the region would be another one. Its
middle is in the table too: alignments differ in where they see the middle of a box,
but here HRNet, TokenPose and MMPose all take the label's.
"""

import dataclasses
import os

import numpy as np

from data_pipelines.image_headers import image_records
from data_pipelines.images import FileImages
from data_pipelines.people import PoseDataset
from data_pipelines.readers.coco_images import ImageTable, read_images
from data_pipelines.readers.skip_report import SkipReport
from tfpose.errors import InputError
from tfpose.skeletons import get_skeleton

__all__ = ["NUM_JOINTS", "MpiiLabels", "mpii_squares", "people_of_labels"]

NUM_JOINTS = 16

_SIDE = 200.0
_DOWN = 15.0


@dataclasses.dataclass(frozen=True)
class MpiiLabels:
    """N people in the file's order, usable or not.

    Attributes:
        source: the file.
        names: image file of each, "" if unknown.
        ids: int `[N]`, unique.
        centres: float64 `[N, 2]`, (x, y) px from 1; NaN where there is none.
        scales: float64 `[N]`, NaN where there is none.
        joints: float64 `[N, 16, 3]`, (x, y, v), px from 1; v is 0 absent, 1 occluded,
            2 visible.
        head_sizes: float64 `[N]`, px, NaN where unknown; None where all are.
        problems: why a person cannot be used, "" for the others; after " | " what was
            found.
    """

    source: str
    names: list[str]
    ids: np.ndarray
    centres: np.ndarray
    scales: np.ndarray
    joints: np.ndarray
    head_sizes: np.ndarray | None
    problems: list[str]


def mpii_squares(
    centres: np.ndarray, scales: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Middles and boxes as in `PoseDataset`, float64, of `MpiiLabels`' numbers."""
    middles = centres - 1
    middles[:, 1] += _DOWN * scales
    sides = np.stack([_SIDE * scales] * 2, axis=-1)
    # From pixel centres to edges.
    return middles, np.concatenate([middles + 0.5 - sides / 2, sides], axis=-1)


def people_of_labels(
    labels: MpiiLabels, name: str, image_dir: str, report: SkipReport
) -> PoseDataset:
    """The people that can be used; the others are named in the report.

    Raises:
        InputError: there are none.
    """
    names = list(dict.fromkeys(filter(None, labels.names)))
    numbers = dict(zip(names, _image_ids(names), strict=True))
    files = [(numbers[name], name) for name in names]
    images = read_images(image_records(files, image_dir), image_dir, report)
    middles, boxes = mpii_squares(labels.centres, labels.scales)
    used = []
    for row, problem in enumerate(_problems(labels, boxes, numbers, images)):
        if not problem:
            used.append(row)
            continue
        reason, _, detail = problem.partition(" | ")
        person = int(labels.ids[row])
        report.skip("annotation", person, labels.names[row], reason, detail)
    report.used = {"images": len(images.ids), "people": len(used)}
    if not used:
        raise InputError(f"no usable person in {report.summary()}{report.example()}")
    rows = [images.rows[numbers[labels.names[row]]] for row in used]
    keypoints = labels.joints[used]
    keypoints[..., :2] -= 1
    keypoints[keypoints[..., 2] == 0] = 0
    sizes = labels.head_sizes
    return PoseDataset(
        name=name,
        skeleton=get_skeleton("mpii16"),
        images=FileImages(images.paths),
        image_ids=np.array(images.ids, np.int64),
        image_sizes=np.array(images.sizes, np.int32),
        image_index=np.array(rows, np.int32),
        person_ids=labels.ids[used].astype(np.int64),
        boxes=boxes[used].astype(np.float32),
        keypoints=keypoints.astype(np.float32),
        areas=np.full(len(used), np.nan, np.float32),
        crowd=np.zeros(len(used), np.bool_),
        head_sizes=None if sizes is None else sizes[used].astype(np.float32),
        centres=middles[used].astype(np.float32),
    )


def _image_ids(names: list[str]) -> list[int]:
    """The numbers that MPII's image files are named by, or else their places."""
    stems = [os.path.splitext(os.path.basename(name))[0] for name in names]
    if all(stem.isdecimal() and len(stem) < 18 for stem in stems):
        ids = [int(stem) for stem in stems]
        if len(set(ids)) == len(ids):
            return ids
    return list(range(len(names)))


def _problems(
    labels: MpiiLabels, boxes: np.ndarray, numbers: dict[str, int], images: ImageTable
) -> list[str]:
    """Why each person cannot be used, "" for the others."""
    labelled = labels.joints[..., 2] > 0
    finite = (np.isfinite(labels.joints).all(axis=-1) | ~labelled).all(axis=1)
    placed = np.isfinite(boxes).all(axis=1) & (boxes[:, 2] > 0)

    def problem(row: int) -> str:
        if labels.problems[row]:
            return labels.problems[row]
        if not labels.names[row]:
            return "no image name"
        number = numbers[labels.names[row]]
        if number in images.unusable:
            return f"its {images.unusable[number]}"
        if not labelled[row].any():
            return "no labelled joint"
        if not finite[row]:
            return "a labelled joint is not finite"
        return "" if placed[row] else "no centre or scale of the person"

    return [problem(row) for row in range(len(labels.names))]
