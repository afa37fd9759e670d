"""PoseAug's train step: augmentor, discriminators and lifter in turns (Algorithm 1)."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tfpose.adversarial.loss import adversarial_loss
from tfpose.adversarial.pool import FakePool
from tfpose.geometry import limb_directions, limb_vectors, positions_from_limbs
from tfpose.lifters.loss import joint_errors, pose_losses, relative_to_root
from tfpose.lifters.net import LiftingNet
from tfpose.lifters.views import project_poses
from tfpose.poseaug.augmentor import NOISE, Augmented, Augmentor
from tfpose.poseaug.discriminators import KeypointDiscriminator, PartDiscriminator
from tfpose.poseaug.feedback import Feedback, Hardness
from tfpose.poseaug.loss import hinged_regulariser, range_regulariser, view_spread
from trainers.alternating import AlternatingModel
from trainers.engine.train_step import replica_part, replica_share
from trainers.lifting_task import lifter_optimizer
from trainers.poseaug_config import PoseAugConfig
from trainers.random_views import RandomViews

__all__ = ["PoseAugModel"]

Metrics = dict[str, Any]


class PoseAugModel(AlternatingModel):
    """A lifter, the augmentor that makes poses for it, and the discriminators."""

    def __init__(
        self,
        net: LiftingNet,
        config: PoseAugConfig,
        lengths: np.ndarray,
        roots: np.ndarray,
        epoch_steps: int,
    ) -> None:
        """
        Args:
            net: the lifter.
            config: the options.
            lengths: float32 `[S, L]`, metres: limb lengths of S training subjects.
            roots: float32 `[N, 3]`, metres: where N people are.
            epoch_steps: steps in an epoch.
        """
        super().__init__(config.seed, config.batch_size)
        skeleton, joints = net.skeleton, net.skeleton.num_joints
        self.net, self.config = net, config
        self.augmentor = Augmentor(skeleton, config.operators)
        if config.gentle_start:
            self.augmentor.start_gently(roots)
        self.part_discriminator = PartDiscriminator(skeleton)
        self.keypoint_discriminator = KeypointDiscriminator()
        # Built before the first step, because optimizers need their variables.
        self.part_discriminator(np.zeros((1, joints, 3), np.float32))
        self.keypoint_discriminator(np.zeros((1, joints, 2), np.float32))
        self.part_pool = FakePool(config.pool_size, (joints, 3), config.seed)
        self.keypoint_pool = FakePool(config.pool_size, (joints, 2), config.seed + 1)
        self.feedback = Feedback(net, config.feedback, *_hardness(config))
        self._views = RandomViews(config, self)
        self._lengths = lengths.astype(np.float32)
        self._epoch_steps = epoch_steps
        self._add_parts()

    def _add_parts(self) -> None:
        config = self.config
        every = config.discriminator_every
        rates = {
            "lifter": (self.net, config.learning_rate, 1),
            "augmentor": (self.augmentor, config.learning_rate_augmentor, 1),
        }
        initial: dict[str, float] = {}
        for name in ("part_discriminator", "keypoint_discriminator"):
            rate = config.learning_rate_discriminators
            rates[name] = (getattr(self, name), rate, every)
            # Untrained, they are right on half of the poses.
            initial |= {f"{name}_{what}": 0.5 for what in ("loss", "real", "fake")}
            initial |= {
                f"{name}_{what}_norm": 0.0 for what in ("gradient", "parameter")
            }
        for name, (part, rate, steps) in rates.items():
            updates = self._epoch_steps / steps
            self.add_part(
                name,
                part,
                lifter_optimizer(config, updates, rate, averaged=name == "lifter"),
            )
        self.rest_between("discriminator_every", every, initial)

    def call(self, keypoints: Any, training: bool | None = None) -> Any:
        return self.net(keypoints, training=training)

    def train_step(self, batch: dict[str, Any]) -> Metrics:
        """One step of each part (Algorithm 1); metrics as this replica's parts.

        Args:
            batch: `positions` `[B, J, 3]`, `keypoints` `[B, J, 2]`, `intrinsics`
                `[B, 9]`, and `real_positions`, `real_intrinsics` of other poses.
        """
        share = replica_share(batch, self.config.batch_size)
        epoch = self.updates("augmentor") // self._epoch_steps
        positions = self._views(
            self._swap_lengths(batch["positions"]), batch["intrinsics"]
        )
        source = positions, project_poses(positions, batch["intrinsics"])
        augmented, augmented_2d, metrics = self._train_augmentor(
            source, batch["intrinsics"], epoch, share
        )
        metrics |= self.train_every(
            self.updates("augmentor"),
            lambda: self._train_discriminators(batch, augmented, augmented_2d, share),
        )
        metrics |= self._train_lifter(
            batch, source, augmented, augmented_2d, epoch, share
        )
        return replica_part(metrics, share)

    def _train_augmentor(
        self, source: tuple[Any, Any], intrinsics: Any, epoch: Any, share: float
    ) -> tuple[Augmented, Any, Metrics]:
        """Harder for the lifter, real to the discriminators, near to its source."""
        config = self.config
        positions, _ = source
        noise = self.draw_normal(positions.shape[0], (4, NOISE))
        with tf.GradientTape() as tape:
            augmented = self.augmentor(positions, noise, training=True)
            augmented_2d = project_poses(augmented.positions, intrinsics)
            adversarial_3d = adversarial_loss(
                self.part_discriminator(augmented.rotated)
            )
            adversarial_2d = adversarial_loss(self.keypoint_discriminator(augmented_2d))
            regular = (
                hinged_regulariser(augmented)
                if config.regulariser == "hinged"
                else range_regulariser(augmented)
            )
            progress = ops.cast(epoch, "float32") / config.epochs
            feedback, ratio = self.feedback(
                source, augmented, augmented_2d, intrinsics, progress
            )
            loss = (
                config.adversarial_weight_3d * adversarial_3d
                + config.adversarial_weight_2d * adversarial_2d
                + config.regulariser_weight * regular
                + self._after_warmup(epoch) * feedback
            )
            views = {}
            if "rigid" in config.operators:
                views["view_spread"] = view_spread(augmented.rotation)
                lacking = ops.relu(config.view_spread - views["view_spread"])
                loss += config.view_weight * ops.square(lacking)
        norms = self.update_part("augmentor", tape, loss, share)
        cosines = ops.clip(1 - augmented.angle_change, -1.0, 1.0)
        metrics = {
            "augmentor_loss": loss,
            "feedback": feedback,
            "error_ratio": ratio,
            "angle_degrees": ops.mean(ops.arccos(cosines)) * (180 / np.pi),
            "length_change": ops.mean(ops.abs(augmented.lengths)),
        }
        return augmented, augmented_2d, metrics | views | norms

    def _train_discriminators(
        self,
        batch: dict[str, Any],
        augmented: Augmented,
        augmented_2d: Any,
        share: float,
    ) -> Metrics:
        """Real poses of other samples against augmented ones, some of them older."""
        cameras = batch["real_intrinsics"]
        real = self._views(self._swap_lengths(batch["real_positions"]), cameras)
        real_2d = project_poses(real, cameras)
        fake = self.part_pool(self._rooted(augmented.rotated))
        fake_2d = self.keypoint_pool(augmented_2d)
        return self.train_discriminator(
            "part_discriminator", self._rooted(real), fake, share
        ) | self.train_discriminator("keypoint_discriminator", real_2d, fake_2d, share)

    def _train_lifter(
        self,
        batch: dict[str, Any],
        source: tuple[Any, Any],
        augmented: Augmented,
        augmented_2d: Any,
        epoch: Any,
        share: float,
    ) -> Metrics:
        """On source and augmented pairs together.

        An augmented pair that leaves the image is replaced by its source.
        """
        inside = ops.all(ops.abs(augmented_2d) <= 1, axis=(-2, -1), keepdims=True)
        positions, keypoints = source
        keypoints = ops.concatenate(
            [batch["keypoints"], ops.where(inside, augmented_2d, keypoints)], axis=0
        )
        positions = ops.concatenate(
            [batch["positions"], ops.where(inside, augmented.positions, positions)],
            axis=0,
        )
        truth = ops.stop_gradient(self._rooted(positions))
        with tf.GradientTape() as tape:
            predicted = self.net(ops.stop_gradient(keypoints), training=True)
            losses = pose_losses(predicted, truth)
            loss = self._after_warmup(epoch) * ops.mean(losses)
        norms = self.update_part("lifter", tape, loss, share)
        errors, augmented_errors = ops.split(joint_errors(predicted, truth), 2, axis=0)
        return {
            "loss": ops.mean(losses),
            "mpjpe": 1000 * ops.mean(errors),
            "augmented_mpjpe": 1000 * ops.mean(augmented_errors),
            "augmented_inside": ops.mean(ops.cast(inside, "float32")),
        } | norms

    def augment(self, positions: Any, intrinsics: Any) -> tuple[Any, Any]:
        """Augmented positions `[B, J, 3]` and keypoints `[B, J, 2]`, for pictures.

        Args:
            positions: `[B, J, 3]`, metres, in the camera's frame.
            intrinsics: `[B, 9]`, normalised.
        """
        shape = (positions.shape[0], 4, NOISE)
        noise = keras.random.normal(shape, seed=self.config.seed)
        augmented = self.augmentor(positions, noise, training=False).positions
        return augmented, project_poses(augmented, intrinsics)

    def _after_warmup(self, epoch: Any) -> Any:
        return ops.cast(epoch >= self.config.warmup_epochs, "float32")

    def _swap_lengths(self, positions: Any) -> Any:
        """The same directions with the limb lengths of a random training subject."""
        if not self.config.swap_lengths:
            return positions
        subjects = self.draw_integers(positions.shape[0], len(self._lengths))
        skeleton = self.net.skeleton
        lengths = ops.take(ops.convert_to_tensor(self._lengths), subjects, axis=0)
        directions = limb_directions(limb_vectors(positions, skeleton.parents))
        root = positions[:, skeleton.root]
        return positions_from_limbs(
            directions * lengths[..., None], root, skeleton.parents
        )

    def _rooted(self, positions: Any) -> Any:
        return relative_to_root(positions, self.net.skeleton.root)


def _hardness(config: PoseAugConfig) -> tuple[Hardness, Hardness]:
    """Of whole augmented poses, and of those whose limbs alone were rotated."""
    whole = Hardness(
        config.feedback_weight,
        config.hardness_start,
        config.hardness_end,
        config.hardness_slack,
    )
    rotated = Hardness(
        config.feedback_weight_rotated,
        config.hardness_rotated_start,
        config.hardness_rotated_end,
        config.hardness_rotated_slack,
    )
    return whole, rotated
