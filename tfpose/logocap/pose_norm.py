"""Batch normalisation by some samples of a batch only."""

from typing import Any

import keras
from keras import ops

__all__ = ["PoseNorm"]


@keras.saving.register_keras_serializable(package="tfpose")
class PoseNorm(keras.layers.BatchNormalization):
    """Batch normalisation whose statistics leave out what a mask leaves out.

    Unlike Keras's with a mask, it can be `synchronized`: samples are counted over all
    replicas. If none is left on any of them, all samples count.
    """

    def _moments(self, inputs: Any, mask: Any) -> tuple[Any, Any]:
        if mask is None:
            return super()._moments(inputs, mask)

        def mean(values: Any) -> Any:
            # Means of products with the mask, since only means are synchronized.
            return ops.moments(
                values, self._reduction_axes, synchronized=self.synchronized
            )[0]

        weights = ops.cast(mask, inputs.dtype)[..., None]
        share = mean(weights)
        weights = ops.where(share > 0, weights, 1.0)
        share = ops.where(share > 0, share, 1.0)
        middle = mean(inputs * weights) / share
        return middle, mean(ops.square(inputs - middle) * weights) / share
