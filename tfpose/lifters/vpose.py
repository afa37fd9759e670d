"""The lifter VPose: VideoPose3D for a single frame."""

from typing import Any

import keras

from tfpose.lifters.layers import Blocks
from tfpose.lifters.net import LiftingNet
from tfpose.skeletons import Skeleton

__all__ = ["VPose"]


@keras.saving.register_keras_serializable(package="tfpose")
class VPose(LiftingNet):
    """VideoPose3D with convolutions over one frame, which are dense layers.

    Four residual blocks of 1024 units, no bias before batch normalisation. The net does
    not predict the root. 8.49 M parameters for `h36m16`.

    Args:
        skeleton: skeleton of the keypoints and positions.
        dropout: dropout rate of every layer. Defaults to 0.25.
        info: dict. Stored in the `.keras` file as JSON.
        dtype: Keras dtype policy. Defaults to the global one; the last layer always
            computes in float32.
        units: int. Units of every layer but the last.
        num_blocks: int. Number of residual blocks.
        centred: bool. See `LiftingNet`.

    Raises:
        InputError: `dropout` is not in [0, 1) or `info` is not JSON.

    Reference: Pavllo et al., "3D human pose estimation in video with temporal
    convolutions and semi-supervised training", CVPR 2019 (arXiv:1811.11742).
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
        name: str = "vpose",
        **kwargs: Any,
    ) -> None:
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())

        # === Functional model ===
        inputs, outputs = Blocks(policy).perceptron_lifter(
            skeleton,
            centred,
            units,
            num_blocks,
            0.25 if dropout is None else dropout,
            use_bias=False,
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
