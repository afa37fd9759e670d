r"""Test-time training by rotation, a baseline of MeTTA: joint training, and adaptation.

    python -m benchmarks.ttt --preset=small --dataset=coco_format --data_dir=... \
        --net=hrnet_tiny --workdir=...

A net learns poses, and from the same features by which quarter turn an image was
turned. For an image, a few steps of gradient descent on the second task move the
layers before the pose head, each image from the trained weights. Batch statistics are
those of training.

Reference: Sun et al., "Test-Time Training with Self-Supervision for Generalization
under Distribution Shifts", ICML 2020 (arXiv:1909.13231).
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tfpose.top_down.loss import keypoint_loss
from tfpose.top_down.net import HeatmapNet
from tfpose.top_down.pose_net import PoseNet
from tfpose.top_down.predictor import TopDownPredictor
from trainers.engine.config import option
from trainers.engine.optimizer import adam
from trainers.engine.program import run_main
from trainers.engine.train_step import replica_part, replica_share, update
from trainers.engine.workdir import Workdir
from trainers.pose_task import PoseTask
from trainers.random_model import RandomModel
from trainers.top_down_config import PRESETS as TOP_DOWN
from trainers.top_down_config import TopDownConfig

__all__ = ["PRESETS", "TTTConfig", "TTTNet", "TTTTask", "adapt_by_rotation", "main"]

_TURNS = 4


@dataclasses.dataclass(frozen=True)
class TTTConfig(TopDownConfig):
    """Options of joint training.

    Raises:
        InputError: an impossible value.
    """

    rotation_weight: float = option(
        1e-4, "Of the rotations' cross entropy; heatmaps' losses are small.", above=0
    )


PRESETS = {
    name: TTTConfig(
        **{
            field.name: getattr(TOP_DOWN[name], field.name)
            for field in dataclasses.fields(TopDownConfig)
        }
    )
    for name in ("paper", "small")
}


@keras.saving.register_keras_serializable(package="tfpose")
class TTTNet(PoseNet):
    """A pose net that also tells by which quarter turn an image was turned.

    Args:
        pose_net: a `HeatmapNet` with a head of one convolution; its layers are used.
        info: dict. As of `HeatmapNet`; that of `pose_net` by default.

    Attributes:
        extractor: pixels to the features that both heads see.
        turn_head: features to logits `[B, 4]`.
    """

    part = "pose_net"

    def __init__(
        self,
        pose_net: HeatmapNet,
        info: dict[str, Any] | None = None,
        name: str = "ttt",
        **kwargs: Any,
    ) -> None:
        head = pose_net.get_layer("head")
        super().__init__(pose_net.inputs[0], pose_net.outputs[0], name=name, **kwargs)
        self.pose_net, self.pose_head = pose_net, head
        self.image_mean, self.image_std = pose_net.image_mean, pose_net.image_std
        self.info = pose_net.info if info is None else info
        self.extractor = keras.Model(pose_net.inputs[0], head.input, name="extractor")
        self.turn_head = keras.Sequential(
            [
                keras.Input(head.input.shape[1:]),
                keras.layers.GlobalAveragePooling2D(),
                keras.layers.Dense(_TURNS, dtype="float32"),
            ],
            name="turn_head",
        )

    def get_config(self) -> dict[str, Any]:
        return {
            "pose_net": keras.saving.serialize_keras_object(self.pose_net),
            "info": self.info,
            "name": self.name,
        }


class _TTTModel(RandomModel):
    """A `TTTNet` and its joint train step."""

    def __init__(self, net: TTTNet, config: TTTConfig) -> None:
        super().__init__(config.seed, config.batch_size)
        self.net, self._config, self._codec = net, config, config.codec()

    def call(self, images: Any, training: bool | None = None) -> Any:
        return self.net(images, training=training)

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """One step; metrics as this replica's parts."""
        net, share = self.net, replica_share(batch, self._config.batch_size)
        images = ops.cast(batch["image"], "float32")
        target, weights = self._codec.targets(batch["keypoints"], batch["weights"])
        turns = ops.floor(_TURNS * self.draw_uniform(images.shape[0], (1,))[:, 0])
        turned = _turn(images, turns)
        with tf.GradientTape() as tape:
            # In one batch: its statistics are those that the averages will hold.
            both = ops.concatenate([images, turned])
            upright, of_turned = ops.split(net.extractor(both, training=True), 2)
            heatmaps = net.pose_head(upright)
            pose = ops.mean(keypoint_loss(heatmaps, target, weights))
            rotation = _cross_entropy(turns, net.turn_head(of_turned))
            loss = pose + self._config.rotation_weight * rotation
        norms = update(self.optimizer, self.trainable_variables, tape, loss, share)
        metrics = {"loss": loss, "pose": pose, "rotation": rotation}
        return replica_part({**metrics, **norms}, share)


class TTTTask(PoseTask):
    """Joint training as the engine's task."""

    def __init__(self, config: TTTConfig, workdir: Workdir):
        """As of `PoseTask`."""
        super().__init__(config, workdir)
        keras.utils.set_random_seed(config.seed)
        self.net = TTTNet(self.heatmap_net)
        self._predictor = TopDownPredictor(self.net, config.flip_test)
        self.model = _TTTModel(self.net, config)
        self.model.compile(optimizer=adam(config, self.steps_per_epoch))

    def describe(self, metrics: dict[str, float]) -> str:
        """Both losses."""
        return f"pose {metrics['pose']:.6f}, rotation {metrics['rotation']:.3f}"

    def locate(self, images: Any) -> tuple[Any, Any]:
        return self._predictor.locate(images)


def adapt_by_rotation(
    net: TTTNet, steps: int, learning_rate: float
) -> Callable[[np.ndarray], list[np.ndarray]]:
    """A function from images to their heatmaps after 0, 1, ... steps.

    Each image adapts by itself, and the net's weights are then as they were. The
    function takes `[B, S, S, 3]`, 0..255; returns `steps + 1` arrays `[B, h, w, J]`.

    Args:
        net: whose layers before both heads move.
        steps: of plain gradient descent, each on the image's four quarter turns.
        learning_rate: of the steps.
    """
    moved = net.extractor.trainable_variables
    trained = [np.asarray(v) for v in moved]
    turns = tf.range(_TURNS, dtype=tf.float32)

    @tf.function
    def step(image: Any) -> Any:
        with tf.GradientTape() as tape:
            features = net.extractor(_turn(tf.repeat(image, _TURNS, 0), turns))
            loss = _cross_entropy(turns, net.turn_head(features))
        slopes = tape.gradient(loss, [v.value for v in moved])
        heatmaps = net.pose_head(features[:1])
        for variable, slope in zip(moved, slopes, strict=True):
            variable.assign_sub(learning_rate * slope)
        return heatmaps

    def adapt(images: np.ndarray) -> list[np.ndarray]:
        found = []
        for image in images:
            one = tf.constant(image[None], tf.float32)
            # A step answers with the weights before it.
            found.append([np.asarray(step(one)) for _ in range(steps + 1)])
            for variable, value in zip(moved, trained, strict=True):
                variable.assign(value)
        return [np.concatenate(of_step) for of_step in zip(*found, strict=True)]

    return adapt


def _turn(images: Any, turns: Any) -> Any:
    """Images `[B, S, S, 3]`, each by its number of quarter turns `[B]`."""
    turned = ops.stack([ops.rot90(images, turn, (1, 2)) for turn in range(_TURNS)])
    chosen = ops.equal(turns[None], ops.arange(_TURNS, dtype="float32")[:, None])
    return ops.sum(turned * ops.cast(chosen, "float32")[..., None, None, None], axis=0)


def _cross_entropy(turns: Any, logits: Any) -> Any:
    losses = keras.losses.sparse_categorical_crossentropy(
        turns, logits, from_logits=True
    )
    return ops.mean(losses)


def main() -> None:
    """The command-line program."""
    run_main(TTTConfig, PRESETS, TTTTask)


if __name__ == "__main__":
    main()
