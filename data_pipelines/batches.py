"""From a sampler to a `tf.data` pipeline whose order survives a crash.

A *sampler* makes sample number `position` of an endless stream: a pure function of
its seed and that number. So a resumed run starts at any step without replaying the
ones before, and replicas, workers and threads can share the stream freely.
"""

from typing import Protocol

import numpy as np
import tensorflow as tf

from tfpose.errors import InputError

_ENDLESS = 2**40

__all__ = [
    "Sampler",
    "epoch_rng",
    "evaluation_batches",
    "steps_per_epoch",
    "training_batches",
]


class Sampler(Protocol):
    """What a pipeline is made of."""

    signature: dict[str, tf.TensorSpec]
    """Name, static shape and type of each array of a sample."""

    def __call__(self, position: int) -> dict[str, np.ndarray]:
        """Sample number `position` of the stream."""
        ...


def epoch_rng(seed: int, stream: str, epoch: int = 0) -> np.random.Generator:
    """The generator of one epoch's draws, by (seed, name of the stream, epoch)."""
    name = int.from_bytes(stream.encode()[:8], "little")
    return np.random.Generator(
        np.random.Philox(np.random.SeedSequence([seed, name, epoch]))
    )


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Full batches in `count` samples; the rest of an epoch's order is left out.

    Raises:
      InputError: if there is not one full batch.
    """
    if batch_size < 1 or count < batch_size:
        raise InputError(
            f"batch_size: must be from 1 to the number of people, {count}, got {batch_size}"
        )
    return count // batch_size


def _make(sampler: Sampler, positions: tf.data.Dataset) -> tf.data.Dataset:
    names = list(sampler.signature)
    specs = [sampler.signature[name] for name in names]

    def make(position):
        sample = sampler(int(position))
        return [sample[name] for name in names]

    def map_position(position):
        values = tf.numpy_function(make, [position], [spec.dtype for spec in specs])
        for value, spec in zip(values, specs, strict=True):
            value.set_shape(spec.shape)
        return dict(zip(names, values, strict=True))

    return positions.map(
        map_position, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )


def _positions(
    first_step: int, steps: int, batch_size: int, worker: int, workers: int
) -> tf.data.Dataset:
    """Positions of one pipeline's share of each global batch, in order."""
    if batch_size % workers:
        raise InputError(
            f"batch_size: {batch_size} cannot be shared evenly by {workers} workers"
        )
    share = batch_size // workers
    starts = tf.data.Dataset.range(first_step, first_step + steps)
    starts = starts.map(lambda step: step * batch_size + worker * share)
    return starts.flat_map(lambda first: tf.data.Dataset.range(first, first + share))


def training_batches(
    sampler: Sampler,
    batch_size: int,
    first_step: int = 0,
    replica_batch: int | None = None,
    worker: int = 0,
    workers: int = 1,
) -> tf.data.Dataset:
    """Endless batches of a stream, from a given step on, all of one static shape.

    Args:
      sampler: makes the samples.
      batch_size: global batch size.
      first_step: number of batches that earlier runs have used.
      replica_batch: samples per element, where several replicas share this pipeline.
      worker: index of this input pipeline.
      workers: number of input pipelines that share each global batch.

    Returns:
      dataset of dicts of `[replica_batch, ...]` tensors.

    Raises:
      InputError: if the workers cannot share the batch evenly.
    """
    positions = _positions(first_step, _ENDLESS, batch_size, worker, workers)
    samples = _make(sampler, positions)
    size = replica_batch or batch_size // workers
    return samples.batch(size, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


def evaluation_batches(
    sampler: Sampler,
    count: int,
    batch_size: int,
    replica_batch: int | None = None,
    worker: int = 0,
    workers: int = 1,
) -> tf.data.Dataset:
    """Samples 0..count-1 in order, once; the last batch repeats the last sample.

    Arguments as for `training_batches`.
    """
    steps = -(-count // batch_size)
    positions = _positions(0, steps, batch_size, worker, workers)
    samples = _make(sampler, positions.map(lambda p: tf.minimum(p, count - 1)))
    size = replica_batch or batch_size // workers
    return samples.batch(size, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
