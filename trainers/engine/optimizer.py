"""Adam, its learning rate schedules, and the moving average of the weights."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from trainers.engine.config import RunConfig
from trainers.engine.train_step import takes_summed_gradients

__all__ = ["LinearDecay", "Warmup", "adam", "averaged_weights"]

_FIRST_SHARE = 0.001


class Warmup(keras.optimizers.schedules.LearningRateSchedule):
    """Another schedule, multiplied by a factor that grows linearly from 0.001 to 1.

    As in MMPose, whose large batches diverge at the full rate.
    """

    def __init__(
        self,
        schedule: keras.optimizers.schedules.LearningRateSchedule | float,
        steps: int,
    ):
        """
        Args:
            schedule: learning rate after the warmup: a schedule or a constant.
            steps: until the full rate; at least 1.
        """
        super().__init__()
        self.schedule, self.steps = schedule, steps

    def __call__(self, step: Any) -> Any:
        full = self.schedule(step) if callable(self.schedule) else self.schedule
        share = ops.minimum(ops.cast(step, "float32") / self.steps, 1.0)
        return full * (_FIRST_SHARE + (1 - _FIRST_SHARE) * share)

    def get_config(self) -> dict[str, Any]:
        return {"schedule": self.schedule, "steps": self.steps}


class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Falls linearly, epoch by epoch; would reach 0 one epoch after the end.

    As PoseAug's code has it: `rate * (1 - e / (epochs + 1))` in epoch e, from 0.
    """

    def __init__(self, rate: float, epoch_steps: float, epochs: int):
        """
        Args:
            rate: learning rate of the first epoch.
            epoch_steps: updates in an epoch; may be fractional.
            epochs: of the whole run.
        """
        super().__init__()
        self.rate, self.epoch_steps, self.epochs = rate, epoch_steps, epochs

    def __call__(self, step: Any) -> Any:
        epoch = ops.floor(ops.cast(step, "float32") / self.epoch_steps)
        return self.rate * (1 - epoch / (self.epochs + 1))

    def get_config(self) -> dict[str, Any]:
        return {
            "rate": self.rate,
            "epoch_steps": self.epoch_steps,
            "epochs": self.epochs,
        }


def adam(
    config: RunConfig,
    epoch_steps: int,
    rate: keras.optimizers.schedules.LearningRateSchedule | float | None = None,
    clip_norm: float = 0.0,
    averaged: bool = True,
) -> keras.optimizers.Optimizer:
    """Adam whose learning rate is a function of its own step count, so resume is exact.

    With `ema_momentum` it also keeps a moving average of the weights, among its own
    variables, which checkpoints hold.

    Args:
        config: learning rate, its drops and warmup, Adam's epsilon, the mean's
            momentum.
        epoch_steps: steps in an epoch.
        rate: learning rate, in place of the config's.
        clip_norm: limit of the norm of all gradients together; 0 for none.
        averaged: whether to keep the moving average that the config asks for.
    """
    drops = [epoch * epoch_steps for epoch in sorted(config.lr_drop_epochs)]
    if rate is None:
        rate = config.learning_rate
    if drops and isinstance(rate, float):
        rates = [rate / 10**i for i in range(len(drops) + 1)]
        rate = keras.optimizers.schedules.PiecewiseConstantDecay(drops, rates)
    if config.warmup_steps:
        rate = Warmup(rate, config.warmup_steps)
    return takes_summed_gradients(
        keras.optimizers.Adam(
            rate,
            epsilon=config.epsilon,
            global_clipnorm=clip_norm or None,
            use_ema=averaged and config.ema_momentum > 0,
            ema_momentum=config.ema_momentum,
        )
    )


@contextlib.contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """A block in which the model has the moving average of its weights, if one is kept.

    The moving statistics of batch normalisation are a moving average as they are.
    """
    if not model.optimizer.use_ema:
        yield
        return
    variables = model.trainable_variables
    raw = [variable.numpy() for variable in variables]
    model.optimizer.finalize_variable_values(variables)
    try:
        yield
    finally:
        for variable, value in zip(variables, raw, strict=True):
            variable.assign(value)
