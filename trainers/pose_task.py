"""What is the same for all ways to train a net for the poses of people in boxes."""

import abc
import pathlib
from typing import Any

import cv2
import keras
import numpy as np
from keras import ops

from data_pipelines.batches import TrainingSampler
from data_pipelines.top_down import (
    TopDownEvaluation,
    TopDownTraining,
    label_subset,
    labelled_people,
)
from tfpose.drawing import draw_skeleton
from tfpose.drawing import grid as contact_sheet
from tfpose.errors import InputError
from tfpose.files import write_picture
from tfpose.skeletons import Skeleton
from tfpose.top_down.net import HeatmapNet, build_heatmap_net
from tfpose.top_down.transfer import freeze_groups, layer_groups, transfer_weights
from tfpose.weights.keras_file import load_keras
from trainers.engine.devices import Devices
from trainers.engine.task import Task
from trainers.engine.workdir import Workdir
from trainers.people import load_people
from trainers.top_down_config import TopDownConfig

__all__ = ["PoseTask"]

_TILE_HEIGHT = 160
# For a net whose joints only the data will tell.
_STAND_IN = Skeleton("stand_in", ("joint",), (), None)


class PoseTask(Task, abc.ABC):
    """People to learn from and to be measured on, and a heatmap net.

    A method derives from it, and makes a net and a model of the heatmap net.

    Attributes:
        heatmap_net: by the config, with initial weights or those of its start.
    """

    sampler: TrainingSampler

    def __init__(self, config: TopDownConfig, workdir: Workdir):
        """
        Args:
            config: the run's options.
            workdir: gets the reports of records that cannot be used.

        Raises:
            InputError: bad data, or a net, start or layer group that does not fit.
        """
        self.config = config
        start = _load_start(config, workdir)
        train, self._people = (
            labelled_people(load_people(config, workdir, split))
            for split in ("train", "val")
        )
        if self._people.skeleton.joints != train.skeleton.joints:
            raise InputError(f"{config.data_dir}: train and val have different joints")
        budget = config.cache_megabytes / 2
        self.sampler = TopDownTraining(
            label_subset(train, config.label_fraction, config.seed),
            config.input_size,
            config.batch_size,
            config.seed,
            config.augmentation,
            budget,
            config.alignment,
        )
        self._validation = TopDownEvaluation(
            self._people, config.input_size, budget, config.alignment
        )
        # What was built before must not decide the initial weights.
        keras.utils.set_random_seed(config.seed)
        self.heatmap_net = _build_net(config, self._people.skeleton)
        if start is not None:
            transfer_weights(start, self.heatmap_net)
        freeze_groups(layer_groups(self.heatmap_net), config.freeze)

    def evaluate(self, devices: Devices) -> tuple[dict[str, float], list[str]]:
        """PCK@0.2 of the torso, and OKS AP where skeleton and areas allow it."""
        found = devices.predict(self._locate, self._validation, len(self._validation))
        return self._validation.scores(found["keypoints"], found["scores"])

    def _locate(self, batch: dict[str, Any]) -> dict[str, Any]:
        keypoints, scores = self.locate(batch["image"])
        return {"keypoints": keypoints, "scores": scores}

    @abc.abstractmethod
    def locate(self, images: Any) -> tuple[Any, Any]:
        """Keypoints `[B, J, 2]` in input pixels and scores `[B, J]` of crops."""

    def score(self, metrics: dict[str, float]) -> list[float]:
        """AP where there is one, then PCKh or, without head sizes, PCK."""
        return [metrics.get("ap", 0.0), metrics.get("pckh", metrics["pck"])]

    def draw(self, folder: pathlib.Path) -> None:
        """Validation people: labels on the left, predictions on the right."""
        count = min(12, len(self._validation))
        samples = [self._validation(row) for row in range(count)]
        images = np.stack([sample["image"] for sample in samples])
        keypoints, scores = self.locate(images)
        keypoints, scores = (
            ops.convert_to_numpy(keypoints),
            ops.convert_to_numpy(scores),
        )
        tiles, skeleton = [], self._people.skeleton
        for sample, points, heights in zip(samples, keypoints, scores, strict=True):
            height, width = sample["image"].shape[:2]
            zoom = _TILE_HEIGHT / height
            photo = cv2.resize(sample["image"], None, fx=zoom, fy=zoom)
            labels = np.column_stack(
                [_enlarge(sample["keypoints"], zoom), sample["weights"]]
            )
            found = np.column_stack([_enlarge(points, zoom), heights])
            tiles += [
                draw_skeleton(photo, labels, skeleton, threshold=0.5),
                draw_skeleton(photo, found, skeleton, threshold=0.1),
            ]
        picture = contact_sheet(tiles, columns=8, titles=["label", "predicted"] * count)
        write_picture(folder / "poses.png", picture)


def _build_net(config: TopDownConfig, skeleton: Skeleton) -> HeatmapNet:
    info = {
        "task": "top_down",
        "skeleton": skeleton.to_dict(),
        "sigma": config.sigma,
        "decoder": config.decoder,
        "alignment": config.alignment,
        "flip_shift": config.flip_shift,
    }
    if config.blur_kernel:
        info["blur_kernel"] = config.blur_kernel
    return build_heatmap_net(
        config.net, config.input_size, skeleton.num_joints, info=info
    )


def _load_start(config: TopDownConfig, workdir: Workdir) -> keras.Model | None:
    """The net to start from, if there is one.

    Called before data are read, so that a start or layer groups that do not fit are
    refused at once, by a net of one joint that has the other layers.
    """
    if not config.freeze and (not config.init_from or workdir.begun):
        return None
    start = None
    if config.init_from and not workdir.begun:
        start = load_keras(config.init_from)
    stand_in = _build_net(config, _STAND_IN)
    if start is not None:
        transfer_weights(start, stand_in)
    freeze_groups(layer_groups(stand_in), config.freeze)
    return start


def _enlarge(points: np.ndarray, zoom: float) -> np.ndarray:
    """Points `[J, 2]` after the image was resized by `zoom`."""
    return (points + 0.5) * zoom - 0.5
