"""What tells real 2D poses from others: a discriminator, or a normalising flow."""

from typing import Any

import keras
import numpy as np
from keras import ops

from tfpose.adversarial.layers import leaky

__all__ = ["Discriminator", "Flow"]

# Logarithm of the square root of 2 pi.
_LOG_ROOT = 0.9189385

_serializable = keras.saving.register_keras_serializable(package="tfpose")


@_serializable
class Discriminator(keras.Model):
    """Score `[B, 1]` of centred keypoints `[B, J, 2]`: above 0 where they look real.

    A dense layer, three residual blocks without batch normalisation, and a dense layer
    (the paper, section 3.3). With positions `[B, J, 3]` it is the paper's classifier of
    data sets (section 4.3).

    Args:
        units: int. Units of every layer but the last.
        dropout: float. Dropout rate in the blocks.
        spectral_norm: bool. Whether weights are divided by their largest singular
            value, which holds the score's slope (Miyato et al., arXiv:1802.05957).

    It computes in float32 whatever the lifter does.
    """

    def __init__(
        self,
        units: int = 1024,
        dropout: float = 0.5,
        spectral_norm: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.units, self.dropout, self.spectral_norm = units, dropout, spectral_norm

        def dense(outputs: int, name: str) -> keras.layers.Layer:
            layer = keras.layers.Dense(outputs, name=name, dtype="float32")
            if not spectral_norm:
                return layer
            return keras.layers.SpectralNormalization(
                layer, name=f"{name}_normalised", dtype="float32"
            )

        self.first = dense(units, "first")
        self.blocks = [dense(units, f"block{i // 2}_{i % 2 + 1}") for i in range(6)]
        self.last = dense(1, "last")
        self.drop = keras.layers.Dropout(dropout, dtype="float32")

    def build(self, input_shape: Any) -> None:
        features = (None, input_shape[1] * input_shape[2])
        self.first.build(features)
        for layer in (*self.blocks, self.last):
            layer.build((None, self.units))
        self.built = True

    def call(self, keypoints: Any, training: bool | None = None) -> Any:
        return self.last(self.features(keypoints, training))

    def features(self, keypoints: Any, training: bool | None = None) -> Any:
        """What the last residual block returns, `[B, units]`."""
        flat = ops.reshape(keypoints, (-1, keypoints.shape[1] * keypoints.shape[2]))
        x = leaky(self.first(flat))
        for one, two in zip(self.blocks[::2], self.blocks[1::2], strict=True):
            y = self.drop(leaky(one(x)), training=training)
            x = x + self.drop(leaky(two(y)), training=training)
        return x

    def get_config(self) -> dict[str, Any]:
        return {
            "units": self.units,
            "dropout": self.dropout,
            "spectral_norm": self.spectral_norm,
            "name": self.name,
        }


@_serializable
class Flow(keras.Model):
    """Log-likelihood `[B, 1]` of centred keypoints `[B, J, 2]`, per number.

    Affine couplings of all numbers but the root's. It is trained by likelihood alone,
    without anything generated, so nothing can collapse (after ElePose, arXiv:
    2112.07088, whose flow sees 26 principal components).

    Args:
        root: int. Index of the root, whose keypoint is always 0.
        units: int. Units of the couplings' networks.
        couplings: int. Number of couplings.

    It computes in float32 whatever the lifter does.
    """

    def __init__(
        self, root: int, units: int = 256, couplings: int = 6, **kwargs: Any
    ) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.root, self.units, self.couplings = root, units, couplings
        self.hidden = [
            keras.layers.Dense(units, name=f"hidden{i}", dtype="float32")
            for i in range(couplings)
        ]

    def build(self, input_shape: Any) -> None:
        numbers = 2 * (input_shape[1] - 1)
        rng = np.random.default_rng(0)
        # Which numbers a coupling sees; the others are moved and scaled by what it saw.
        masks = [np.zeros(numbers, np.float32) for _ in range(self.couplings)]
        for i in range(0, self.couplings, 2):
            masks[i][rng.permutation(numbers)[: numbers // 2]] = 1
            masks[i + 1 : i + 2] = [1 - masks[i]]
        self._masks = masks[: self.couplings]
        # Zero weights: the flow starts as the identity.
        self.moves = [
            keras.layers.Dense(
                2 * numbers,
                kernel_initializer="zeros",
                name=f"move{i}",
                dtype="float32",
            )
            for i in range(self.couplings)
        ]
        for hidden, move in zip(self.hidden, self.moves, strict=True):
            hidden.build((None, numbers))
            move.build((None, self.units))
        self.built = True

    def call(self, keypoints: Any, training: bool | None = None) -> Any:
        joints = keypoints.shape[1]
        rows = ops.split(keypoints, joints, axis=1)
        rows = ops.concatenate(rows[: self.root] + rows[self.root + 1 :], axis=1)
        numbers = 2 * (joints - 1)
        x = ops.reshape(rows, (-1, numbers))
        log_scales = ops.zeros_like(x)
        for mask, hidden, move in zip(
            self._masks, self.hidden, self.moves, strict=True
        ):
            scale, shift = ops.split(move(leaky(hidden(x * mask))), 2, axis=-1)
            # Held between -2 and 2, so that no step can blow the density up.
            scale = 2 * ops.tanh(scale / 2) * (1 - mask)
            x = x * ops.exp(scale) + shift * (1 - mask)
            log_scales = log_scales + scale
        density = log_scales - 0.5 * ops.square(x) - _LOG_ROOT
        return ops.mean(density, axis=-1, keepdims=True)

    def get_config(self) -> dict[str, Any]:
        return {
            "root": self.root,
            "units": self.units,
            "couplings": self.couplings,
            "name": self.name,
        }
