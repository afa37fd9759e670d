"""PoseAug's train step: augmentor, discriminators and lifter by turns (Algorithm 1)."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tfpose.geometry import (
    limb_directions,
    limb_vectors,
    positions_from_limbs,
    project,
)
from tfpose.lifters.loss import joint_errors, pose_losses, relative_to_root
from tfpose.lifters.net import LiftingNet
from tfpose.poseaug.augmentor import NOISE, Augmentor
from tfpose.poseaug.body import Body
from tfpose.poseaug.discriminators import KeypointDiscriminator, PartDiscriminator
from tfpose.poseaug.loss import (
    adversarial_loss,
    bounded_feedback,
    discriminator_loss,
    exponential_feedback,
    hinged_regulariser,
    range_regulariser,
    view_spread,
)
from tfpose.poseaug.pool import FakePool
from trainers.engine.optimizer import Optimizers
from trainers.lifting_task import lifter_optimizer
from trainers.poseaug_config import PoseAugConfig

__all__ = ["PoseAugModel"]

# Beyond 45 degrees from the axis, distortion means nothing (the released code's).
_LIMIT = 1.0

_DISCRIMINATOR_METRICS = [
    f"{discriminator}_{what}"
    for discriminator in ("part_discriminator", "keypoint_discriminator")
    for what in ("loss", "real", "fake")
]


class PoseAugModel(keras.Model):
    """A lifter, the augmentor that makes poses for it, and the discriminators."""

    def __init__(
        self,
        net: LiftingNet,
        config: PoseAugConfig,
        lengths: np.ndarray,
        roots: np.ndarray,
        epoch_steps: int,
    ):
        """
        Args:
          net: the lifter.
          config: the options.
          lengths: float32 `[S, L]`, metres: limb lengths of S training subjects.
          roots: float32 `[N, 3]`, metres: where N people are.
          epoch_steps: steps in an epoch.
        """
        super().__init__()
        skeleton = net.skeleton
        self.net, self.config = net, config
        self.augmentor = Augmentor(skeleton, config.operators)
        if config.gentle_start:
            self.augmentor.start_gently(roots)
        self.part_discriminator = PartDiscriminator(skeleton)
        self.keypoint_discriminator = KeypointDiscriminator()
        joints = skeleton.num_joints
        # Before the first step, as optimisers are made for what is there.
        self.part_discriminator(np.zeros((1, joints, 3), np.float32))
        self.keypoint_discriminator(np.zeros((1, joints, 2), np.float32))
        self.part_pool = FakePool(config.pool_size, (joints, 3), config.seed)
        self.keypoint_pool = FakePool(config.pool_size, (joints, 2), config.seed + 1)
        # Until they have been asked, they guess.
        self._last_metrics = self.add_weight(
            (len(_DISCRIMINATOR_METRICS),),
            keras.initializers.Constant(0.5),
            trainable=False,
        )
        self.draws = keras.random.SeedGenerator(config.seed)
        self._body = Body(skeleton)
        self._lengths = lengths.astype(np.float32)
        self._epoch_steps = epoch_steps
        # Learning rate, and updates in an epoch.
        discriminators = (
            config.learning_rate_discriminators,
            epoch_steps / config.discriminator_every,
        )
        pace = {
            "lifter": (config.learning_rate, epoch_steps),
            "augmentor": (config.learning_rate_augmentor, epoch_steps),
            "part_discriminator": discriminators,
            "keypoint_discriminator": discriminators,
        }
        self._parts: dict[str, keras.Model] = {
            "lifter": net,
            "augmentor": self.augmentor,
            "part_discriminator": self.part_discriminator,
            "keypoint_discriminator": self.keypoint_discriminator,
        }
        self.optimizer = Optimizers(
            {
                name: (
                    lifter_optimizer(config, pace[name][1], pace[name][0]),
                    lambda part=part: part.trainable_variables,
                )
                for name, part in self._parts.items()
            }
        )

    def call(self, keypoints, training=None):
        return self.net(keypoints, training=training)

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """One step of each part; returns per-batch means, to be summed over replicas.

        Batch: `positions` `[B, J, 3]`, `keypoints` `[B, J, 2]`, `intrinsics` `[B, 9]`,
        and `real_positions`, `real_intrinsics` of other poses.
        """
        share = batch["positions"].shape[0] / self.config.batch_size
        epoch = self.optimizer["augmentor"].iterations // self._epoch_steps
        warm = ops.cast(epoch >= self.config.warmup_epochs, "float32")
        source = self._swap_lengths(batch["positions"])
        seen = project(source, batch["intrinsics"], _LIMIT)
        made, augmented_2d, metrics = self._train_augmentor(
            source, seen, batch["intrinsics"], epoch, warm, share
        )
        metrics |= self._train_discriminators(batch, made, augmented_2d, share)
        metrics |= self._train_lifter(
            batch, source, seen, made, augmented_2d, warm, share
        )
        return {name: value * share for name, value in metrics.items()}

    def augment(self, positions: Any, intrinsics: Any) -> tuple[Any, Any]:
        """Augmented positions `[B, J, 3]` and keypoints `[B, J, 2]`, for pictures.

        Args:
          positions: `[B, J, 3]`, metres, in the camera's frame.
          intrinsics: `[B, 9]`, normalised.
        """
        shape = (positions.shape[0], 4, NOISE)
        noise = keras.random.normal(shape, seed=self.config.seed)
        placed = self.augmentor(positions, noise, training=False).placed
        return placed, project(placed, intrinsics, _LIMIT)

    def _draw(self):
        """A seed for random numbers, which are others on each replica."""
        seed = self.draws.next()
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return seed + ops.stack([ops.cast(replica, seed.dtype), 0])

    def _swap_lengths(self, positions):
        """The same directions with the lengths of a training subject, at random."""
        if not self.config.swap_lengths:
            return positions
        subjects = tf.random.stateless_uniform(
            (positions.shape[0],), self._draw(), 0, len(self._lengths), tf.int32
        )
        skeleton = self.net.skeleton
        lengths = ops.take(ops.convert_to_tensor(self._lengths), subjects, axis=0)
        directions = limb_directions(limb_vectors(positions, skeleton.parents))
        root = positions[:, skeleton.root]
        return positions_from_limbs(
            directions * lengths[..., None], root, skeleton.parents
        )

    def _rooted(self, positions):
        return relative_to_root(positions, self.net.skeleton.root)

    def _train_augmentor(self, source, seen, intrinsics, epoch, warm, share):
        config = self.config
        noise = tf.random.stateless_normal((source.shape[0], 4, NOISE), self._draw())
        with tf.GradientTape() as tape:
            made = self.augmentor(source, noise, training=True)
            augmented_2d = project(made.placed, intrinsics, _LIMIT)
            adversarial_3d = adversarial_loss(self.part_discriminator(made.turned))
            adversarial_2d = adversarial_loss(self.keypoint_discriminator(augmented_2d))
            regular = (
                hinged_regulariser(made)
                if config.regulariser == "hinged"
                else range_regulariser(made)
            )
            done = ops.cast(epoch, "float32") / config.epochs
            feedback, ratio = self._feedback(
                source, seen, intrinsics, made, augmented_2d, done
            )
            loss = (
                config.adversarial_weight_3d * adversarial_3d
                + config.adversarial_weight_2d * adversarial_2d
                + config.regulariser_weight * regular
                + warm * feedback
            )
            turns = {}
            if "rigid" in config.operators:
                turns["view_spread"] = view_spread(made.rotation)
                lacking = ops.relu(config.view_spread - turns["view_spread"])
                loss += config.view_weight * ops.square(lacking)
        self._update("augmentor", tape, loss, share)
        cosines = ops.clip(1 - made.angle_change, -1.0, 1.0)
        metrics = {
            "augmentor_loss": loss,
            "feedback": feedback,
            "error_ratio": ratio,
            "angle_degrees": ops.mean(ops.arccos(cosines)) * (180 / np.pi),
            "length_change": ops.mean(ops.abs(made.lengths)),
            **turns,
        }
        return made, augmented_2d, metrics

    def _feedback(self, source, seen, intrinsics, made, augmented_2d, done):
        """The lifter's part of the augmentor's loss, and how many times as far off it
        is on the augmented poses; `done` is the training's share that is over."""
        config = self.config
        easier = self._ask(seen, source)
        placed = self._ask(augmented_2d, made.placed)
        errors = [ops.mean(joint_errors(*asked)) for asked in (placed, easier)]
        ratio = errors[0] / ops.maximum(errors[1], 1e-6)
        if config.feedback == "none":
            return ops.zeros(()), ratio
        wanted = config.hardness_start, config.hardness_end
        total = config.feedback_weight * self._hardness_loss(
            placed, easier, wanted, config.hardness_slack, done
        )
        if config.feedback_weight_turned > 0:
            turned = self._ask(project(made.turned, intrinsics, _LIMIT), made.turned)
            wanted = config.hardness_turned_start, config.hardness_turned_end
            total += config.feedback_weight_turned * self._hardness_loss(
                turned, easier, wanted, config.hardness_turned_slack, done
            )
        return total, ratio

    def _ask(self, keypoints, positions) -> tuple[Any, Any]:
        """What the lifter, as it is used, makes of keypoints; and the truth."""
        return self.net(keypoints, training=False), self._rooted(positions)

    def _hardness_loss(self, harder, easier, wanted, slack, done):
        """How far poses are from being as hard as wanted; both as `_ask` has them."""
        start, end = wanted
        hardness = start + (end - start) * done
        if self.config.feedback == "exponential":
            return exponential_feedback(
                pose_losses(*harder), pose_losses(*easier), hardness
            )
        return bounded_feedback(
            joint_errors(*harder), joint_errors(*easier), hardness, slack, self._body
        )

    def _train_discriminators(self, batch, made, augmented_2d, share) -> dict[str, Any]:
        """Both discriminators, at every step or every so many."""

        def train():
            real = self._swap_lengths(batch["real_positions"])
            real_2d = project(real, batch["real_intrinsics"], _LIMIT)
            fake = self.part_pool(self._rooted(made.turned))
            fake_2d = self.keypoint_pool(augmented_2d)
            return {
                **self._train_discriminator(
                    "part_discriminator", self._rooted(real), fake, share
                ),
                **self._train_discriminator(
                    "keypoint_discriminator", real_2d, fake_2d, share
                ),
            }

        every = self.config.discriminator_every
        if every == 1:
            return train()
        due = self.optimizer["augmentor"].iterations % every == 0

        def train_now():
            found = train()
            self._last_metrics.assign([found[name] for name in _DISCRIMINATOR_METRICS])
            return self._last_metrics.value

        # At rest they are as good as they last were.
        found = tf.cond(due, train_now, lambda: self._last_metrics.value)
        return dict(zip(_DISCRIMINATOR_METRICS, tf.unstack(found), strict=True))

    def _train_discriminator(self, name: str, real, fake, share) -> dict[str, Any]:
        discriminator = self._parts[name]
        with tf.GradientTape() as tape:
            real_scores, fake_scores = discriminator(real), discriminator(fake)
            loss = discriminator_loss(real_scores, fake_scores)
        self._update(name, tape, loss, share)
        return {
            f"{name}_loss": loss,
            f"{name}_real": ops.mean(ops.cast(real_scores > 0.5, "float32")),
            f"{name}_fake": ops.mean(ops.cast(fake_scores < 0.5, "float32")),
        }

    def _train_lifter(
        self, batch, source, seen, made, augmented_2d, warm, share
    ) -> dict[str, Any]:
        """On the source's own pairs and the augmented ones, all together.

        An augmented pair that is not within the image gives way to the one it was made
        of.
        """
        inside = ops.all(ops.abs(augmented_2d) <= 1, axis=(-2, -1), keepdims=True)
        keypoints = ops.concatenate(
            [batch["keypoints"], ops.where(inside, augmented_2d, seen)], axis=0
        )
        positions = ops.concatenate(
            [batch["positions"], ops.where(inside, made.placed, source)], axis=0
        )
        truth = ops.stop_gradient(self._rooted(positions))
        with tf.GradientTape() as tape:
            predicted = self.net(ops.stop_gradient(keypoints), training=True)
            losses = pose_losses(predicted, truth)
            loss = warm * ops.mean(losses)
        self._update("lifter", tape, loss, share)
        errors, made_errors = ops.split(joint_errors(predicted, truth), 2, axis=0)
        return {
            "loss": ops.mean(losses),
            "mpjpe": 1000 * ops.mean(errors),
            "augmented_mpjpe": 1000 * ops.mean(made_errors),
            "augmented_inside": ops.mean(ops.cast(inside, "float32")),
        }

    def _update(self, name: str, tape: tf.GradientTape, loss, share: float) -> None:
        """One step of a part, of `share` of the loss."""
        variables = self._parts[name].trainable_variables
        gradients = tape.gradient(
            loss, variables, output_gradients=ops.full_like(loss, share)
        )
        pairs = [
            (gradient, variable)
            for gradient, variable in zip(gradients, variables, strict=True)
            # None belongs to an operator that is switched off.
            if gradient is not None
        ]
        if pairs:
            self.optimizer[name].apply_gradients(pairs)
