"""DEKR's adaptive convolution: each cell says where its nine taps lie."""

from typing import Any

import keras
import numpy as np
from keras import ops

from tfpose.backbones.blocks import official_initializer
from tfpose.codecs.sampling import sample_cells

__all__ = ["AdaptiveConvolution"]

# (row, column) of the taps of a 3x3 kernel, one after the other.
_TAPS = np.array([[y, x] for y in (-1, 0, 1) for x in (-1, 0, 1)], np.float32)


@keras.saving.register_keras_serializable(package="tfpose")
class AdaptiveConvolution(keras.layers.Layer):
    """A 3x3 convolution without bias whose taps each cell moves.

    A tap (row, column) from -1 to 1 lies at A tap + t from the cell; the 2 x 2 matrix A
    and the translation t, cells, are two 3x3 convolutions of the same map. With A the
    identity and t = 0 it is a plain convolution. Takes and returns `[B, h, w, C]`.

    Args:
        filters: int. Channels of the output.

    Reference: Geng et al., "Bottom-Up Human Pose Estimation Via Disentangled Keypoint
    Regression", CVPR 2021 (arXiv:2104.02300).
    """

    def __init__(self, filters: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.matrix, self.translation = (
            keras.layers.Conv2D(
                channels,
                3,
                padding="same",
                kernel_initializer="zeros",
                name=name,
                dtype=self.dtype_policy,
            )
            for name, channels in (("matrix", 4), ("translation", 2))
        )

    def build(self, input_shape: Any) -> None:
        self.matrix.build(input_shape)
        self.translation.build(input_shape)
        self.kernel = self.add_weight(
            shape=(3, 3, input_shape[-1], self.filters),
            initializer=official_initializer(),
            name="kernel",
        )

    def call(self, x: Any) -> Any:
        height, width, channels = x.shape[1:]
        # Places are float32: half precision has too few digits for them.
        matrix = ops.cast(self.matrix(x), "float32")
        matrix = ops.reshape(matrix, (-1, height, width, 1, 2, 2))
        shift = ops.cast(self.translation(x), "float32")[:, :, :, None]
        taps = ops.sum(matrix * _TAPS[:, None, :], axis=-1)
        rows, columns = np.mgrid[:height, :width].astype(np.float32)
        cells = np.stack([rows, columns], axis=-1)[:, :, None]
        found = sample_cells(x, taps + shift + cells)
        found = ops.reshape(found, (-1, height, width, len(_TAPS) * channels))
        kernel = ops.reshape(ops.cast(self.kernel, x.dtype), (-1, self.filters))
        return found @ kernel

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "filters": self.filters}
