"""The train steps of MeTTA: joint training, then meta-training."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from keras import ops

from tfpose.metta.adapt import InnerLoop
from tfpose.metta.inpainting import masks_at
from tfpose.metta.net import MeTTANet
from tfpose.top_down.loss import keypoint_loss
from trainers.engine.train_step import replica_part, replica_share, update
from trainers.metta_config import MeTTAConfig, MeTTAJointConfig
from trainers.random_model import RandomModel

__all__ = ["JointModel", "MetaModel"]


class _MeTTAModel(RandomModel):
    """A `MeTTANet`, and the loss that both stages take down."""

    def __init__(self, net: MeTTANet, config: MeTTAJointConfig) -> None:
        super().__init__(config.seed, config.batch_size)
        self.net, self._codec = net, config.codec()

    def call(self, images: Any, training: bool | None = None) -> Any:
        return self.net(images, training=training)

    def _labels_loss(self, batch: dict[str, Any]) -> Callable[[Any], Any]:
        """The labels' loss of heatmaps, the mean over the batch."""
        target, weights = self._codec.targets(batch["keypoints"], batch["weights"])
        return lambda heatmaps: ops.mean(keypoint_loss(heatmaps, target, weights))


class JointModel(_MeTTAModel):
    """A `MeTTANet` that learns from labels and by inpainting, beside each other."""

    def __init__(self, net: MeTTANet, config: MeTTAJointConfig) -> None:
        super().__init__(net, config)
        self._config = config

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """One step; metrics as this replica's parts."""
        net, config = self.net, self._config
        share = replica_share(batch, config.batch_size)
        images = ops.cast(batch["image"], "float32")
        primary = self._labels_loss(batch)
        with tf.GradientTape() as tape:
            features = ops.cast(net.extractor(images, training=True), "float32")
            maps = net.self_head(features)
            of_labels = primary(net.pose_head(maps))
            loss, inpainting = of_labels, ops.zeros(())
            if config.auxiliary_weight:
                felt = config.auxiliary_weight * maps
                felt = felt + ops.stop_gradient(maps - felt)
                inpainting = ops.mean(self.auxiliary_losses(felt, batch))
                loss = loss + inpainting
        norms = update(self.optimizer, self.trainable_variables, tape, loss, share)
        metrics = {"loss": loss, "primary": of_labels, "inpainting": inpainting}
        return replica_part({**metrics, **norms}, share)

    def auxiliary_losses(self, maps: Any, batch: dict[str, Any]) -> Any:
        """Of inpainting, `[B]`: one mask for each image, anywhere where bodies are.

        Args:
            maps: what the self-supervised head returned.
            batch: a training batch.
        """
        net, pictures = self.net, self.net.picture(batch["image"])
        corners = self.draw_uniform(pictures.shape[0], (1, 2))
        masks = masks_at(corners, net.picture_size, net.mask_share)
        appearance = net.appearance(pictures, masks)
        return net.auxiliary_losses(maps, appearance, pictures, masks)


class MetaModel(_MeTTAModel):
    """A `MeTTANet` that learns to start where inpainting an image helps its pose.

    In the outer loop weights go down the labels' loss at the weights that K steps of
    the inner loop lead to, for each image its own.
    """

    def __init__(self, net: MeTTANet, config: MeTTAConfig) -> None:
        super().__init__(net, config)
        self._config = config
        net.extractor.trainable = False
        self._loop = InnerLoop(net, first_order=config.first_order)
        later = [config.step_share * step / net.steps for step in range(net.steps + 1)]
        later[-1] += 1
        self._shares = [share / sum(later) for share in later]

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """One step; metrics as this replica's parts."""
        net, config = self.net, self._config
        share = replica_share(batch, config.batch_size)
        images = ops.cast(batch["image"], "float32")
        primary, pictures = self._labels_loss(batch), net.picture(images)
        features = ops.cast(net.extractor(images, training=False), "float32")
        with tf.GradientTape() as tape:
            appearance = net.appearance(pictures, net.fixed_masks)
            weights = self._loop.begin(net.adapted, images.shape[0])
            history, losses = self._loop(weights, features, appearance, pictures)
            of_steps = [
                primary(net.pose_head(net.self_head.with_weights(features, one)))
                for one in history
            ]
            inpainting = ops.mean(losses[0])
            loss = config.auxiliary_weight * inpainting
            for of_step, part in zip(of_steps, self._shares, strict=True):
                loss = loss + part * of_step
        norms = update(self.optimizer, self.trainable_variables, tape, loss, share)
        metrics = {
            "loss": loss,
            "primary": of_steps[-1],
            "primary_before": of_steps[0],
            "inpainting": ops.mean(losses[-1]),
            "inpainting_before": inpainting,
        }
        return replica_part({**metrics, **norms}, share)
