"""No backbone: what TokenPose-T cuts into patches is the image itself."""

from collections.abc import Sequence
from typing import Any

import keras

__all__ = ["Pixels"]


@keras.saving.register_keras_serializable(package="tfpose")
class Pixels(keras.Model):
    """Hands the normalised image `[B, H, W, C]` on, at stride 1.

    Args:
        input_shape: sequence of int. (H, W, C) in pixels.
        kernel_initializer: for likeness with the other backbones; nothing is drawn.
        dtype: Keras dtype policy of what is handed on. Defaults to the global one.
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
        super().__init__(inputs=inputs, outputs=outputs, name=name, **kwargs)
        self.image_shape = tuple(input_shape)
        self.policy = policy

    def layer_groups(self) -> dict[str, list[keras.layers.Layer]]:
        """None: there is nothing to freeze."""
        return {}

    def get_config(self) -> dict[str, Any]:
        return {
            "input_shape": list(self.image_shape),
            "dtype": self.policy.name,
            "name": self.name,
            "trainable": self.trainable,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects=None) -> "Pixels":
        return cls(**config)
