"""The train step that all heatmap nets share."""

from typing import Any

import keras
from keras import ops

from tfpose.codecs.heatmap import HeatmapCodec

__all__ = ["HeatmapModel"]


class HeatmapModel(keras.Model):
    """A heatmap net that learns to draw what its method asks for.

    A method says what is to be drawn (`targets`), how far off each sample is
    (`sample_losses`), and what else is worth knowing of a step (`step_metrics`).
    """

    def __init__(self, net: keras.Model, codec: HeatmapCodec, global_batch_size: int):
        """
        Args:
          net: images `[B, H, W, C]` to heatmaps `[B, h, w, J]`.
          codec: renders targets and decodes heatmaps.
          global_batch_size: samples of a step over all replicas.
        """
        super().__init__()
        self.net, self.codec = net, codec
        self.global_batch_size = global_batch_size

    def call(self, images, training=None):
        return self.net(images, training=training)

    def targets(self, batch: dict[str, Any]) -> tuple[Any, Any]:
        """Heatmaps `[B, h, w, J]` to be drawn, and weights `[B, J]` of the loss."""
        raise NotImplementedError

    def sample_losses(self, heatmaps, target, weights):
        """How far off each sample's heatmaps are, float32 `[B]`."""
        raise NotImplementedError

    def step_metrics(self, batch: dict[str, Any], heatmaps, target) -> dict[str, Any]:
        """Further metrics of a step, `[B]` each."""
        return {}

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """One step of the optimiser; returns per-batch means, to be summed over
        replicas."""
        import tensorflow as tf

        target, weights = self.targets(batch)
        with tf.GradientTape() as tape:
            heatmaps = self(ops.cast(batch["image"], "float32"), training=True)
            loss = self._batch_mean(self.sample_losses(heatmaps, target, weights))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(
            zip(gradients, self.trainable_variables, strict=True)
        )
        metrics = self.step_metrics(batch, heatmaps, target)
        return {"loss": loss} | {k: self._batch_mean(v) for k, v in metrics.items()}

    def _batch_mean(self, values):
        return ops.sum(values) / self.global_batch_size
