"""From a sampler to a `tf.data` pipeline whose order survives a crash.

A *sampler* makes sample number `position` of an endless stream: a pure function of
its seed and that number. So a resumed run starts at any step without replaying the
ones before, and replicas, workers and threads can share the stream freely.
"""

import functools
import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
import tensorflow as tf

from tfpose.errors import InputError

__all__ = [
    "BatchSampler",
    "EpochPlans",
    "Sampler",
    "TrainingBatchSampler",
    "TrainingSampler",
    "epoch_rng",
    "evaluation_batches",
    "input_error",
    "near_order",
    "steps_per_epoch",
    "training_batches",
]


_ENDLESS = 2**40
_NEAR = 1024

Plan = TypeVar("Plan")


class Sampler(Protocol):
    """What a pipeline is made of."""

    signature: dict[str, tf.TensorSpec]
    """Name, static shape and type of each array of a sample."""

    def __call__(self, position: int) -> dict[str, np.ndarray]:
        """Sample number `position` of the stream."""
        ...


@runtime_checkable
class BatchSampler(Protocol):
    """A sampler whose samples are too cheap to be made one by one."""

    signature: dict[str, tf.TensorSpec]
    """As a `Sampler`'s: of one sample."""

    def many(self, positions: np.ndarray) -> dict[str, np.ndarray]:
        """Samples number `positions`, int64 `[n]`, of the stream, as `[n, ...]`."""
        ...


class _Training(Protocol):
    steps_per_epoch: int
    """Full batches in an epoch."""

    def sample_id(self, position: int) -> str:
        """What sample number `position` is made of, in a few words, for messages."""
        ...


class TrainingSampler(Sampler, _Training, Protocol):
    """A sampler of training samples."""


class TrainingBatchSampler(BatchSampler, _Training, Protocol):
    """A sampler of training samples, a batch at a time."""


def epoch_rng(seed: int, stream: str, epoch: int = 0) -> np.random.Generator:
    """The generator of one epoch's draws, by (seed, name of the stream, epoch)."""
    name = int.from_bytes(stream.encode(), "little")
    return np.random.Generator(
        np.random.Philox(np.random.SeedSequence([seed, name, epoch]))
    )


def near_order(rng: np.random.Generator, photos: np.ndarray) -> np.ndarray:
    """A random order of people in which those of one photo come near each other.

    Within about a thousand places, so that the photo need be decoded only once while
    a batch still holds a random mixture. Where each photo has one person, or there are
    no more people than that, every order is as likely as any other.

    Args:
        rng: makes the draws.
        photos: int `[P]`, the row of each person's photo.

    Returns:
        int64 `[P]`, a permutation.
    """
    count = len(photos)
    ranks = rng.permutation(int(photos.max(initial=0)) + 1)
    order = np.argsort(ranks[photos], kind="stable")
    blocks = np.arange(count) // _NEAR
    return order[np.lexsort((rng.random(count), blocks))]


class EpochPlans(Generic[Plan]):
    """Random draws by epoch, made once although many threads ask at its first sample.

    The last two are kept, because a pipeline works ahead into the next epoch.
    """

    def __init__(self, draw: Callable[[int], Plan]):
        """
        Args:
            draw: makes the plan of an epoch, a pure function of its number.
        """
        self._draw, self._kept = draw, dict[int, Plan]()
        self._lock = threading.Lock()

    def __getitem__(self, epoch: int) -> Plan:
        with self._lock:
            if epoch not in self._kept:
                while len(self._kept) > 1:
                    del self._kept[next(iter(self._kept))]
                self._kept[epoch] = self._draw(epoch)
            return self._kept[epoch]


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Full batches in `count` samples; the rest of an epoch's order is left out.

    Raises:
        InputError: if there is not one full batch.
    """
    if batch_size < 1 or count < batch_size:
        raise InputError(
            f"batch_size: must be from 1 to the number of samples, {count}, "
            f"got {batch_size}"
        )
    return count // batch_size


def _make(
    sampler: Sampler | BatchSampler, positions: tf.data.Dataset, size: int
) -> tf.data.Dataset:
    """Batches of `size` samples, some made ahead."""
    names = list(sampler.signature)
    specs = [sampler.signature[name] for name in names]
    whole = isinstance(sampler, BatchSampler)
    take: Callable[[np.ndarray], dict[str, np.ndarray]]
    if isinstance(sampler, BatchSampler):
        take = sampler.many
    else:
        take = functools.partial(_take_one, sampler)

    def make(position: np.ndarray) -> list[np.ndarray]:
        sample = take(position)
        return [sample[name] for name in names]

    def map_position(position: tf.Tensor) -> dict[str, tf.Tensor]:
        values = tf.numpy_function(make, [position], [spec.dtype for spec in specs])
        for value, spec in zip(values, specs, strict=True):
            value.set_shape((size, *spec.shape) if whole else spec.shape)
        return dict(zip(names, values, strict=True))

    if whole:
        positions = positions.batch(size, drop_remainder=True)
    samples = positions.map(
        map_position, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    if not whole:
        samples = samples.batch(size, drop_remainder=True)
    return samples.prefetch(tf.data.AUTOTUNE)


def _take_one(sampler: Sampler, position: np.ndarray) -> dict[str, np.ndarray]:
    return sampler(int(position))


def _share(batch_size: int, replica_batch: int | None, workers: int) -> tuple[int, int]:
    """Samples of a global batch that one pipeline makes, and samples per element."""
    share = batch_size // workers
    size = share if replica_batch is None else replica_batch
    if batch_size % workers or not share or size < 1 or share % size:
        raise InputError(
            f"batch_size: {batch_size} cannot be shared evenly by {workers} workers"
            + ("" if replica_batch is None else f" in parts of {replica_batch}")
        )
    return share, size


def _positions(
    first_step: int, steps: int, batch_size: int, worker: int, share: int
) -> tf.data.Dataset:
    """Positions of one pipeline's share of each global batch, in order."""
    starts = tf.data.Dataset.range(first_step, first_step + steps)
    starts = starts.map(lambda step: step * batch_size + worker * share)
    return starts.flat_map(lambda first: tf.data.Dataset.range(first, first + share))


def training_batches(
    sampler: Sampler | BatchSampler,
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
        InputError: if workers or replicas cannot share the batch evenly.
    """
    share, size = _share(batch_size, replica_batch, workers)
    positions = _positions(first_step, _ENDLESS, batch_size, worker, share)
    return _make(sampler, positions, size)


def evaluation_batches(
    sampler: Sampler | BatchSampler,
    count: int,
    batch_size: int,
    replica_batch: int | None = None,
    worker: int = 0,
    workers: int = 1,
) -> tf.data.Dataset:
    """Samples 0..count-1 in order, once; the last batch repeats the last sample.

    Arguments as for `training_batches`.
    """
    share, size = _share(batch_size, replica_batch, workers)
    steps = -(-count // batch_size)
    positions = _positions(0, steps, batch_size, worker, share)
    return _make(sampler, positions.map(lambda p: tf.minimum(p, count - 1)), size)


def input_error(error: tf.errors.OpError) -> Exception:
    """The `InputError` of a sampler, such as a photo that is broken, dug out of what
    TensorFlow made of it in the pipeline's thread; any other error as it is.
    """
    for line in str(error).splitlines():
        _, found, message = line.partition("InputError: ")
        if found:
            return InputError(message.strip())
    return error
