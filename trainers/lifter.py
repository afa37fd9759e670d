"""Trains a lifter, from 2D keypoints to 3D positions, on pairs of them.

    python -m trainers.lifter --dataset=mocap --data_dir=... --workdir=...

The recipe is that of PoseAug's baselines (arXiv:2105.02465).
"""

from typing import Any

import tensorflow as tf
from keras import ops

from data_pipelines.lifting.batches import LiftingTraining
from tfpose.lifters.loss import joint_errors, pose_losses, relative_to_root
from tfpose.lifters.net import LiftingNet
from trainers.engine.program import run_main
from trainers.engine.train_step import replica_part, replica_share, update
from trainers.engine.workdir import Workdir
from trainers.lifter_config import PRESETS, LifterConfig
from trainers.lifting_task import LiftingTask, lifter_optimizer
from trainers.random_model import RandomModel
from trainers.random_views import RandomViews

__all__ = ["PRESETS", "LifterConfig", "LifterModel", "LifterTask", "main"]


class LifterModel(RandomModel):
    """A lifter with the train step of regression, by the mean of squares."""

    def __init__(self, net: LiftingNet, config: LifterConfig) -> None:
        """
        Args:
            net: the lifter.
            config: the options.

        Raises:
            InputError: the data of `target_dir` cannot be used.
        """
        super().__init__(config.seed, config.batch_size)
        self.net, self.config = net, config
        self._views = RandomViews(config, self)

    def call(self, keypoints: Any, training: bool | None = None) -> Any:
        return self.net(keypoints, training=training)

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """One step of the optimizer; metrics as this replica's parts."""
        share = replica_share(batch, self.config.batch_size)
        keypoints, positions = self._views.added_to(batch)
        truth = relative_to_root(positions, self.net.skeleton.root)
        with tf.GradientTape() as tape:
            predicted = self(keypoints, training=True)
            loss = ops.mean(pose_losses(predicted, truth))
        norms = update(self.optimizer, self.trainable_variables, tape, loss, share)
        mpjpe = 1000 * ops.mean(joint_errors(predicted, truth))
        return replica_part({"loss": loss, "mpjpe": mpjpe, **norms}, share)


class LifterTask(LiftingTask):
    """Plain training as the engine's task."""

    def __init__(self, config: LifterConfig, workdir: Workdir):
        """As `LiftingTask`."""
        super().__init__(config, workdir)
        self.sampler = LiftingTraining(self.train, config.batch_size, config.seed)
        self.model = LifterModel(self.net, config)
        self.model.compile(optimizer=lifter_optimizer(config, self.steps_per_epoch))

    def describe(self, metrics: dict[str, float]) -> str:
        """The training error."""
        return f"training MPJPE {metrics['mpjpe']:.1f} mm"


def main() -> None:
    """The command-line program."""
    run_main(LifterConfig, PRESETS, LifterTask)


if __name__ == "__main__":
    main()
