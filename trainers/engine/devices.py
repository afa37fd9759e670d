"""What runs on devices: batches, compiled steps and predictions of one process."""

import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from data_pipelines.batches import (
    BatchSampler,
    Sampler,
    evaluation_batches,
    training_batches,
)
from trainers.engine.config import RunConfig

__all__ = ["Devices"]

Batch = dict[str, Any]
Step = Callable[[Batch], dict[str, Any]]


class Devices:
    """The replicas of a strategy, and what they do with batches.

    Attributes:
        strategy: spreads the work.
        replicas: how many there are in all.
        chief: whether this process writes the run's files; of many workers one does.
    """

    def __init__(self, config: RunConfig, strategy: tf.distribute.Strategy) -> None:
        """
        Args:
            config: batch sizes, and whether steps are compiled with XLA.
            strategy: see `trainers.engine.strategies.make_strategy`.
        """
        self.strategy = strategy
        self.replicas: int = strategy.num_replicas_in_sync
        self._config = config
        self._compiled: dict[Step, Step] = {}
        resolver = strategy.cluster_resolver
        self.chief = (
            resolver is None
            or resolver.task_type in (None, "chief", "")
            or (resolver.task_type == "worker" and resolver.task_id == 0)
        )

    def predict(
        self, function: Step, sampler: Sampler | BatchSampler, count: int
    ) -> dict[str, np.ndarray]:
        """`function` over samples 0..count-1 of a sampler, spread over the replicas.

        Args:
            function: a batch to a dict of tensors `[B, ...]`; compiled once.
            sampler: makes the samples.
            count: how many.

        Returns:
            Arrays `[count, ...]`, in order.
        """
        batch_size = -(-self._config.eval_batch_size // self.replicas) * self.replicas

        @tf.function
        def compiled(batch: Batch) -> Batch:
            outputs = self.strategy.run(function, args=(batch,))
            return {k: self.strategy.gather(v, axis=0) for k, v in outputs.items()}

        # Tracing a net anew at every evaluation takes longer than a small evaluation.
        step = self._compiled.setdefault(function, compiled)
        collected: dict[str, list[np.ndarray]] = {}
        make = functools.partial(evaluation_batches, sampler, count, batch_size)
        for batch in self._distributed(make, batch_size):
            for name, value in step(batch).items():
                collected.setdefault(name, []).append(value.numpy())
        return {k: np.concatenate(v)[:count] for k, v in collected.items()}

    def batches(
        self, sampler: Sampler | BatchSampler, first_step: int
    ) -> Iterator[Batch]:
        """The training batches from a step on, without end."""
        size = self._config.batch_size
        make = functools.partial(training_batches, sampler, size, first_step)
        return iter(self._distributed(make, size))

    def _distributed(
        self, make: Callable[[int, int, int], tf.data.Dataset], batch_size: int
    ) -> Iterable[Batch]:
        """The batches of each replica, by a pipeline on each worker.

        Args:
            make: (samples per replica, worker, workers) to a worker's pipeline.
            batch_size: over all replicas.
        """

        def pipeline(context: tf.distribute.InputContext) -> tf.data.Dataset:
            return make(
                context.get_per_replica_batch_size(batch_size),
                context.input_pipeline_id,
                context.num_input_pipelines,
            )

        return self.strategy.distribute_datasets_from_function(pipeline)

    def compiled_step(self, model: keras.Model) -> Step:
        """The model's train step as one compiled function over all replicas.

        Returns:
            A batch to its metrics: the sums of the replicas' parts.
        """
        inner = model.train_step
        if self._config.jit_compile:
            inner = tf.function(inner, jit_compile=True)

        @tf.function
        def step(batch: Batch) -> dict[str, Any]:
            metrics = self.strategy.run(inner, args=(batch,))
            total = tf.distribute.ReduceOp.SUM
            return {
                k: self.strategy.reduce(total, v, axis=None) for k, v in metrics.items()
            }

        return step
