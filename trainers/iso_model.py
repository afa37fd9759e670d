"""ISO's train step: the lifter by both losses, then what scores its projections."""

import math
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from tfpose.errors import InputError
from tfpose.geometry import centre_keypoints
from tfpose.iso.loss import (
    cycle_losses,
    generator_loss,
    prior_loss,
    seen_from_elsewhere,
    supervised_loss,
)
from tfpose.iso.net import ISONet
from tfpose.lifters.loss import joint_errors, relative_to_root
from tfpose.lifters.views import mirror_bodies, view_rotations
from trainers.alternating import AlternatingModel
from trainers.engine.train_step import replica_part, replica_share
from trainers.iso_config import ISOConfig
from trainers.lifting_task import lifter_optimizer
from trainers.random_views import RandomViews

__all__ = ["ISOModel"]

Metrics = dict[str, Any]


class ISOModel(AlternatingModel):
    """A lifter with two heads, and the prior of its projections."""

    def __init__(self, net: ISONet, config: ISOConfig, epoch_steps: int) -> None:
        """
        Args:
            net: the lifter and what its task needs.
            config: the options.
            epoch_steps: steps in an epoch.

        Raises:
            InputError: spectral normalisation on several replicas, or the data of
                `target_dir` cannot be used.
        """
        super().__init__(config.seed, config.batch_size)
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if config.spectral_norm and replicas > 1:
            raise InputError(
                f"spectral_norm: expected False on {replicas} replicas, whose weights "
                "it would change each by itself"
            )
        self.net, self.config = net, config
        self._root = net.skeleton.root
        self._views = RandomViews(config, self)
        self.add_part("lifter", _Lifter(net), lifter_optimizer(config, epoch_steps))
        if net.prior is not None:
            rate = config.learning_rate_prior
            optimizer = lifter_optimizer(config, epoch_steps, rate, averaged=False)
            self.add_part("prior", net.prior, optimizer)

    def call(self, keypoints: Any, training: bool | None = None) -> Any:
        return self.net(keypoints, training=training)

    def train_step(self, batch: dict[str, Any]) -> Metrics:
        """One step of each part (equation 5); metrics as this replica's parts.

        Args:
            batch: `positions` `[B, J, 3]`, `keypoints` `[B, J, 2]`, `intrinsics`
                `[B, 9]`.
        """
        share = replica_share(batch, self.config.batch_size)
        keypoints, truth = self._pairs(batch)
        with tf.GradientTape() as tape:
            features = self.net.extractor(keypoints, training=True)
            predicted = self.net.head(features, training=True)
            supervised = supervised_loss(predicted, truth, self.net.skeleton)
            loss, metrics, seen = supervised, {"supervised_loss": supervised}, None
            if self.net.prior is not None:
                own, seen, more = self._self_supervised(keypoints, features, truth)
                loss += self.config.ssl_weight * own
                metrics |= more
        metrics |= self.update_part("lifter", tape, loss, share)
        if seen is not None:
            real = centre_keypoints(keypoints, self._root)
            metrics |= self._train_prior(real, ops.stop_gradient(seen), share)
        metrics["loss"] = loss
        metrics["mpjpe"] = 1000 * ops.mean(joint_errors(predicted, truth))
        return replica_part(metrics, share)

    def _pairs(self, batch: dict[str, Any]) -> tuple[Any, Any]:
        """Keypoints, and positions relative to the root; some are mirrored."""
        keypoints, positions = self._views.added_to(batch)
        truth = relative_to_root(positions, self._root)
        if not self.config.flip:
            return keypoints, truth
        mirrored = self._draw_rows(keypoints, 1)[..., None] < 0.5
        return (
            ops.where(mirrored, self._mirror(keypoints), keypoints),
            ops.where(mirrored, self._mirror(truth), truth),
        )

    def _mirror(self, points: Any) -> Any:
        return mirror_bodies(points, self.net.skeleton.flip_permutation)

    def _self_supervised(
        self, keypoints: Any, features: Any, truth: Any
    ) -> tuple[Any, Any, Metrics]:
        """Equation 3 or 4: the loss, and the projections that the prior scores."""
        net = self.net
        ssl_head: Any = net.ssl_head
        prior: Any = net.prior
        positions = ssl_head(features, training=True)
        view = self._rotations(keypoints), self._root, net.distance
        seen = seen_from_elsewhere(positions, *view)
        loss = generator_loss(prior(seen, training=False), net.adversarial)
        metrics = {
            "adversarial_loss": loss,
            "ssl_mpjpe": 1000 * ops.mean(joint_errors(positions, truth)),
        }
        if net.task == "cycle":
            loss_2d, loss_3d = cycle_losses(
                self._lift_again, keypoints, positions, seen, *view
            )
            loss += net.cycle_weight_2d * loss_2d + net.cycle_weight_3d * loss_3d
            metrics |= {"cycle_loss_2d": loss_2d, "cycle_loss_3d": loss_3d}
        return loss, seen, metrics

    def _lift_again(self, keypoints: Any) -> Any:
        """By the SSL head; moves no statistics of batch normalisation."""
        parts: list[Any] = [self.net.extractor, self.net.ssl_head]
        x = keypoints
        for part in parts:
            trained, others = part.trainable_variables, part.non_trainable_variables
            x, _ = part.stateless_call(trained, others, x, training=True)
        return x

    def _rotations(self, keypoints: Any) -> Any:
        azimuth, elevation = ops.unstack(self._draw_rows(keypoints, 2), axis=-1)
        most = math.radians(self.net.view_elevation)
        return view_rotations(2 * math.pi * azimuth, most * (2 * elevation - 1))

    def _train_prior(self, real: Any, fake: Any, share: float) -> Metrics:
        """On the batch's own keypoints, and on projections if it looks at any."""
        prior: Any = self.net.prior
        kind = self.net.adversarial
        with tf.GradientTape() as tape:
            # Together, so that spectral normalisation takes one step.
            scores = prior(ops.concatenate([real, fake]), training=True)
            real_scores, fake_scores = ops.split(scores, 2)
            loss = prior_loss(real_scores, fake_scores, kind)
        norms = self.update_part("prior", tape, loss, share)
        if kind == "likelihood":
            found = ops.mean(real_scores), ops.mean(fake_scores)
        else:
            middle = 0.5 if kind == "least_squares" else 0.0
            found = tuple(
                ops.mean(ops.cast(right, "float32"))
                for right in (real_scores > middle, fake_scores < middle)
            )
        return {
            "prior_loss": loss,
            "prior_real": found[0],
            "prior_fake": found[1],
            **norms,
        }

    def _draw_rows(self, keypoints: Any, numbers: int) -> Any:
        """Uniform numbers `[rows, numbers]`: source poses first, then their views."""
        rows = keypoints.shape[0]
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        count = self.config.batch_size // replicas
        drawn = self.draw_uniform(count, (rows // count, numbers))
        return ops.reshape(ops.swapaxes(drawn, 0, 1), (rows, numbers))


class _Lifter(keras.Model):
    """All of a net but its prior, which has an optimizer of its own."""

    def __init__(self, net: ISONet) -> None:
        super().__init__()
        self.extractor, self.head = net.extractor, net.head
        self.ssl_head = net.ssl_head
        self.built = True
