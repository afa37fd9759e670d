"""LOGO-CAP's train step."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tfpose.logocap.centre_net import Dense, Poses
from tfpose.logocap.expansion import expand_poses
from tfpose.logocap.loss import (
    Assignment,
    Part,
    assign_people,
    attraction_loss,
    heatmap_loss,
    offset_loss,
    refined_loss,
    with_first,
)
from tfpose.logocap.net import LogoCapNet
from trainers.engine.train_step import (
    mean_of_some,
    replica_part,
    replica_share,
    update,
)
from trainers.logocap_config import LogoCapConfig

__all__ = ["LogoCapModel"]


class LogoCapModel(keras.Model):
    """A `LogoCapNet` that learns all of its parts together."""

    def __init__(self, net: LogoCapNet, config: LogoCapConfig) -> None:
        super().__init__()
        self.net, self._config, self._codec = net, config, config.codec()

    def call(self, images: Any, training: bool | None = None) -> Any:
        return self.net(images, training=training)

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """One step; metrics as this replica's parts."""
        net, config = self.net, self._config
        share = replica_share(batch, config.batch_size)
        targets = self._codec(
            batch["keypoints"],
            batch["centres"],
            batch["areas"],
            batch["ignored"],
            batch["mirrored"],
        )
        with tf.GradientTape() as tape:
            dense = net.dense(batch["image"], training=True)
            losses = {"heatmaps": heatmap_loss(dense.heatmaps, targets)}
            parts = {"offsets": offset_loss(dense.offsets, targets)}
            kept = ops.zeros((ops.shape(batch["image"])[0],))
            if config.adapts:
                adapted, assignment = self._adapted(dense, batch)
                kept = ops.sum(ops.cast(assignment.kept, "float32"), axis=1)
                parts |= adapted
            for name, part in parts.items():
                losses[name] = mean_of_some(part.total, part.count, share)
            for name in ("attraction", "refined"):
                losses.setdefault(name, ops.zeros(()))
            loss = (
                losses["heatmaps"]
                + config.offset_weight * losses["offsets"]
                + config.attraction_weight * losses["attraction"]
                + config.refined_weight * losses["refined"]
            )
        norms = update(self.optimizer, self.trainable_variables, tape, loss, share)
        metrics = {"loss": loss, **losses, "kept_poses": ops.mean(kept)}
        return replica_part({**metrics, **norms}, share)

    def _adapted(
        self, dense: Dense, batch: dict[str, Any]
    ) -> tuple[dict[str, Part], Assignment]:
        """The losses of what moves the start poses, and whom these learn from."""
        net, config = self.net, self._config
        poses = net.start_poses(dense)
        assignment = self._assign(poses, batch)
        counted = assignment.kept
        if config.released:
            counted = with_first(counted)
        refined = net.refine(dense, poses._replace(filled=counted), training=True)
        losses = {
            "attraction": attraction_loss(refined.attraction, assignment),
            "refined": refined_loss(
                refined.heatmaps,
                poses.keypoints,
                assignment,
                counted,
                config.refined_sigma,
            ),
        }
        return losses, assignment

    def _assign(self, poses: Poses, batch: dict[str, Any]) -> Assignment:
        """Whom each pose learns from; before poses are refined, for normalisation."""
        net = self.net
        return assign_people(
            expand_poses(poses.keypoints, net.joint_scales, net.radius),
            # Peaks of any height: at first all are low.
            poses.scores > 0,
            batch["keypoints"],
            self._codec.labelled_inside(batch["keypoints"]),
            batch["areas"],
            np.array(net.skeleton.sigmas),
        )
