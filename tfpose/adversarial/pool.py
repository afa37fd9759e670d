"""A pool of earlier generated samples, to train a discriminator with them again."""

from typing import Any

import keras
from keras import ops

__all__ = ["FakePool"]


@keras.saving.register_keras_serializable(package="tfpose")
class FakePool(keras.layers.Layer):
    """Replaces about half of a batch by earlier samples.

    Until the pool is full, it stores every sample and returns it. Then each sample is
    swapped, with probability 0.5, for one in the pool. Samples of a batch get different
    slots of the pool, so that the result does not depend on the order of writing; the
    original code may draw a slot twice.

    Args:
        size: number of samples in the pool.
        sample_shape: shape of a sample, such as (J, 3).
        seed: random seed.

    Reference: Shrivastava et al., "Learning from Simulated and Unsupervised Images
    through Adversarial Training", CVPR 2017 (arXiv:1612.07828), section 2.3.
    """

    def __init__(
        self, size: int, sample_shape: tuple[int, ...], seed: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.size, self.sample_shape, self.seed = size, tuple(sample_shape), seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        # Each replica has its own pool; that of the first replica is saved.
        state: dict[str, Any] = {
            "trainable": False,
            "aggregation": "only_first_replica",
        }
        self.pooled = self.add_weight(
            (size, *self.sample_shape), "zeros", name="kept", **state
        )
        self.count = self.add_weight((), "zeros", dtype="int32", name="count", **state)
        self.built = True

    def call(self, samples: Any) -> Any:
        """The batch, with some samples replaced by earlier ones; same shape.

        Args:
            samples: float32 `[B, ...]`, B at most `size`.
        """
        batch = samples.shape[0]
        order = keras.random.uniform((self.size,), seed=self.seed_generator)
        random_slots = ops.argsort(order)[:batch]
        drawn = keras.random.uniform((batch,), seed=self.seed_generator) > 0.5
        full = self.count >= self.size
        next_slots = (self.count + ops.arange(batch)) % self.size
        slots = ops.where(full, ops.cast(random_slots, "int32"), next_slots)
        earlier = ops.take(self.pooled, slots, axis=0)
        store = ops.logical_or(ops.logical_not(full), drawn)
        swap = ops.logical_and(full, drawn)
        shape = (batch,) + (1,) * len(self.sample_shape)
        stored = ops.where(ops.reshape(store, shape), samples, earlier)
        returned = ops.where(ops.reshape(swap, shape), earlier, samples)
        self.pooled.assign(ops.scatter_update(self.pooled, slots[:, None], stored))
        self.count.assign(ops.minimum(self.count + batch, self.size))
        return returned

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "size": self.size,
            "sample_shape": self.sample_shape,
            "seed": self.seed,
        }
