"""Smaller copies of large images, and the person table that fits them."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from data_pipelines.people import OPTIONAL_COLUMNS, PoseDataset
from data_pipelines.segmentation import Segmentations

__all__ = ["JPEG_QUALITY", "shrink_image", "shrink_people"]

JPEG_QUALITY = 95


def shrink_people(people: PoseDataset, max_side: int) -> PoseDataset:
    """The tables as they are after images longer than `max_side` px are shrunk to it.

    Pixel convention: `tfpose/codecs/heatmap.py`. Rows of smaller images keep their
    bits. The pixels behind `images` are not touched.
    """
    old = people.image_sizes
    scale = np.minimum(max_side / old.max(axis=1), 1.0)
    new = np.maximum(np.round(old * scale[:, None]), 1).astype(np.int32)
    factor = (new / old)[people.image_index][:, ::-1]
    rows = np.flatnonzero((factor != 1).any(axis=1))
    factor = factor[rows]
    boxes, keypoints = people.boxes.copy(), people.keypoints.copy()
    areas = people.areas.copy()
    boxes[rows] = boxes[rows] * np.tile(factor, 2)
    labelled = keypoints[rows, :, 2:] > 0
    moved = _shrunk(keypoints[rows, :, :2], factor[:, None])
    keypoints[rows, :, :2] = np.where(labelled, moved, 0)
    areas[rows] = areas[rows] * factor.prod(axis=1)
    optional: dict[str, Any] = {
        name: people.columns[name].copy()
        for name in OPTIONAL_COLUMNS.keys() & people.columns.keys()
    }
    for name, column in optional.items():
        if OPTIONAL_COLUMNS[name] == (2,):
            column[rows] = _shrunk(column[rows], factor)
        else:
            column[rows] = column[rows] * np.sqrt(factor.prod(axis=1))
    return replace(
        people,
        segmentations=_shrunk_regions(people, new, rows),
        image_sizes=new,
        boxes=boxes,
        keypoints=keypoints,
        areas=areas,
        **optional,
    )


def _shrunk_regions(
    people: PoseDataset, sizes: np.ndarray, rows: np.ndarray
) -> Segmentations | None:
    """The segmentations, of people at `rows` in images of the new sizes `[I, 2]`."""
    if people.segmentations is None:
        return None
    regions = [people.segmentations[row] for row in range(len(people))]
    for row in rows.tolist():
        image_row = people.image_index[row]
        old, new = people.image_sizes[image_row].tolist(), sizes[image_row].tolist()
        regions[row] = regions[row].resized(old, new)
    return Segmentations.of(regions)


def _shrunk(points: np.ndarray, factor: np.ndarray) -> np.ndarray:
    return (points + 0.5) * factor - 0.5


def shrink_image(pixels: np.ndarray, size: tuple[int, int]) -> bytes:
    """A JPEG of uint8 RGB pixels `[H, W, 3]`, averaged down to (height, width) px."""
    pixels = cv2.resize(pixels, size[::-1], interpolation=cv2.INTER_AREA)
    pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    return cv2.imencode(".jpg", pixels, quality)[1].tobytes()
