"""A model whose train step draws random numbers, for any number of replicas."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

__all__ = ["RandomModel"]

# As many as float32 has between 1 and 2.
_PARTS = 2**23


class RandomModel(keras.Model):
    """Draws for the samples of its batch: replicas draw the rows that one would."""

    def __init__(self, seed: int, global_batch_size: int) -> None:
        """
        Args:
            seed: random seed of the numbers that it draws.
            global_batch_size: samples of a step over all replicas.
        """
        super().__init__()
        self._seeds = keras.random.SeedGenerator(seed)
        self._global_batch_size = global_batch_size

    def draw_normal(self, count: int, shape: tuple[int, ...]) -> Any:
        """Standard normal numbers `[count, *shape]` for this replica's samples.

        Replicas take their rows of what one replica would draw for the global batch.
        """
        shape = self._global_batch_size, *shape
        return self._rows(tf.random.stateless_normal(shape, self._seeds.next()), count)

    def draw_uniform(self, count: int, shape: tuple[int, ...]) -> Any:
        """Numbers from 0 to 1 `[count, *shape]`; by replicas as `draw_normal`.

        The same with and without XLA: it draws other floats, but the same integers.
        """
        shape = self._global_batch_size, *shape
        seed = self._seeds.next()
        drawn = tf.random.stateless_uniform(shape, seed, 0, _PARTS, tf.int32)
        return self._rows(ops.cast(drawn, "float32") / _PARTS, count)

    def draw_integers(self, count: int, limit: int) -> Any:
        """Integers `[count]` from 0 to `limit` - 1; by replicas as `draw_normal`."""
        shape = (self._global_batch_size,)
        seed = self._seeds.next()
        drawn = tf.random.stateless_uniform(shape, seed, 0, limit, tf.int32)
        return self._rows(drawn, count)

    def _rows(self, values: Any, count: int) -> Any:
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return ops.slice(
            values,
            [replica * count, *(0 for _ in values.shape[1:])],
            (count, *values.shape[1:]),
        )
