r"""Trains a top-down pose net with labelled people and with people without labels.

    python -m trainers.semi_supervised --dataset=coco --data_dir=COCO \
        --label_fraction=0.01 --workdir=runs/semi

Consistency of easy and hard views (Xie et al., ICCV 2021, arXiv:2011.12498). The net is
its own teacher: it finds the joints of a person who was changed a little, and learns to
find them at the same places of the photo where the person was changed a lot and some
joints were cut out. What the teacher says has no gradient. With equally easy views a
net learns to see nothing anywhere.
"""

import pathlib
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from data_pipelines.two_views import Changes, SideBySide, TwoViews
from tfpose.drawing import colour_heatmap
from tfpose.drawing import grid as contact_sheet
from tfpose.files import write_picture
from tfpose.top_down.consistency import carry_heatmaps, cut_joints
from tfpose.top_down.loss import keypoint_loss
from tfpose.top_down.net import HeatmapNet
from tfpose.top_down.predictor import TopDownPredictor
from trainers.engine.optimizer import adam
from trainers.engine.program import run_main
from trainers.engine.train_step import replica_part, replica_share, update
from trainers.engine.workdir import Workdir
from trainers.people import load_people
from trainers.pose_task import PoseTask
from trainers.semi_supervised_config import PRESETS, SemiSupervisedConfig

__all__ = [
    "PRESETS",
    "SemiSupervisedConfig",
    "SemiSupervisedModel",
    "SemiSupervisedTask",
    "main",
]

_SHOWN = 8
_TITLES = ["teacher", "student learns"]


class SemiSupervisedModel(keras.Model):
    """A heatmap net that learns from labels and from itself."""

    def __init__(
        self, net: HeatmapNet, config: SemiSupervisedConfig, steps_per_epoch: int
    ) -> None:
        super().__init__()
        self.net, self.codec, self._config = net, config.codec(), config
        self._ramp_steps = config.ramp_epochs * steps_per_epoch

    def call(self, images: Any, training: bool | None = None) -> Any:
        return self.net(images, training=training)

    def teach(self, batch: dict[str, Any]) -> tuple[Any, Any, Any]:
        """What the student sees and shall see there.

        Returns:
            Views `[B, H, W, 3]` with joints cut out, heatmaps `[B, h, w, J]`, and
            `[B, h, w, 1]`, how far the teacher sees each cell, 0 to 1. No gradients.
        """
        config = self._config
        heatmaps = self.net(ops.cast(batch["easy"], "float32"), training=False)
        heatmaps, seen = carry_heatmaps(
            ops.cast(ops.stop_gradient(heatmaps), "float32"),
            batch["hard_to_easy"],
            self.codec,
        )
        points, _ = self.codec.decode(heatmaps, "argmax")
        views = cut_joints(
            ops.cast(batch["hard"], "float32"),
            points,
            batch["cut"] < config.cut_share,
            config.cut_side * min(config.input_size),
        )
        return views, heatmaps, seen

    def _weight(self) -> Any:
        """Of the loss without labels, by the steps that are taken."""
        weight = self._config.consistency_weight
        if not self._ramp_steps:
            return weight
        steps = ops.cast(self.optimizer.iterations, "float32")
        return weight * ops.minimum(steps / self._ramp_steps, 1.0)

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """One step on labelled people and as many others; metrics as this replica's
        parts.
        """
        share = replica_share(batch, self._config.batch_size)
        target, weights = self.codec.targets(batch["keypoints"], batch["weights"])
        views, taught, seen = self.teach(batch)
        images = ops.concatenate([ops.cast(batch["image"], "float32"), views])
        with tf.GradientTape() as tape:
            labelled, others = ops.split(self(images, training=True), 2)
            supervised = ops.mean(keypoint_loss(labelled, target, weights))
            others = ops.cast(others, "float32")
            all_joints = ops.ones_like(taught[:, 0, 0])
            consistency = ops.mean(
                keypoint_loss(others * seen, taught * seen, all_joints)
            )
            loss = supervised + self._weight() * consistency
        norms = update(self.optimizer, self.trainable_variables, tape, loss, share)
        metrics = {
            "loss": loss,
            "supervised": supervised,
            "consistency": consistency,
            "taught_peak": ops.mean(ops.max(taught, axis=(1, 2))),
        }
        return replica_part({**metrics, **norms}, share)


class SemiSupervisedTask(PoseTask):
    """Semi-supervised training as the engine's task."""

    def __init__(self, config: SemiSupervisedConfig, workdir: Workdir):
        """As of `PoseTask`."""
        super().__init__(config, workdir)
        self.net = self.heatmap_net
        self._views = TwoViews(
            load_people(config.unlabelled, workdir, "train", "unlabelled"),
            config.input_size,
            self.net.num_outputs,
            config.batch_size,
            config.seed,
            Changes(config.easy_scale, config.easy_rotation),
            Changes(config.hard_scale, config.hard_rotation),
            config.flip,
            config.cache_megabytes / 2,
            config.alignment,
        )
        self.sampler = SideBySide(self.sampler, self._views)
        self.predictor = TopDownPredictor(self.net, config.flip_test)
        self.model = SemiSupervisedModel(self.net, config, self.steps_per_epoch)
        self.model.compile(optimizer=adam(config, self.steps_per_epoch))

    def locate(self, images: Any) -> tuple[Any, Any]:
        return self.predictor.locate(images)

    def describe(self, metrics: dict[str, float]) -> str:
        """Both losses, and how sure the teacher is."""
        return (
            f"labels {metrics['supervised']:.6f}, consistency "
            f"{metrics['consistency']:.6f}, the teacher's peaks "
            f"{metrics['taught_peak']:.2f}"
        )

    def draw(self, folder: pathlib.Path) -> None:
        """As `PoseTask`, and what the teacher sees and the student shall see."""
        super().draw(folder)
        count = min(_SHOWN, len(self._views.people))
        samples = [self._views(position) for position in range(count)]
        batch = {name: np.stack([s[name] for s in samples]) for name in samples[0]}
        heatmaps = ops.convert_to_numpy(self.net(batch["easy"].astype("float32")))
        views, taught, _ = map(ops.convert_to_numpy, self.model.teach(batch))
        tiles = []
        for row in range(count):
            view = views[row].astype(np.uint8)
            tiles += [
                colour_heatmap(heatmaps[row].clip(0, 1), batch["easy"][row], 1.0),
                colour_heatmap(taught[row].clip(0, 1), view, 1.0),
            ]
        sheet = contact_sheet(tiles, columns=4, titles=_TITLES * count)
        write_picture(folder / "views.png", sheet)


def main() -> None:
    """The command-line program."""
    run_main(SemiSupervisedConfig, PRESETS, SemiSupervisedTask)


if __name__ == "__main__":
    main()
