"""Convolution blocks that backbones share, as functions on Keras tensors."""

import dataclasses
from typing import Any

import keras
import numpy as np
from keras import ops

__all__ = ["Blocks", "NearestResize", "NearestUpsample", "official_initializer"]


def official_initializer() -> keras.initializers.Initializer:
    """N(0, 0.001): how the official pose nets initialise every convolution."""
    return keras.initializers.RandomNormal(stddev=0.001)


@keras.saving.register_keras_serializable(package="tfpose")
class NearestResize(keras.layers.Layer):
    """Nearest-neighbour resize of `[B, h, w, C]` to a fixed size.

    `keras.layers.UpSampling2D` becomes a repeat with dynamic shapes, which LiteRT
    delegates refuse. A resize to a static size stays one operator.

    Args:
        height: int. Output height in cells.
        width: int. Output width in cells.
    """

    def __init__(self, height: int, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.height = height
        self.width = width

    def call(self, x: Any) -> Any:
        height, width = x.shape[1:3]
        if self.height % height == 0 and self.width % width == 0:
            return _repeat_cells(x, self.height // height, self.width // width)
        # The same rule for any ratio: the input cell under the output cell's centre.
        rows = ((np.arange(self.height) + 0.5) * height / self.height).astype("int32")
        columns = ((np.arange(self.width) + 0.5) * width / self.width).astype("int32")
        return ops.take(ops.take(x, rows, axis=1), columns, axis=2)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        return (input_shape[0], self.height, self.width, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "height": self.height, "width": self.width}


@keras.saving.register_keras_serializable(package="tfpose")
class NearestUpsample(keras.layers.Layer):
    """Nearest-neighbour resize of `[B, h, w, C]` by a whole factor.

    For pictures of any size; `NearestResize` is for one size and any ratio.

    Args:
        factor: int. Copies of a cell, each way.
    """

    def __init__(self, factor: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, x: Any) -> Any:
        return _repeat_cells(x, self.factor, self.factor)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        batch, height, width, channels = input_shape
        height, width = (
            None if side is None else side * self.factor for side in (height, width)
        )
        return (batch, height, width, channels)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


def _repeat_cells(x: Any, rows: int, columns: int) -> Any:
    """Repeats every cell of `[B, h, w, C]`; the copies' gradients are summed.

    The gradient is defined here because XLA has none for a nearest resize.
    """

    @ops.custom_gradient
    def resize(x: Any) -> Any:
        def gradient(*upstreams: Any, upstream: Any = None) -> Any:
            upstream = upstreams[0] if upstream is None else upstream
            pooled = ops.average_pool(
                upstream, (rows, columns), data_format="channels_last"
            )
            return pooled * (rows * columns)

        size = (x.shape[1] * rows, x.shape[2] * columns)
        resized = ops.image.resize(
            x, size, interpolation="nearest", data_format="channels_last"
        )
        return resized, gradient

    return resize(x)


@dataclasses.dataclass(frozen=True)
class Blocks:
    """Makes the blocks of one network with its initialiser and dtype policy.

    Every method takes a Keras tensor `[B, h, w, C]` and a name that prefixes the
    names of the layers it makes, and returns a Keras tensor. By default all is as in
    PyTorch.

    Attributes:
        kernel_initializer: of every convolution.
        dtype: policy of every layer.
        momentum: of batch normalisation; PyTorch's 0.1 is 0.9 in Keras.
        epsilon: of batch normalisation.
        relu_limit: where activations end; None for nowhere.
        centred: whether a convolution with a stride is padded by `kernel_size // 2` on
            every side, so that output cell i is centred on input cell `i * stride`.
            TensorFlow's "same" pads an even size on one side only, which shifts the
            centres by one.
    """

    kernel_initializer: keras.initializers.Initializer
    dtype: keras.DTypePolicy
    momentum: float = 0.9
    epsilon: float = 1e-5
    relu_limit: float | None = None
    centred: bool = True

    def relu(self, x: Any, name: str) -> Any:
        return keras.layers.ReLU(self.relu_limit, name=name, dtype=self.dtype)(x)

    def norm(self, x: Any, name: str) -> Any:
        return keras.layers.BatchNormalization(
            momentum=self.momentum, epsilon=self.epsilon, name=name, dtype=self.dtype
        )(x)

    def add(self, tensors: Any, name: str) -> Any:
        return keras.layers.Add(name=name, dtype=self.dtype)(tensors)

    def nearest(self, x: Any, target: Any, factor: int, name: str) -> Any:
        """`x` at the size of `target`, which is `factor` times its own or about that.

        Nearest neighbour; where the size of `target` is unknown, exactly `factor`.
        """
        height, width = target.shape[1:3]
        if height is None:
            return NearestUpsample(factor, name=name, dtype=self.dtype)(x)
        return NearestResize(height, width, name=name, dtype=self.dtype)(x)

    def _pad(self, x: Any, kernel_size: int, stride: int, name: str) -> tuple[Any, str]:
        """The input of a convolution, and how that pads it besides; see `centred`."""
        if not self.centred or stride == 1:
            return x, "same"
        if kernel_size > 1:
            pad = keras.layers.ZeroPadding2D
            x = pad(kernel_size // 2, name=name, dtype=self.dtype)(x)
        return x, "valid"

    def conv_norm(
        self,
        x: Any,
        filters: int,
        kernel_size: int,
        stride: int = 1,
        *,
        name: str,
        index: int | str = "",
        relu: bool = True,
    ) -> Any:
        """Convolution without bias, batch normalisation and, if `relu`, ReLU."""
        x, padding = self._pad(x, kernel_size, stride, f"{name}_pad{index}")
        x = keras.layers.Conv2D(
            filters,
            kernel_size,
            strides=stride,
            padding=padding,
            use_bias=False,
            kernel_initializer=self.kernel_initializer.clone(),
            name=f"{name}_conv{index}",
            dtype=self.dtype,
        )(x)
        x = self.norm(x, f"{name}_bn{index}")
        return self.relu(x, f"{name}_relu{index}") if relu else x

    def deconv_norm(self, x: Any, filters: int, *, name: str) -> Any:
        """4x4 transposed convolution of stride 2 (twice the size), norm, ReLU."""
        x = keras.layers.Conv2DTranspose(
            filters,
            4,
            strides=2,
            padding="same",
            use_bias=False,
            kernel_initializer=self.kernel_initializer.clone(),
            name=f"{name}_conv",
            dtype=self.dtype,
        )(x)
        return self.relu(self.norm(x, f"{name}_bn"), f"{name}_relu")

    def depthwise_norm(
        self, x: Any, kernel_size: int, stride: int = 1, *, name: str
    ) -> Any:
        """Convolution of each channel by itself without bias, normalisation, ReLU."""
        x, padding = self._pad(x, kernel_size, stride, f"{name}_pad")
        x = keras.layers.DepthwiseConv2D(
            kernel_size,
            strides=stride,
            padding=padding,
            use_bias=False,
            depthwise_initializer=self.kernel_initializer.clone(),
            name=f"{name}_conv",
            dtype=self.dtype,
        )(x)
        return self.relu(self.norm(x, f"{name}_bn"), f"{name}_relu")

    def _residual(self, x: Any, shortcut: Any, stride: int, name: str) -> Any:
        filters = x.shape[-1]
        if stride != 1 or shortcut.shape[-1] != filters:
            shortcut = self.conv_norm(
                shortcut, filters, 1, stride, name=f"{name}_projection", relu=False
            )
        x = self.add([x, shortcut], f"{name}_add")
        return self.relu(x, f"{name}_relu")

    def basic_block(self, x: Any, filters: int, stride: int = 1, *, name: str) -> Any:
        """Two 3x3 convolutions and the identity (He et al. 2016)."""
        y = self.conv_norm(x, filters, 3, stride, name=name, index=1)
        y = self.conv_norm(y, filters, 3, name=name, index=2, relu=False)
        return self._residual(y, x, stride, name)

    def bottleneck(self, x: Any, filters: int, stride: int = 1, *, name: str) -> Any:
        """1x1, 3x3 and 1x1 (to `4 * filters`) convolutions and the identity.

        The stride is in the 3x3 convolution (ResNet "v1.5", as in PyTorch).
        """
        y = self.conv_norm(x, filters, 1, name=name, index=1)
        y = self.conv_norm(y, filters, 3, stride, name=name, index=2)
        y = self.conv_norm(y, 4 * filters, 1, name=name, index=3, relu=False)
        return self._residual(y, x, stride, name)

    def inverted_residual(
        self,
        x: Any,
        filters: int,
        kernel_size: int,
        stride: int,
        expansion: int,
        *,
        name: str,
    ) -> Any:
        """1x1 convolution to more channels, one of each channel, 1x1 to fewer; the
        identity where the shape stays (Sandler et al., CVPR 2018).
        """
        y = x
        if expansion > 1:
            y = self.conv_norm(y, expansion * x.shape[-1], 1, name=f"{name}_expand")
        y = self.depthwise_norm(y, kernel_size, stride, name=f"{name}_depthwise")
        y = self.conv_norm(y, filters, 1, name=f"{name}_project", relu=False)
        if stride > 1 or x.shape[-1] != filters:
            return y
        return self.add([x, y], f"{name}_add")
