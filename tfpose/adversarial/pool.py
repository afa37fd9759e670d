"""A store of generated samples, some of which a discriminator sees again."""

from typing import Any

import keras
from keras import ops

__all__ = ["FakePool"]


@keras.saving.register_keras_serializable(package="tfpose")
class FakePool(keras.layers.Layer):
    """Gives half of a batch back, and earlier ones for the other half.

    Until it is full it keeps and gives back all. Then each augmented pose is swapped,
    half of the time, for one that was kept. Poses of a batch go to different places,
    where the original code may draw one twice, so that the result does not depend on
    the order of writing.

    Args:
        size: poses kept.
        sample_shape: of one, such as (J, 3).

    Reference: Shrivastava et al., "Learning from Simulated and Unsupervised Images
    through Adversarial Training", CVPR 2017 (arXiv:1612.07828), section 2.3.
    """

    def __init__(
        self, size: int, sample_shape: tuple[int, ...], seed: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.size, self.sample_shape, self.seed = size, tuple(sample_shape), seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        # Each replica keeps its own; those of the first one are saved.
        put: dict[str, Any] = {"trainable": False, "aggregation": "only_first_replica"}
        self.kept = self.add_weight(
            (size, *self.sample_shape), "zeros", name="kept", **put
        )
        self.count = self.add_weight((), "zeros", dtype="int32", name="count", **put)
        self.built = True

    def call(self, poses):
        """
        Args:
            poses: float32 `[B, ...]`, B at most `size`.
        """
        batch = poses.shape[0]
        order = keras.random.uniform((self.size,), seed=self.seed_generator)
        anywhere = ops.argsort(order)[:batch]
        coins = keras.random.uniform((batch,), seed=self.seed_generator) > 0.5
        full = self.count >= self.size
        next_ones = (self.count + ops.arange(batch)) % self.size
        places = ops.where(full, ops.cast(anywhere, "int32"), next_ones)
        taken = ops.take(self.kept, places, axis=0)
        keep = ops.logical_or(ops.logical_not(full), coins)
        swap = ops.logical_and(full, coins)
        shape = (batch,) + (1,) * len(self.sample_shape)
        kept = ops.where(ops.reshape(keep, shape), poses, taken)
        given = ops.where(ops.reshape(swap, shape), taken, poses)
        self.kept.assign(ops.scatter_update(self.kept, places[:, None], kept))
        self.count.assign(ops.minimum(self.count + batch, self.size))
        return given

    def get_config(self) -> dict[str, Any]:
        own = {"size": self.size, "sample_shape": self.sample_shape, "seed": self.seed}
        return {**super().get_config(), **own}
