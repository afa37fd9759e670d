"""The image itself as a backbone: TokenPose-T cuts its patches from the image."""

from collections.abc import Sequence
from typing import Any

import keras

from tfpose.backbones.base import Backbone

__all__ = ["Pixels"]


@keras.saving.register_keras_serializable(package="tfpose")
class Pixels(Backbone):
    """The normalised image `[B, H, W, C]` itself, at stride 1 ("P0").

    Args:
        input_shape: sequence of int. (H, W, C) in pixels.
        kernel_initializer: not used; accepted because other backbones take it.
        dtype: Keras dtype policy of the output. Defaults to the global one.
    """

    stride = 1

    def __init__(
        self,
        input_shape: Sequence[int],
        kernel_initializer: Any = None,
        dtype: Any = None,
        name: str = "pixels",
        **kwargs: Any,
    ) -> None:
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        inputs = keras.Input(tuple(input_shape), name="image", dtype="float32")
        outputs = keras.layers.Identity(name="pixels", dtype=policy)(inputs)
        super().__init__(inputs, {"P0": outputs}, policy, name, **kwargs)

    def layer_groups(self) -> dict[str, list[keras.layers.Layer]]:
        """No groups: there is nothing to freeze."""
        return {}
