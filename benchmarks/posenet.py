"""PoseNet (MobileNet v1, stride 16): the first pose net for browsers."""

import os

import numpy as np

from benchmarks.human_models import fetch
from benchmarks.tfjs_graph import load_graph
from tfpose.predictors import People, Predictor
from tfpose.skeletons import get_skeleton
from tfpose.top_down.regions import Regions

__all__ = ["PoseNet"]

_INPUT_SIZE = (385, 385)
_STRIDE = 16
_OUTPUTS = ("MobilenetV1/heatmap_2/BiasAdd:0", "MobilenetV1/offset_2/BiasAdd:0")
# Did best of those tried on a quarter of LSPET's validation people.
_PADDING = 1.4


class PoseNet(Predictor):
    """One person in each box, each joint where its heatmap is highest.

    A person's score is the mean of the joints' scores.
    """

    wants_boxes = True
    skeleton = get_skeleton("coco17")

    def __init__(self, folder: str | os.PathLike) -> None:
        """
        Args:
            folder: see `benchmarks.human_models.fetch`.
        """
        self._net = load_graph(fetch(folder)["posenet"], *_OUTPUTS)

    def predict(self, image: np.ndarray, boxes: np.ndarray | None = None) -> People:
        boxes = self.usable_boxes(image, boxes)
        regions = Regions.of_boxes(boxes, _INPUT_SIZE, padding=_PADDING)
        joints = np.arange(self.skeleton.num_joints)
        keypoints = np.zeros((len(boxes), len(joints), 2))
        scores = np.zeros((len(boxes), len(joints)), np.float32)
        for person, crop in enumerate(regions.crop(image)):
            heatmaps, offsets = (
                output[0] for output in self._net(crop[None] / 127.5 - 1)
            )
            best = heatmaps.reshape(-1, len(joints)).argmax(axis=0)
            rows, columns = np.divmod(best, heatmaps.shape[1])
            # Offsets are those of y for all joints, then those of x.
            shift_y = offsets[rows, columns, joints]
            shift_x = offsets[rows, columns, len(joints) + joints]
            keypoints[person] = np.stack(
                [columns * _STRIDE + shift_x, rows * _STRIDE + shift_y], axis=-1
            )
            scores[person] = 1 / (1 + np.exp(-heatmaps[rows, columns, joints]))
        return People(regions.to_picture(keypoints), scores, scores.mean(axis=1), boxes)
