"""ISO's lifter: that of Martinez et al., deeper and with leaky ReLU."""

from typing import Any

import keras

from tfpose.lifters.layers import Blocks
from tfpose.lifters.net import LiftingNet
from tfpose.skeletons import Skeleton

__all__ = ["ISOLifter"]

_SLOPE = 0.01


@keras.saving.register_keras_serializable(package="tfpose")
class ISOLifter(LiftingNet):
    """Dense layers on all keypoints at once, with four residual blocks of 1024 units.

    As the paper's network details have it: a dense layer and three blocks that two
    heads share, and a head of one block and a dense layer. Leaky ReLU with slope 0.01
    below 0 and the initial weights are PyTorch's defaults; the paper does not say.
    8.50 M parameters for `h36m16`.

    Args:
        skeleton: skeleton of the keypoints and positions.
        dropout: dropout rate of every layer. Defaults to the paper's 0.5.
        info: dict. Stored in the `.keras` file as JSON.
        dtype: Keras dtype policy. Defaults to the global one; the last layer always
            computes in float32.
        units: int. Units of every layer but the last.
        num_blocks: int. Number of residual blocks.
        centred: bool. See `LiftingNet`.

    Raises:
        InputError: `dropout` is not in [0, 1) or `info` is not JSON.

    Reference: Zhang, Nie and Feng, "Inference Stage Optimization for Cross-scenario 3D
    Human Pose Estimation", NeurIPS 2020, section 3.3.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        dropout: float | None = None,
        info: dict[str, Any] | None = None,
        dtype: Any = None,
        units: int = 1024,
        num_blocks: int = 4,
        centred: bool = False,
        name: str = "iso",
        **kwargs: Any,
    ) -> None:
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())

        # === Functional model ===
        inputs, outputs = Blocks(policy).perceptron_lifter(
            skeleton,
            centred,
            units,
            num_blocks,
            0.5 if dropout is None else dropout,
            slope=_SLOPE,
        )
        super().__init__(
            inputs,
            outputs,
            skeleton,
            dropout,
            info,
            policy,
            name,
            centred,
            **kwargs,
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
