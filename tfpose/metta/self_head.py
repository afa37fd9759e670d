"""The self-supervised head: what adaptation moves, with weights of each image."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

__all__ = ["SelfHead"]


@keras.saving.register_keras_serializable(package="tfpose")
class SelfHead(keras.layers.Layer):
    """Features `[B, h, w, C]` to self-supervised maps `[B, h, w, num_maps]`.

    Two 1x1 convolutions with a SiLU between, which is smooth (see
    `inpainting_encoder`). So a set of weights for each image of a batch is a batch of
    matrix products, and the gradient of weights is one, too: images adapt side by side,
    and devices that know no gradient of a convolution's kernel can adapt as well. The
    second has no bias: the softmax over a map's cells does not see one, so its gradient
    would be rounding errors.

    Args:
        num_maps: int. Self-supervised maps.
        hidden: int. Channels of the first layer.
    """

    def __init__(self, num_maps: int, hidden: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_maps, self.hidden = num_maps, hidden

    def build(self, input_shape: Sequence[int]) -> None:
        channels = input_shape[-1]
        for name, shape in (
            ("hidden_kernel", (channels, self.hidden)),
            ("hidden_bias", (self.hidden,)),
            ("maps_kernel", (self.hidden, self.num_maps)),
        ):
            initializer = "zeros" if name.endswith("bias") else "he_normal"
            self.add_weight(shape=shape, initializer=initializer, name=name)

    def call(self, features: Any) -> Any:
        """The maps `[B, h, w, num_maps]`."""
        return self.with_weights(features, self.weights)

    def with_weights(self, features: Any, weights: Sequence[Any]) -> Any:
        """`call` with other weights.

        Args:
            features: `[B, h, w, C]`.
            weights: in the order of `weights`, of one head or, with an axis B in front,
                of one for each image.
        """
        _, height, width, channels = features.shape
        cells = ops.reshape(features, (-1, height * width, channels))
        hidden_kernel, hidden_bias, maps_kernel = weights
        if len(hidden_bias.shape) == 2:
            # Not a slice with a new axis: devices know no gradient of slices.
            hidden_bias = ops.expand_dims(hidden_bias, 1)
        hidden = ops.silu(ops.matmul(cells, hidden_kernel) + hidden_bias)
        maps = ops.matmul(hidden, maps_kernel)
        return ops.reshape(maps, (-1, height, width, self.num_maps))

    def compute_output_shape(self, input_shape: Sequence[int]) -> tuple[Any, ...]:
        return (*input_shape[:-1], self.num_maps)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_maps": self.num_maps,
            "hidden": self.hidden,
        }
