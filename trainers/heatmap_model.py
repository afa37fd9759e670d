"""The train step that all heatmap nets share."""

import abc
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from tfpose.codecs.heatmap import HeatmapCodec
from trainers.engine.train_step import replica_part, replica_share, update

__all__ = ["HeatmapModel"]


class HeatmapModel(keras.Model, abc.ABC):
    """A heatmap net that learns to draw what its method asks for.

    A method says what is to be drawn (`targets`), the loss of each sample
    (`sample_losses`), and further metrics of a step (`sample_metrics`).
    """

    def __init__(
        self, net: keras.Model, codec: HeatmapCodec, global_batch_size: int
    ) -> None:
        """
        Args:
            net: images `[B, H, W, C]` to heatmaps `[B, h, w, J]`.
            codec: renders targets and decodes heatmaps.
            global_batch_size: samples of a step over all replicas.
        """
        super().__init__()
        self.net, self.codec = net, codec
        self.global_batch_size = global_batch_size

    def call(self, images: Any, training: bool | None = None) -> Any:
        return self.net(images, training=training)

    @abc.abstractmethod
    def targets(self, batch: dict[str, Any]) -> tuple[Any, Any]:
        """Heatmaps `[B, h, w, J]` to be drawn, and weights `[B, J]` of the loss."""

    @abc.abstractmethod
    def sample_losses(self, heatmaps: Any, target: Any, weights: Any) -> Any:
        """The loss of each sample's heatmaps, float32 `[B]`."""

    def sample_metrics(
        self, batch: dict[str, Any], heatmaps: Any, target: Any
    ) -> dict[str, Any]:
        """Further metrics of a step, `[B]` each; none by default."""
        return {}

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """One step of the optimizer; metrics as this replica's parts."""
        share = replica_share(batch, self.global_batch_size)
        target, weights = self.targets(batch)
        with tf.GradientTape() as tape:
            heatmaps = self(ops.cast(batch["image"], "float32"), training=True)
            loss = ops.mean(self.sample_losses(heatmaps, target, weights))
        norms = update(self.optimizer, self.trainable_variables, tape, loss, share)
        metrics = self.sample_metrics(batch, heatmaps, target)
        means = {name: ops.mean(values) for name, values in metrics.items()}
        return replica_part({"loss": loss, **means, **norms}, share)
