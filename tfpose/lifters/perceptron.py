"""Lifters that have dense layers on all keypoints at once."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from tfpose.lifters.layers import Blocks, PlaceRoot
from tfpose.lifters.net import LiftingNet
from tfpose.skeletons import Skeleton

__all__ = ["PerceptronLifter"]


class PerceptronLifter(LiftingNet):
    """A layer, residual blocks of two layers, and a dense layer for the positions.

    A layer is dense, batch normalisation, ReLU and dropout. The net does not predict
    the root. Subclasses are methods: they set the class attributes.

    Args:
        skeleton: skeleton of the keypoints and positions.
        dropout: dropout rate of every layer. Defaults to the method's.
        info: dict. Stored in the `.keras` file as JSON.
        dtype: Keras dtype policy. Defaults to the global one; the last layer always
            computes in float32.
        units: int. Units of every layer but the last.
        num_blocks: int. Number of residual blocks. Defaults to the method's.
        centred: bool. See `LiftingNet`.
        name: str. Defaults to the method's.

    Attributes:
        method: name.
        usual_dropout: dropout rate.
        usual_blocks: number of residual blocks.
        use_bias: whether there is a bias before batch normalisation.
        slope: of the ReLU below 0.
        initializer: makes the initial weights; None for PyTorch's default.

    Raises:
        InputError: `dropout` is not in [0, 1) or `info` is not JSON.
    """

    method: str
    usual_dropout = 0.25
    usual_blocks = 4
    use_bias = True
    slope = 0.0
    initializer: Callable[[], keras.initializers.Initializer] | None = None

    def __init__(
        self,
        skeleton: Skeleton,
        dropout: float | None = None,
        info: dict[str, Any] | None = None,
        dtype: Any = None,
        units: int = 1024,
        num_blocks: int | None = None,
        centred: bool = False,
        name: str = "",
        **kwargs: Any,
    ) -> None:
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        num_blocks = self.usual_blocks if num_blocks is None else num_blocks
        rate = self.usual_dropout if dropout is None else dropout
        make = type(self).initializer or (lambda: None)
        of_layers, of_head = make(), make()

        # === Functional model ===
        blocks, joints = Blocks(policy), skeleton.num_joints

        def layer(x: Any, name: str, index: str = "", dtype: Any = None) -> Any:
            kernel = of_layers and of_layers.clone()
            dense = f"{name}_dense{index}"
            x = blocks.dense(x, units, dense, self.use_bias, kernel, dtype)
            x = blocks.norm(x, f"{name}_norm{index}")
            # As a maximum: LiteRT has no gradient of the leaky one.
            x = (
                ops.maximum(x, self.slope * x)
                if self.slope
                else blocks.relu(x, f"{name}_relu{index}")
            )
            return blocks.drop(x, rate, f"{name}_dropout{index}")

        inputs, x = blocks.keypoints(joints, skeleton.root, centred)
        x = blocks.reshape(x, (2 * joints,), "flatten")
        x = layer(x, "expand", dtype="float32")
        for i in range(num_blocks):
            y = layer(layer(x, f"block{i}", "1"), f"block{i}", "2")
            x = blocks.add([x, y], f"block{i}_add")
        x = blocks.dense(x, 3 * (joints - 1), "head", True, of_head, "float32")
        x = blocks.reshape(x, (joints - 1, 3), "positions")
        outputs = PlaceRoot(skeleton.root, name="root", dtype="float32")(x)
        name = name or self.method
        super().__init__(
            inputs, outputs, skeleton, dropout, info, policy, name, centred, **kwargs
        )

        # === Config ===
        self.units = units
        self.num_blocks = num_blocks

    @property
    def last_shared_layer(self) -> str:
        return f"block{self.num_blocks - 2}_add"

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "num_blocks": self.num_blocks,
        }
