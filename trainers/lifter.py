"""Trains a lifter, from 2D keypoints to 3D positions, on pairs of them.

    python -m trainers.lifter --dataset=mocap --data_dir=... --workdir=...

The recipe is that of PoseAug's baselines (arXiv:2105.02465).
"""

from typing import Any

import keras
from keras import ops

from data_pipelines.lifting.batches import LiftingTraining
from tfpose.lifters.loss import joint_errors, pose_losses, relative_to_root
from trainers.engine.program import run_main
from trainers.engine.workdir import Workdir
from trainers.lifter_config import PRESETS, LifterConfig
from trainers.lifting_task import LiftingTask, lifter_optimizer

__all__ = ["PRESETS", "LifterConfig", "LifterModel", "LifterTask", "main"]


class LifterModel(keras.Model):
    """A lifter with the train step of regression, by the mean of squares."""

    def __init__(self, net: keras.Model, global_batch_size: int):
        """
        Args:
          net: `[B, J, 2]` to root-relative `[B, J, 3]`.
          global_batch_size: poses of a step over all replicas.
        """
        super().__init__()
        self.net = net
        self.global_batch_size = global_batch_size

    def call(self, keypoints, training=None):
        return self.net(keypoints, training=training)

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """One step of the optimiser."""
        import tensorflow as tf

        truth = relative_to_root(batch["positions"], self.net.skeleton.root)
        with tf.GradientTape() as tape:
            predicted = self(batch["keypoints"], training=True)
            # Each pose's share, so that the sum over replicas is the mean.
            loss = ops.sum(pose_losses(predicted, truth)) / self.global_batch_size
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(
            zip(gradients, self.trainable_variables, strict=True)
        )
        errors = ops.mean(joint_errors(predicted, truth), axis=-1)
        mean = ops.sum(errors) / self.global_batch_size
        return {"loss": loss, "mpjpe": 1000 * mean}


class LifterTask(LiftingTask):
    """Plain training as the engine's task."""

    def __init__(self, config: LifterConfig, workdir: Workdir):
        """As `LiftingTask`."""
        super().__init__(config, workdir)
        self.sampler = LiftingTraining(self.train, config.batch_size, config.seed)
        self.steps_per_epoch = self.sampler.steps_per_epoch
        self.model = LifterModel(self.net, config.batch_size)
        self.model.compile(optimizer=lifter_optimizer(config, self.steps_per_epoch))

    def describe(self, metrics: dict[str, float]) -> str:
        """The training error."""
        return f"training MPJPE {metrics['mpjpe']:.1f} mm"


def main() -> None:
    """The command-line program."""
    run_main(LifterConfig, PRESETS, LifterTask)


if __name__ == "__main__":
    main()
