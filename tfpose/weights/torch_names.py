"""What the official PyTorch code calls the tensors of our nets.

HRNet (github.com/leoxiaobin/deep-high-resolution-net.pytorch), SimpleBaseline
(github.com/microsoft/human-pose-estimation.pytorch), torchvision's ResNet and MMPose
(github.com/open-mmlab/mmpose) all count the same parts by the same names; MMPose puts
`backbone.` or `head.` before them.
"""

import dataclasses
import re
from collections.abc import Callable

import keras
import numpy as np

from tfpose.errors import InputError
from tfpose.top_down.transfer import weighted_layers

__all__ = ["Slot", "torch_slots"]

# Where a convolution and its batch normalisation are in a `Sequential`.
_PART = {"conv": 0, "bn": 1}

# Our layer's name, and the official one made of the match's groups. The first match
# counts. Groups that are None or empty are left out of what they are.
_RULES: list[tuple[str, Callable[..., str]]] = [
    (r"stem_(conv|bn)(\d?)", lambda part, n: f"{part}{n or 1}"),
    (
        r"stage(\d)_block(\d+)_(conv|bn)(\d)",
        lambda stage, block, part, n: f"layer{stage}.{block}.{part}{n}",
    ),
    (
        r"stage(\d)_block(\d+)_projection_(conv|bn)",
        lambda stage, block, part: f"layer{stage}.{block}.downsample.{_PART[part]}",
    ),
    (r"transition1_branch0_(conv|bn)", lambda part: f"transition1.0.{_PART[part]}"),
    # A new branch is a chain of such pairs, of one.
    (
        r"transition(\d)_branch(\d)_(conv|bn)",
        lambda n, branch, part: f"transition{n}.{branch}.0.{_PART[part]}",
    ),
    (
        r"stage(\d)_module(\d+)_branch(\d)_block(\d+)_(conv|bn)(\d)",
        lambda stage, module, branch, block, part, n: (
            f"stage{stage}.{module}.branches.{branch}.{block}.{part}{n}"
        ),
    ),
    # Downwards in a chain of pairs, upwards in one.
    (
        r"stage(\d)_module(\d+)_fuse(\d)_from(\d)_(conv|bn)(\d?)",
        lambda stage, module, to, source, part, step: (
            f"stage{stage}.{module}.fuse_layers.{to}.{source}."
            f"{f'{step}.' if step else ''}{_PART[part]}"
        ),
    ),
    # Convolution, normalisation and ReLU of each in one row.
    (
        r"deconv(\d)_(conv|bn)",
        lambda i, part: f"deconv_layers.{3 * int(i) + _PART[part]}",
    ),
    (r"head", lambda: "final_layer"),
]

# The official name of a layer's variable, and the axes of its tensor in our order.
# A tensor of a transposed convolution is [in, out, h, w], ours [h, w, out, in]; others
# are [out, in, h, w], ours [h, w, in, out].
_PARTS: dict[type, dict[str, tuple[str, tuple[int, ...]]]] = {
    keras.layers.Conv2D: {"kernel": ("weight", (2, 3, 1, 0)), "bias": ("bias", (0,))},
    keras.layers.Conv2DTranspose: {
        "kernel": ("weight", (2, 3, 1, 0)),
        "bias": ("bias", (0,)),
    },
    keras.layers.BatchNormalization: {
        "gamma": ("weight", (0,)),
        "beta": ("bias", (0,)),
        "moving_mean": ("running_mean", (0,)),
        "moving_variance": ("running_var", (0,)),
    },
}


@dataclasses.dataclass(frozen=True)
class Slot:
    """A variable of ours and the tensor that belongs in it.

    Attributes:
        variable: Keras variable.
        axes: the tensor's axes in the variable's order.
    """

    variable: keras.Variable
    axes: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the tensor."""
        shape = [0] * len(self.axes)
        for ours, theirs in enumerate(self.axes):
            shape[theirs] = self.variable.shape[ours]
        return tuple(shape)

    def fill(self, tensor: np.ndarray) -> None:
        """Copies a tensor of `shape` into the variable."""
        self.variable.assign(np.transpose(tensor, self.axes))


def torch_slots(net: keras.Model) -> dict[str, Slot]:
    """A net's variables by the official names of their tensors.

    Args:
        net: heatmap net or bare backbone.

    Raises:
        InputError: the net has a layer that the official ones lack.
    """
    slots = {}
    for layer_name, layer in weighted_layers(net).items():
        name = _official_name(layer_name)
        if name is None or type(layer) not in _PARTS:
            raise InputError(
                f"{net.name}: layer {layer_name} is in none of the official nets"
            )
        parts = _PARTS[type(layer)]
        for variable in layer.weights:
            suffix, axes = parts[variable.name]
            slots[f"{name}.{suffix}"] = Slot(variable, axes)
    return slots


def _official_name(layer: str) -> str | None:
    for pattern, name in _RULES:
        match = re.fullmatch(pattern, layer)
        if match:
            return name(*match.groups())
    return None
