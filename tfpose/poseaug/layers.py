"""What PoseAug's networks are built from."""

from typing import Any

import keras
from keras import ops

__all__ = ["SLOPE", "dense", "leaky"]

SLOPE = 0.01
"""Of `leaky` below 0; PyTorch's."""


def dense(units: int, name: str, dtype: Any) -> keras.layers.Dense:
    """He-normal weights, as the released code draws them."""
    initializer = keras.initializers.VarianceScaling(
        2.0, "fan_in", "untruncated_normal"
    )
    return keras.layers.Dense(
        units, kernel_initializer=initializer, name=name, dtype=dtype
    )


def leaky(x):
    """Leaky ReLU."""
    return ops.leaky_relu(x, SLOPE)
