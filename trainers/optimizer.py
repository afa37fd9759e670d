"""Adam, its step size over time, and the running mean of the weights it makes."""

import contextlib
from collections.abc import Iterator

import keras
from keras import ops

from trainers.config import RunConfig

__all__ = ["Warmup", "adam", "averaged_weights"]

_FIRST_SHARE = 0.001


class Warmup(keras.optimizers.schedules.LearningRateSchedule):
    """Another schedule that grows in from a thousandth of it, in a straight line.

    As in MMPose, whose larger batches would not survive full steps at first.
    """

    def __init__(
        self,
        schedule: keras.optimizers.schedules.LearningRateSchedule | float,
        steps: int,
    ):
        """
        Args:
          schedule: step size after the warmup, by step or constant.
          steps: until full size; at least 1.
        """
        super().__init__()
        self.schedule, self.steps = schedule, steps

    def __call__(self, step):
        full = self.schedule(step) if callable(self.schedule) else self.schedule
        share = ops.minimum(ops.cast(step, "float32") / self.steps, 1.0)
        return full * (_FIRST_SHARE + (1 - _FIRST_SHARE) * share)

    def get_config(self):
        return {"schedule": self.schedule, "steps": self.steps}


def adam(config: RunConfig, epoch_steps: int) -> keras.optimizers.Optimizer:
    """Adam whose step size is a function of its own step count, so resume is exact.

    With `ema_momentum` it also keeps a running mean of the weights, among its own
    variables, which checkpoints hold.

    Args:
      config: step size, its drops and warmup, Adam's epsilon, the mean's momentum.
      epoch_steps: steps in an epoch.
    """
    drops = [epoch * epoch_steps for epoch in sorted(config.lr_drop_epochs)]
    rate = config.learning_rate
    if drops:
        rates = [config.learning_rate / 10**i for i in range(len(drops) + 1)]
        rate = keras.optimizers.schedules.PiecewiseConstantDecay(drops, rates)
    if config.warmup_steps:
        rate = Warmup(rate, config.warmup_steps)
    return keras.optimizers.Adam(
        rate,
        epsilon=config.epsilon,
        use_ema=config.ema_momentum > 0,
        ema_momentum=config.ema_momentum,
    )


@contextlib.contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """A block in which the model has the running mean of its weights, if one is kept.

    The moving statistics of batch normalisation are a running mean as they are.
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
