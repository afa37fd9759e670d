"""EfficientNet-Lite0: small, without operators that phones are slow at."""

from collections.abc import Sequence
from typing import Any

import keras

from tfpose.backbones.base import Backbone
from tfpose.backbones.blocks import Blocks
from tfpose.errors import InputError

__all__ = ["STAGES", "EfficientNetLite"]

# Of each stage: kernel size, stride, expansion, channels, number of blocks.
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
_STEM = 32
# By strides: the last stage before the map becomes smaller.
_ENDS = {2: "P2", 3: "P3", 5: "P4"}


@keras.saving.register_keras_serializable(package="tfpose")
class EfficientNetLite(Backbone):
    """EfficientNet-Lite0 without its classifier.

    Takes a normalised image `[B, H, W, C]` float, (pixel - 127) / 128 where its
    published weights are used (`image_mean`), and returns the last stage's map
    `[B, ceil(H / 32), ceil(W / 32), F]`, F = 320 of seven stages and 192 of six.
    `pyramid_outputs` has the maps at strides 4 to 32, "P2" to "P5", of 24, 40, 112 and
    F channels.

    Layer names start with their group (`stem`, `stage1`, ..., `stage7`) and count
    blocks from 0, e.g. `stage3_block1_depthwise_conv`.

    Args:
        input_shape: sequence of int. (H, W, C) in pixels. With H and W None the net
            takes any size of which 32 divides both sides.
        stages: int. 6 or 7; the last stage has a fifth of all weights.
        kernel_initializer: Keras initialiser of every convolution. Defaults to He's,
            by outputs.
        dtype: Keras dtype policy of the layers. Defaults to the global one.
        return_all: bool. See `Backbone`.

    Raises:
        InputError: `stages` is neither.

    Reference: Tan and Le, "EfficientNet", ICML 2019 (arXiv:1905.11946), and its
    authors' code of the Lite nets, which have ReLU6 and no squeeze-and-excitation.
    """

    stride = 32
    image_mean = (127 / 255,) * 3
    image_std = (128 / 255,) * 3

    def __init__(
        self,
        input_shape: Sequence[int],
        stages: int = 7,
        kernel_initializer: Any = None,
        dtype: Any = None,
        return_all: bool = False,
        name: str = "efficientnet_lite",
        **kwargs: Any,
    ) -> None:
        if stages not in (6, 7):
            raise InputError(f"stages is {stages}, expected 6 or 7")
        if kernel_initializer is None:
            kernel_initializer = keras.initializers.VarianceScaling(2.0, "fan_out")
        initializer = keras.initializers.get(kernel_initializer)
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        # As in the authors' code.
        blocks = Blocks(initializer, policy, 0.99, 1e-3, relu_limit=6.0, centred=False)

        # === Functional model ===
        inputs = keras.Input(tuple(input_shape), name="image", dtype="float32")
        x = blocks.conv_norm(inputs, _STEM, 3, 2, name="stem")
        pyramid: dict[str, Any] = {}
        for stage, (kernel, stride, expansion, channels, count) in enumerate(
            STAGES[:stages], start=1
        ):
            for i in range(count):
                x = blocks.inverted_residual(
                    x,
                    channels,
                    kernel,
                    stride if i == 0 else 1,
                    expansion,
                    name=f"stage{stage}_block{i}",
                )
            if stage in _ENDS:
                pyramid[_ENDS[stage]] = x
        pyramid["P5"] = x
        super().__init__(inputs, pyramid, policy, name, return_all, **kwargs)

        # === Config ===
        self.stages = stages
        self.kernel_initializer = initializer

    def layer_groups(self) -> dict[str, list[keras.layers.Layer]]:
        """The layers that can be frozen, by group, ordered from the input."""
        groups = ["stem", *(f"stage{stage + 1}" for stage in range(self.stages))]
        return {
            group: [
                layer for layer in self.layers if layer.name.startswith(f"{group}_")
            ]
            for group in groups
        }

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "stages": self.stages,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
