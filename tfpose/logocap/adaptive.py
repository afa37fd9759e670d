"""DEKR's adaptive convolution: each cell says where its nine taps lie."""

from typing import Any

import keras
import numpy as np
from keras import ops

from tfpose.backbones.blocks import official_initializer

__all__ = ["AdaptiveConvolution", "sample_cells"]

# (row, column) of the taps of a 3x3 kernel, one after the other.
_TAPS = np.array([[y, x] for y in (-1, 0, 1) for x in (-1, 0, 1)], np.float32)


def sample_cells(maps: Any, places: Any) -> Any:
    """Values of maps between their cells, bilinear; outside of a map is 0.

    Args:
        maps: `[B, h, w, C]`.
        places: `[B, ..., 2]` (row, column), cells.

    Returns:
        `[B, ..., C]`.
    """
    height, width, channels = maps.shape[1:]
    # A frame of zeros, of which a place farther off reads as much.
    padded = ops.pad(maps, ((0, 0), (1, 1), (1, 1), (0, 0)))
    # The four cells about a place lie side by side, so that one look-up finds them.
    around = ops.concatenate(
        [
            padded[:, top : top + height + 1, left : left + width + 1]
            for top in (0, 1)
            for left in (0, 1)
        ],
        axis=-1,
    )
    limits = np.array([height, width], np.float32)
    places = ops.clip(places, -1.0, limits) + 1.0
    low = ops.minimum(ops.floor(places), limits)
    after = places - low
    before = 1.0 - after
    cells = ops.cast(low, "int32")
    batch = ops.arange(ops.shape(maps)[0], dtype="int32") * (height + 1)
    batch = ops.reshape(batch, (-1, *[1] * (len(places.shape) - 2)))
    index = (batch + cells[..., 0]) * (width + 1) + cells[..., 1]
    found = ops.take(
        ops.reshape(around, (-1, 4 * channels)), ops.reshape(index, (-1,)), axis=0
    )
    found = ops.reshape(found, (-1, 4, channels))
    weights = ops.stack(
        [
            row[..., 0] * column[..., 1]
            for row in (before, after)
            for column in (before, after)
        ],
        axis=-1,
    )
    weights = ops.cast(ops.reshape(weights, (-1, 4, 1)), found.dtype)
    total = ops.sum(found * weights, axis=1)
    return ops.reshape(total, (-1, *places.shape[1:-1], channels))


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
