"""ResNet, with the layers of PyTorch's."""

from collections.abc import Sequence
from typing import Any

import keras

from tfpose.backbones.base import Backbone
from tfpose.backbones.blocks import Blocks, official_initializer
from tfpose.errors import InputError

__all__ = ["DEPTHS", "ResNet"]

# Number of blocks in stages 1 to 4. Depths 50 and above have bottlenecks, the others
# basic blocks.
DEPTHS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}


@keras.saving.register_keras_serializable(package="tfpose")
class ResNet(Backbone):
    """Residual network without its classifier.

    Takes a normalised image `[B, H, W, C]` float and returns the last stage's map
    `[B, ceil(H / 32), ceil(W / 32), F]` at stride 32, F = `8 * width` for depths 18
    and 34, `32 * width` for the deeper ones. `pyramid_outputs` has the maps of stages 1
    to 4 at strides 4 to 32, "P2" to "P5".

    Layer names start with their group (`stem`, `stage1`, ..., `stage4`) and count
    blocks from 0, e.g. `stage3_block0_projection_conv`.

    Args:
        input_shape: sequence of int. (H, W, C) in pixels.
        depth: int. 18, 34, 50, 101 or 152.
        width: int. Channels of the stem. Defaults to `64`.
        kernel_initializer: Keras initialiser of every convolution. Defaults to
            N(0, 0.001), as in the official pose nets.
        dtype: Keras dtype policy of the layers. Defaults to the global one.

    Raises:
        InputError: `depth` is not one of these.

    Reference: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016
    (arXiv:1512.03385), with the stride on the 3x3 convolution of a bottleneck.
    """

    stride = 32

    def __init__(
        self,
        input_shape: Sequence[int],
        depth: int = 50,
        width: int = 64,
        kernel_initializer: Any = None,
        dtype: Any = None,
        name: str = "resnet",
        **kwargs: Any,
    ) -> None:
        if depth not in DEPTHS:
            raise InputError(
                f"ResNet depth {depth!r} is unknown; expected one of "
                f"{', '.join(map(str, DEPTHS))}"
            )
        initializer = keras.initializers.get(
            official_initializer() if kernel_initializer is None else kernel_initializer
        )
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        blocks = Blocks(initializer, policy)
        block = blocks.bottleneck if depth >= 50 else blocks.basic_block

        # === Functional model ===
        inputs = keras.Input(tuple(input_shape), name="image", dtype="float32")
        x = blocks.conv_norm(inputs, width, 7, 2, name="stem")
        # After a ReLU, padding with zeros is the same as padding with -infinity.
        x = keras.layers.ZeroPadding2D(1, name="stem_pool_pad", dtype=policy)(x)
        x = keras.layers.MaxPooling2D(3, 2, name="stem_pool", dtype=policy)(x)
        pyramid: dict[str, Any] = {}
        for stage, count in enumerate(DEPTHS[depth], start=1):
            for i in range(count):
                x = block(
                    x,
                    width * 2 ** (stage - 1),
                    2 if stage > 1 and i == 0 else 1,
                    name=f"stage{stage}_block{i}",
                )
            pyramid[f"P{stage + 1}"] = x
        super().__init__(inputs, pyramid, policy, name, **kwargs)

        # === Config ===
        self.depth = depth
        self.width = width
        self.kernel_initializer = initializer

    def layer_groups(self) -> dict[str, list[keras.layers.Layer]]:
        """The layers that can be frozen, by group, ordered from the input."""
        return {
            group: [
                layer for layer in self.layers if layer.name.startswith(f"{group}_")
            ]
            for group in ("stem", "stage1", "stage2", "stage3", "stage4")
        }

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "depth": self.depth,
            "width": self.width,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
