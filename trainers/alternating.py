"""Several networks that train in turns, each with its own optimizer.

What adversarial methods share: parts and discriminators.
"""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tfpose.adversarial.loss import discriminator_loss
from tfpose.errors import InputError
from trainers.engine.train_step import update
from trainers.random_model import RandomModel

__all__ = ["AlternatingModel"]


class _Optimizers:
    """The parts' optimizers; to the engine and to checkpoints they are one."""

    def __init__(self, parts: dict[str, keras.Model]) -> None:
        self._parts = parts
        self.of: dict[str, keras.optimizers.Optimizer] = {}

    def build(self, variables: Sequence[Any]) -> None:
        """Makes the optimizers' variables; `variables`, the model's, are not needed."""
        for name, optimizer in self.of.items():
            optimizer.build(self._parts[name].trainable_variables)

    @property
    def variables(self) -> list[Any]:
        """All optimizers' variables."""
        return [v for optimizer in self.of.values() for v in optimizer.variables]

    @property
    def use_ema(self) -> bool:
        """Whether a moving average of some part's weights is kept."""
        return any(optimizer.use_ema for optimizer in self.of.values())

    def finalize_variable_values(self, variables: Sequence[Any]) -> None:
        """Puts the moving averages into the parts that have one."""
        for name, optimizer in self.of.items():
            if optimizer.use_ema:
                part = self._parts[name].trainable_variables
                optimizer.finalize_variable_values(part)


class AlternatingModel(RandomModel):
    """A model of named parts that train in turns.

    A method derives its own, adds its parts with `add_part`, and in its `train_step`
    calls `update_part` for each in the order that it trains them.
    """

    def __init__(self, seed: int, global_batch_size: int) -> None:
        """
        Args:
            seed: random seed of the numbers that it draws.
            global_batch_size: samples of a step over all replicas.
        """
        super().__init__(seed, global_batch_size)
        self._parts: dict[str, keras.Model] = {}
        self.optimizer = _Optimizers(self._parts)

    def add_part(
        self, name: str, part: keras.Model, optimizer: keras.optimizers.Optimizer
    ) -> None:
        """Adds a network and its optimizer, see `trainers.engine.optimizer.adam`."""
        self._parts[name] = part
        self.optimizer.of[name] = optimizer

    def updates(self, name: str) -> Any:
        """How often a part has been updated, an integer tensor."""
        return self.optimizer.of[name].iterations

    def update_part(
        self, name: str, tape: tf.GradientTape, loss: Any, share: float
    ) -> dict[str, Any]:
        """One step of a part; see `trainers.engine.train_step.update`.

        Returns:
            The norms, named after the part.
        """
        variables = self._parts[name].trainable_variables
        norms = update(self.optimizer.of[name], variables, tape, loss, share)
        return {f"{name}_{norm}": value for norm, value in norms.items()}

    def train_discriminator(
        self, name: str, real: Any, fake: Any, share: float
    ) -> dict[str, Any]:
        """One step of a discriminator on real and fake samples (least squares).

        Returns:
            `<name>_loss`, and the shares of real and of fake samples that it classifies
            correctly, `<name>_real` and `<name>_fake`.
        """
        discriminator = self._parts[name]
        with tf.GradientTape() as tape:
            real_scores, fake_scores = discriminator(real), discriminator(fake)
            loss = discriminator_loss(real_scores, fake_scores)
        norms = self.update_part(name, tape, loss, share)
        return {
            f"{name}_loss": loss,
            f"{name}_real": ops.mean(ops.cast(real_scores > 0.5, "float32")),
            f"{name}_fake": ops.mean(ops.cast(fake_scores < 0.5, "float32")),
            **norms,
        }

    def rest_between(self, option: str, every: int, initial: dict[str, float]) -> None:
        """Prepares `train_every`: parts that train at one of several steps.

        Args:
            option: name of the config's field that says so.
            every: train at one of so many steps.
            initial: metrics until they have trained for the first time.

        Raises:
            InputError: on several replicas, which cannot meet inside a condition.
        """
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if every > 1 and replicas > 1:
            raise InputError(
                f"{option}: expected 1 on {replicas} replicas, got {every}"
            )
        self._every, self._metric_names = every, list(initial)
        values = np.array(list(initial.values()), np.float32)
        self._last_metrics = self.add_weight(
            values.shape, lambda *_, **__: values, trainable=False, name="last_metrics"
        )

    def train_every(
        self, step: Any, train: Callable[[], dict[str, Any]]
    ) -> dict[str, Any]:
        """What `train` returns at one of several steps; in between, its last metrics.

        Args:
            step: number of this step, from 0, an integer tensor.
            train: updates parts and returns the metrics named in `rest_between`.
        """
        if self._every == 1:
            return train()

        def train_now() -> Any:
            metrics = train()
            self._last_metrics.assign([metrics[name] for name in self._metric_names])
            return self._last_metrics.value

        values = tf.cond(
            step % self._every == 0, train_now, lambda: self._last_metrics.value
        )
        return dict(zip(self._metric_names, tf.unstack(values), strict=True))
