"""What a method brings to the engine."""

import abc
import pathlib
from collections.abc import Sequence

import keras

from data_pipelines.batches import TrainingBatchSampler, TrainingSampler
from trainers.engine.devices import Devices

__all__ = ["Task"]


class Task(abc.ABC):
    """A model to train, its samples, its evaluation. A method derives its own.

    Attributes:
        model: with an optimizer. `train_step(batch)` returns metrics, each this
            replica's part of the global batch's; see `trainers.engine.train_step`.
        net: the part of the model that is saved as `model.keras`.
        sampler: training samples.
    """

    model: keras.Model
    net: keras.Model
    sampler: TrainingSampler | TrainingBatchSampler

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in an epoch."""
        return self.sampler.steps_per_epoch

    @abc.abstractmethod
    def evaluate(self, devices: Devices) -> tuple[dict[str, float], list[str]]:
        """Metrics on the validation samples, and notes on what they rest on."""

    @abc.abstractmethod
    def score(self, metrics: dict[str, float]) -> Sequence[float]:
        """What makes an epoch the best so far, the most important number first."""

    def describe(self, metrics: dict[str, float]) -> str:
        """Training metrics in a few words, for the progress line."""
        return f"loss {metrics['loss']:.6f}"

    def draw(self, folder: pathlib.Path) -> None:
        """Saves pictures of what the net does now; none by default."""
        return

    def finish(self, last: dict[str, float]) -> list[str]:
        """Notes on the finished run, for its summary; none by default.

        Args:
            last: the last epoch's line of metrics.
        """
        return []
