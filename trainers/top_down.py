"""Trains a top-down 2D pose net, from scratch or from a pretrained start.

    python -m trainers.top_down --dataset=coco --data_dir=... --workdir=... \\
        --init_from=runs/hsjp/model.keras

The recipe is HRNet's (Sun et al. 2019), which the HSJP paper fine-tunes with.
"""

import dataclasses
import pathlib

import cv2
import numpy as np
from keras import ops

from data_pipelines.top_down import (
    PoseAugmentation,
    TopDownEvaluation,
    TopDownTraining,
    label_subset,
    labelled_people,
    pose_truth,
)
from tfpose.codecs.heatmap import DECODE_METHODS, HeatmapCodec
from tfpose.drawing import draw_skeleton
from tfpose.drawing import grid as contact_sheet
from tfpose.errors import InputError
from tfpose.files import write_picture
from tfpose.metrics.pose_scores import pose_scores
from tfpose.top_down.crop import invert_matrices, transform_points
from tfpose.top_down.estimator import PoseEstimator
from tfpose.top_down.loss import keypoint_loss
from tfpose.top_down.net import build_heatmap_net
from tfpose.top_down.transfer import freeze_groups, transfer_weights
from tfpose.weights.keras_file import load_keras
from trainers.config import RunConfig, option
from trainers.engine import Engine
from trainers.heatmap_model import HeatmapModel
from trainers.optimizer import adam
from trainers.people import load_people
from trainers.program import run_main
from trainers.workdir import Workdir

__all__ = ["PRESETS", "TopDownConfig", "TopDownModel", "TopDownTask", "main"]


@dataclasses.dataclass(frozen=True)
class TopDownConfig(RunConfig):
    """Options of training a pose net; the defaults are HRNet-W32's on COCO.

    Targets are Gaussians at unrounded centres in the project's pixel convention; the
    decoder is DARK's, which such targets are made for.

    Raises:
      InputError: an impossible value.
    """

    dataset: str = option(
        "coco",
        "Kind of data set.",
        choices=("coco", "coco_format", "records", "mannequin"),
    )
    input_height: int = option(
        256, "Input height, pixels; a multiple of 4.", at_least=32
    )
    input_width: int = option(192, "Input width, pixels; a multiple of 4.", at_least=32)
    sigma: float = option(2.0, "Target Gaussians' sigma, heatmap cells.", above=0)
    decoder: str = option("dark", "From heatmaps to keypoints.", choices=DECODE_METHODS)
    flip_test: bool = option(True, "Evaluate the mean of image and mirrored image.")
    label_fraction: float = option(
        1.0, "Share of the labelled images that is used.", above=0, at_most=1
    )
    freeze: tuple[str, ...] = option(
        (), "Layer groups that do not train, e.g. stem,stage1."
    )
    scale: float = option(
        0.35, "Scaling of the region, 1 +- this.", at_least=0, at_most=0.9
    )
    rotation: float = option(
        45.0, "Rotation's deviation, degrees.", at_least=0, at_most=90
    )
    flip: float = option(0.5, "Share of mirrored people.", at_least=0, at_most=1)
    half_body: float = option(0.3, "Share of half-body crops.", at_least=0, at_most=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        HeatmapCodec(self.input_size)

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width), pixels."""
        return self.input_height, self.input_width

    @property
    def augmentation(self) -> PoseAugmentation:
        """What is done to the regions."""
        return PoseAugmentation(
            scale=self.scale,
            rotation=self.rotation,
            flip_probability=self.flip,
            half_body_probability=self.half_body,
        )


_SMALL = TopDownConfig(
    dataset="coco_format",
    net="hrnet_small",
    input_height=64,
    input_width=64,
    sigma=1.0,
    epochs=20,
    batch_size=32,
    lr_drop_epochs=(16, 19),
    epsilon=1e-7,
)
PRESETS = {
    "paper": TopDownConfig(),
    "small": _SMALL,
    "demo": dataclasses.replace(
        _SMALL, dataset="mannequin", epochs=5, lr_drop_epochs=(4,)
    ),
}
"""`paper`: HRNet-W32 at 256 x 192 on COCO. `small`: a small net and input for a few
thousand photos on 2 CPU cores. `demo`: the same on drawn mannequins."""


_TILE_HEIGHT = 160


class TopDownModel(HeatmapModel):
    """A heatmap net with the train step of keypoint regression."""

    def targets(self, batch):
        keypoints = batch["keypoints"]
        # A joint whose Gaussian does not reach the map says nothing about it.
        margin = 3 * self.codec.sigma * self.codec.stride
        weights = batch["weights"] * self.codec.inside(keypoints, margin)
        return self.codec.encode(keypoints, weights), weights

    def sample_losses(self, heatmaps, target, weights):
        return keypoint_loss(heatmaps, target, weights)


class TopDownTask:
    """Training a pose net as the engine's task."""

    def __init__(self, config: TopDownConfig, workdir: Workdir):
        """
        Args:
          config: the run's options.
          workdir: gets the reports of records that cannot be used.

        Raises:
          InputError: bad data, or a net, start or layer group that does not fit.
        """
        self.config = config
        train, self._people = (
            labelled_people(load_people(config, workdir, split))
            for split in ("train", "val")
        )
        if self._people.skeleton.joints != train.skeleton.joints:
            raise InputError(f"{config.data_dir}: train and val have different joints")
        skeleton = self._people.skeleton
        budget = config.cache_megabytes / 2
        chosen = label_subset(train, config.label_fraction, config.seed)
        self.sampler = TopDownTraining(
            chosen,
            config.input_size,
            config.batch_size,
            config.seed,
            config.augmentation,
            budget,
        )
        self._validation = TopDownEvaluation(self._people, config.input_size, budget)
        self.steps_per_epoch = self.sampler.steps_per_epoch
        self.net = build_heatmap_net(
            config.net,
            config.input_size,
            skeleton.num_joints,
            info={
                "task": "top_down",
                "skeleton": skeleton.to_dict(),
                "sigma": config.sigma,
                "decoder": config.decoder,
                "geometry": "half_pixel",
                "flip_shift": 0,
            },
        )
        if config.init_from and not workdir.begun:
            transfer_weights(load_keras(config.init_from), self.net)
        freeze_groups(self.net, config.freeze)
        self.estimator = PoseEstimator(self.net, config.flip_test)
        self.model = TopDownModel(self.net, self.estimator.codec, config.batch_size)
        self.model.compile(optimizer=adam(config, self.steps_per_epoch))

    def evaluate(self, engine: Engine) -> tuple[dict[str, float], list[str]]:
        """PCK@0.2 of the torso, and OKS AP where skeleton and areas allow it."""
        found = engine.predict(self._locate, self._validation, len(self._validation))
        back = invert_matrices(self._validation.matrices)
        keypoints = transform_points(back, found["keypoints"])
        return pose_scores(
            pose_truth(self._people),
            self._people.skeleton,
            keypoints,
            found["scores"],
        )

    def _locate(self, batch):
        keypoints, scores = self.estimator.locate(batch["image"])
        return {"keypoints": keypoints, "scores": scores}

    def score(self, metrics: dict[str, float]) -> list[float]:
        """AP where there is one, then PCK."""
        return [metrics.get("ap", 0.0), metrics["pck"]]

    def describe(self, metrics: dict[str, float]) -> str:
        """The loss."""
        return f"loss {metrics['loss']:.6f}"

    def draw(self, engine: Engine, folder: pathlib.Path) -> None:
        """Validation people: labels on the left, predictions on the right."""
        count = min(12, len(self._validation))
        samples = [self._validation(row) for row in range(count)]
        images = np.stack([sample["image"] for sample in samples])
        keypoints, scores = self.estimator.locate(images)
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
        picture = contact_sheet(tiles, columns=8, titles=["label", "found"] * count)
        write_picture(folder / "poses.png", picture)

    def finish(self, last: dict[str, float]) -> list[str]:
        """Nothing to add to what the figures rest on."""
        return []


def _enlarge(points: np.ndarray, zoom: float) -> np.ndarray:
    """Points `[J, 2]` after the image was resized by `zoom`."""
    return (points + 0.5) * zoom - 0.5


def main() -> None:
    """The command-line program."""
    run_main(TopDownConfig, PRESETS, TopDownTask)


if __name__ == "__main__":
    main()
