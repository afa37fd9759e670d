"""Layers of small discriminators and generators of poses."""

from typing import Any

import keras
from keras import ops

__all__ = ["SLOPE", "ResidualScorer", "dense", "leaky"]

SLOPE = 0.01
"""Slope of `leaky` below 0; PyTorch's default."""


def dense(units: int, name: str, dtype: Any) -> keras.layers.Dense:
    """Dense layer with He-normal initial weights, as in PoseAug's released code."""
    initializer = keras.initializers.VarianceScaling(
        2.0, "fan_in", "untruncated_normal"
    )
    return keras.layers.Dense(
        units, kernel_initializer=initializer, name=name, dtype=dtype
    )


def leaky(x: Any) -> Any:
    """Leaky ReLU with slope `SLOPE` below 0."""
    return ops.leaky_relu(x, SLOPE)


class ResidualScorer(keras.layers.Layer):
    """Score `[B, 1]` of features `[B, F]`: dense layers with a residual connection.

    Args:
        units: units of the first three layers.
        last_units: units of the fourth layer; a fifth layer gives the float32 score.
    """

    def __init__(self, units: int, last_units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.first = dense(units, "first", policy)
        self.second = dense(units, "second", policy)
        self.third = dense(units, "third", policy)
        self.fourth = dense(last_units, "fourth", policy)
        self.last = dense(1, "last", "float32")

    def call(self, x: Any) -> Any:
        first = leaky(self.first(x))
        x = self.third(leaky(self.second(first))) + first
        return self.last(leaky(self.fourth(x)))
