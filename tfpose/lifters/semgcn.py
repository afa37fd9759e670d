"""The lifter SemGCN, with semantic graph convolutions."""

from typing import Any

import keras

from tfpose.errors import InputError
from tfpose.lifters.graphs import find_neighbours
from tfpose.lifters.layers import Blocks, SemanticGraphConv, SubtractRoot
from tfpose.lifters.net import LiftingNet
from tfpose.skeletons import Skeleton

__all__ = ["SemGCN"]


@keras.saving.register_keras_serializable(package="tfpose")
class SemGCN(LiftingNet):
    """Graph convolutions along the limbs, with a learned weight per limb and direction.

    As in PoseAug's code: 128 channels, four residual blocks, no non-local layers. The
    net also predicts the root, near zero, and subtracts it, as the authors do in
    evaluation. 0.27 M parameters for `h36m16`.

    Args:
        skeleton: skeleton of the keypoints and positions; its limbs are the graph.
        dropout: dropout rate after every graph convolution but the last. Defaults to 0,
            as in PoseAug.
        info: dict. Stored in the `.keras` file as JSON.
        dtype: Keras dtype policy. Defaults to the global one; the last layer always
            computes in float32.
        channels: int. Channels per joint.
        num_blocks: int. Number of residual blocks of two graph convolutions.
        centred: bool. See `LiftingNet`.

    Raises:
        InputError: the skeleton has no limbs, `dropout` is not in [0, 1) or `info` is
            not JSON.

    Reference: Zhao et al., "Semantic Graph Convolutional Networks for 3D Human Pose
    Regression", CVPR 2019 (arXiv:1904.03345).
    """

    def __init__(
        self,
        skeleton: Skeleton,
        dropout: float | None = None,
        info: dict[str, Any] | None = None,
        dtype: Any = None,
        channels: int = 128,
        num_blocks: int = 4,
        centred: bool = False,
        name: str = "semgcn",
        **kwargs: Any,
    ) -> None:
        if not skeleton.limbs:
            raise InputError(f"skeleton {skeleton.name!r} has no limbs for semgcn")
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        blocks = Blocks(policy)
        neighbours = find_neighbours(skeleton.num_joints, skeleton.limbs)

        def layer(x: Any, name: str, index: str = "", dtype: Any = policy) -> Any:
            x = SemanticGraphConv(
                channels, neighbours, name=f"{name}_conv{index}", dtype=dtype
            )(x)
            x = blocks.norm(x, f"{name}_norm{index}")
            x = blocks.relu(x, f"{name}_relu{index}")
            return blocks.drop(x, dropout or 0.0, f"{name}_dropout{index}")

        # === Functional model ===
        joints = skeleton.num_joints
        inputs, x = blocks.keypoints(joints, skeleton.root, centred)
        x = layer(x, "expand", dtype="float32")
        for i in range(num_blocks):
            y = layer(layer(x, f"block{i}", "1"), f"block{i}", "2")
            x = blocks.add([x, y], f"block{i}_add")
        x = SemanticGraphConv(3, neighbours, name="head", dtype="float32")(x)
        outputs = SubtractRoot(skeleton.root, name="root", dtype="float32")(x)
        super().__init__(
            inputs, outputs, skeleton, dropout, info, policy, name, centred, **kwargs
        )

        # === Config ===
        self.channels = channels
        self.num_blocks = num_blocks

    @property
    def last_shared_layer(self) -> str:
        return f"block{self.num_blocks - 2}_add"

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "channels": self.channels,
            "num_blocks": self.num_blocks,
        }
