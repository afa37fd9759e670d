"""The lifter of Martinez et al., the "simple yet effective baseline"."""

from typing import Any

import keras

from tfpose.lifters.layers import Blocks, he_normal
from tfpose.lifters.net import LiftingNet
from tfpose.skeletons import Skeleton

__all__ = ["Martinez"]


@keras.saving.register_keras_serializable(package="tfpose")
class Martinez(LiftingNet):
    """Dense layers on all keypoints at once, with two residual blocks of 1024 units.

    As in PoseAug's code: no limit on the weights' norm, 16 joints, and the net does not
    predict the root. 4.29 M parameters for `h36m16`.

    Args:
        skeleton: skeleton of the keypoints and positions.
        dropout: dropout rate of every layer. Defaults to PoseAug's 0.25 (the paper has
            0.5).
        info: dict. Stored in the `.keras` file as JSON.
        dtype: Keras dtype policy. Defaults to the global one; the last layer always
            computes in float32.
        units: int. Units of every layer but the last.
        num_blocks: int. Number of residual blocks.
        centred: bool. See `LiftingNet`.

    Raises:
        InputError: `dropout` is not in [0, 1) or `info` is not JSON.

    Reference: Martinez et al., "A simple yet effective baseline for 3d human pose
    estimation", ICCV 2017 (arXiv:1705.03098).
    """

    def __init__(
        self,
        skeleton: Skeleton,
        dropout: float | None = None,
        info: dict[str, Any] | None = None,
        dtype: Any = None,
        units: int = 1024,
        num_blocks: int = 2,
        centred: bool = False,
        name: str = "martinez",
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
            kernel_initializer=he_normal(),
            head_initializer=he_normal(),
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
