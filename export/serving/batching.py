"""How large batches a server should make, by what a model was measured to do."""

import dataclasses
import os
import pathlib
import time
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from export.model import SERVING_DEFAULT

__all__ = ["LARGEST_REQUEST", "LATENCY", "Batching", "measure_batches", "repeat_rows"]

LARGEST_REQUEST = 8
"""Rows that a request may have with any model; the server splits it if need be."""

LATENCY = 0.2
"""Seconds in which requests shall be answered, if nobody says otherwise."""

_LARGEST = 64
# A batch is large enough if it gets this much of the best throughput.
_ENOUGH = 0.95
_REPEATS = 7


@dataclasses.dataclass(frozen=True)
class Batching:
    """Parameters of TF Serving's batching, and the measurement that they are from.

    Attributes:
        seconds: median time of a batch by its size, powers of two from 1; empty if
            nothing was measured.
        latency: seconds in which a request shall be answered.
        threads: batches that the server works on at a time.
    """

    seconds: Mapping[int, float]
    latency: float
    threads: int = dataclasses.field(default_factory=lambda: os.cpu_count() or 1)

    @property
    def batch_size(self) -> int:
        """Rows that are worked on at a time.

        The smallest size with nearly the best throughput within half the latency; the
        other half is for waiting.
        """
        if not self.seconds:
            return 8
        rates = {
            size: size / taken
            for size, taken in self.seconds.items()
            if size == 1 or taken <= self.latency / 2
        }
        best = max(rates.values())
        return min(size for size, rate in rates.items() if rate >= _ENOUGH * best)

    @property
    def max_batch_size(self) -> int:
        """Rows of the largest request that is not refused."""
        return max(LARGEST_REQUEST, self.batch_size)

    @property
    def timeout_micros(self) -> int:
        """How long the first of a batch waits for others: half of its own work."""
        if self.batch_size == 1:
            return 0
        return round(self.seconds.get(1, 0.002) / 2 * 1e6)

    @property
    def max_enqueued_batches(self) -> int:
        """As many as are done in the latency; further requests are refused at once.

        At least those of one large request for each thread.
        """
        if not self.seconds:
            return 100
        least = self.threads * -(-self.max_batch_size // self.batch_size)
        return max(least, int(self.latency / self.seconds[self.batch_size]))

    def text(self) -> str:
        """The file that TF Serving reads; the measurement is in its comments."""
        lines = ["# Sizes are rows of a request. Not measured: cautious values."]
        if self.seconds:
            lines = [
                f"# Measured on {os.cpu_count()} processors, to be answered in "
                f"{self.latency * 1000:g} ms:",
                *(
                    f"#   batch {size:3}: {taken * 1000:9.2f} ms, "
                    f"{size / taken:9.1f} rows/s"
                    for size, taken in self.seconds.items()
                ),
            ]
        lines += [
            f"max_batch_size {{ value: {self.max_batch_size} }}",
            "enable_large_batch_splitting { value: true }",
            f"max_execution_batch_size {{ value: {self.batch_size} }}",
            f"batch_timeout_micros {{ value: {self.timeout_micros} }}",
            f"max_enqueued_batches {{ value: {self.max_enqueued_batches} }}",
            f"num_batch_threads {{ value: {self.threads} }}",
        ]
        return "\n".join(lines) + "\n"


def repeat_rows(example: Mapping[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
    """A batch of `count` times the one row of the example."""
    return {name: np.repeat(values, count, axis=0) for name, values in example.items()}


def measure_batches(
    folder: pathlib.Path, example: Mapping[str, np.ndarray], latency: float
) -> Batching:
    """Times a SavedModel's main signature at batches of 1, 2, 4, ... rows.

    Until a batch takes more than the latency, or has 64 rows.

    Args:
        folder: of one version of a model.
        example: a batch of one row.
        latency: seconds, see `Batching`.
    """
    signature = tf.saved_model.load(str(folder)).signatures[SERVING_DEFAULT]
    seconds: dict[int, float] = {}
    size = 1
    while size <= _LARGEST:
        batch = {
            name: tf.constant(values)
            for name, values in repeat_rows(example, size).items()
        }
        taken = []
        for _ in range(_REPEATS):
            start = time.perf_counter()
            for value in signature(**batch).values():
                value.numpy()
            taken.append(time.perf_counter() - start)
        # The first run allocates memory.
        seconds[size] = float(np.median(taken[1:]))
        if seconds[size] > latency:
            break
        size *= 2
    return Batching(seconds, latency)
