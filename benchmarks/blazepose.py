"""BlazePose: a detector turns each person upright before the landmarks are found."""

import os

import numpy as np
import tensorflow as tf

from benchmarks.human_models import fetch
from benchmarks.tfjs_graph import load_graph
from tfpose.predictors import People, Predictor
from tfpose.skeletons import get_skeleton
from tfpose.top_down.crop import (
    invert_matrices,
    region_matrices,
    transform_points,
    warp,
)
from tfpose.top_down.regions import Regions

__all__ = ["BlazePose"]

_DETECTOR_SIDE, _LANDMARK_SIDE = 224, 256
# Cells along a side of the detector's maps, and anchors in each cell.
_MAPS = ((28, 2), (14, 2), (7, 6))
# The region around a person, in circles that hold the body.
_CIRCLE = 1.25
# The box's surroundings that the detector sees: did best of those tried on a quarter of
# LSPET's validation people.
_PADDING = 2.0
_VALUES = 5
# BlazePose's numbers of COCO's joints.
_JOINTS = (0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)


class BlazePose(Predictor):
    """BlazePose lite, full or heavy with its detector: one person in each box.

    The best detection around a box is taken, however low its score. A joint's score is
    its visibility, a person's the mean of these.
    """

    wants_boxes = True
    skeleton = get_skeleton("coco17")

    def __init__(self, name: str, folder: str | os.PathLike) -> None:
        """
        Args:
            name: `lite`, `full` or `heavy`.
            folder: see `benchmarks.human_models.fetch`.
        """
        # TensorFlow 2.21 with oneDNN fuses operators of `heavy` and crashes.
        tf.config.optimizer.set_experimental_options({"remapping": False})
        paths = fetch(folder)
        self._detect = load_graph(paths["blazepose-detector"], "person")
        self._locate = load_graph(paths[f"blazepose-{name}"], "ld_3d")
        self._anchors = _anchors()

    def predict(self, image: np.ndarray, boxes: np.ndarray | None = None) -> People:
        boxes = self.usable_boxes(image, boxes)
        side = (_DETECTOR_SIDE, _DETECTOR_SIDE)
        regions = Regions.of_boxes(boxes, side, padding=_PADDING)
        circles = np.zeros((len(boxes), 2, 2))
        for person, crop in enumerate(regions.crop(image)):
            circles[person] = self._circle(crop)
        return self._landmarks(image, boxes, regions.to_picture(circles))

    def _circle(self, crop: np.ndarray) -> np.ndarray:
        """Hips' middle and the point above it on the body's circle, `[2, 2]` (x, y),
        pixels of the crop.
        """
        found = self._detect(crop[None] / 127.5 - 1)[0][0]
        best = found[:, 0].argmax()
        # After the score: the box's middle and sides, then four points.
        return found[best, 5:9].reshape(2, 2) + self._anchors[best] - 0.5

    def _landmarks(
        self, image: np.ndarray, boxes: np.ndarray, circles: np.ndarray
    ) -> People:
        side = (_LANDMARK_SIDE, _LANDMARK_SIDE)
        hips, upward = circles[:, 0], circles[:, 1] - circles[:, 0]
        sizes = 2 * _CIRCLE * np.linalg.norm(upward, axis=1, keepdims=True)
        turn = np.degrees(np.arctan2(upward[:, 0], -upward[:, 1]))
        matrices = region_matrices(hips, np.repeat(sizes, 2, 1), side, rotation=-turn)
        found = np.zeros((len(boxes), self.skeleton.num_joints, _VALUES))
        for person, matrix in enumerate(matrices):
            crop = warp(image, matrix, side)
            points = self._locate(crop[None] / 255)[0].reshape(-1, _VALUES)
            found[person] = points[list(_JOINTS)]
        keypoints = transform_points(invert_matrices(matrices), found[..., :2] - 0.5)
        scores = (1 / (1 + np.exp(-found[..., 3]))).astype(np.float32)
        return People(keypoints, scores, scores.mean(axis=1), boxes)


def _anchors() -> np.ndarray:
    """Middles of the detector's anchors, float64 `[2254, 2]` (x, y), pixels."""
    middles = []
    for cells, anchors in _MAPS:
        rows, columns = (np.mgrid[:cells, :cells] + 0.5) * _DETECTOR_SIDE / cells
        here = np.stack([columns.ravel(), rows.ravel()], axis=-1)
        middles.append(np.repeat(here, anchors, axis=0))
    return np.concatenate(middles)
