"""Names of our nets' tensors in the official PyTorch code.

HRNet (github.com/leoxiaobin/deep-high-resolution-net.pytorch), SimpleBaseline
(github.com/microsoft/human-pose-estimation.pytorch), torchvision's ResNet and MMPose
(github.com/open-mmlab/mmpose) have the same names for the same layers; MMPose adds the
prefixes `backbone.` or `head.`. TokenPose (github.com/leeyegy/TokenPose) has other
prefixes for HRNet's layers and its own, which differ between its nets.
"""

import dataclasses
import re
from collections.abc import Callable

import keras
import numpy as np

from tfpose.backbones.hrnet import HRNet
from tfpose.errors import InputError
from tfpose.top_down.net import HeatmapNet
from tfpose.top_down.tokens import KeypointTokens, SineCode, TokenHead
from tfpose.top_down.transfer import weighted_layers

__all__ = ["Slot", "layer_slots", "torch_constants", "torch_slots"]

# Index of a convolution and of its batch normalisation in a `Sequential`.
_PART = {"conv": 0, "bn": 1}

# A pattern of our layers' names, and a function from its groups to the official name.
# The first match is used.
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
    # A new branch is a list of such pairs, with one pair.
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
    # Downsampling is a list of pairs, upsampling one pair.
    (
        r"stage(\d)_module(\d+)_fuse(\d)_from(\d)_(conv|bn)(\d?)",
        lambda stage, module, to, source, part, step: (
            f"stage{stage}.{module}.fuse_layers.{to}.{source}."
            f"{f'{step}.' if step else ''}{_PART[part]}"
        ),
    ),
    # Convolution, normalisation and ReLU of all are in one list.
    (
        r"deconv(\d)_(conv|bn)",
        lambda i, part: f"deconv_layers.{3 * int(i) + _PART[part]}",
    ),
    (r"head", lambda: "final_layer"),
]

# Names in a layer of TokenPose, a pair of attention and perceptron with their norms.
_TOKEN_PARTS = {
    "norm1": "0.fn.norm",
    "qkv": "0.fn.fn.to_qkv",
    "projection": "0.fn.fn.to_out.0",
    "norm2": "1.fn.norm",
    "mlp1": "1.fn.fn.net.0",
    "mlp2": "1.fn.fn.net.3",
}

# The official name of a layer's variable, and the axes of its tensor in our order. A
# tensor of a transposed convolution is [in, out, h, w], ours [h, w, out, in]; other
# convolutions have [out, in, h, w], ours [h, w, in, out].
_PARTS: dict[type, dict[str, tuple[str, tuple[int, ...]]]] = {
    keras.layers.Conv2D: {"kernel": ("weight", (2, 3, 1, 0)), "bias": ("bias", (0,))},
    keras.layers.Conv2DTranspose: {
        "kernel": ("weight", (2, 3, 1, 0)),
        "bias": ("bias", (0,)),
    },
    # Ours [h, w, in, 1], theirs [in, 1, h, w].
    keras.layers.DepthwiseConv2D: {"kernel": ("weight", (2, 3, 0, 1))},
    keras.layers.Dense: {"kernel": ("weight", (1, 0)), "bias": ("bias", (0,))},
    keras.layers.LayerNormalization: {
        "gamma": ("weight", (0,)),
        "beta": ("bias", (0,)),
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
    """A variable of our net and the layout of its tensor.

    Attributes:
        variable: Keras variable.
        axes: the tensor's axes in the variable's order.
        reshaped: the tensor's shape, if some of its axes are merged or it has more
            axes; None if it has the variable's axes.
    """

    variable: keras.Variable
    axes: tuple[int, ...]
    reshaped: tuple[int, ...] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensor."""
        return self._transposed() if self.reshaped is None else self.reshaped

    def fill(self, tensor: np.ndarray) -> None:
        """Copies a tensor of `shape` into the variable."""
        tensor = tensor.reshape(self._transposed())
        self.variable.assign(np.transpose(tensor, self.axes))

    def _transposed(self) -> tuple[int, ...]:
        """The variable's shape with its axes in the tensor's order."""
        shape = [0] * len(self.axes)
        for ours, theirs in enumerate(self.axes):
            shape[theirs] = self.variable.shape[ours]
        return tuple(shape)


def torch_slots(net: keras.Model) -> dict[str, Slot]:
    """A net's variables by the official names of their tensors.

    Args:
        net: heatmap net, or only a backbone.

    Raises:
        InputError: the net has a layer that the official nets do not have.
    """
    slots = {}
    backbone_prefix, token_prefix, rules = _naming(net)
    backbone = weighted_layers(net.backbone) if token_prefix else {}
    for layer_name, layer in weighted_layers(net).items():
        name = _official_name(layer_name, rules)
        if isinstance(layer, KeypointTokens) and name:
            shape = (1, *layer.tokens.shape)
            slots[token_prefix + name] = Slot(layer.tokens, (0, 1), shape)
            continue
        if name is None or type(layer) not in _PARTS:
            raise InputError(
                f"{net.name}: layer {layer_name} is in none of the official nets"
            )
        name = (backbone_prefix if layer_name in backbone else token_prefix) + name
        slots |= layer_slots(layer, name)
        if layer_name == "patch_embedding":
            # A dense layer on a patch's rows, columns and channels as one axis.
            *patch, width = layer.kernel.shape
            slots[f"{name}.weight"] = Slot(
                layer.kernel, (1, 2, 3, 0), (width, int(np.prod(patch)))
            )
    return slots


def layer_slots(layer: keras.layers.Layer, name: str) -> dict[str, Slot]:
    """The variables of a convolution, dense layer or norm by their tensors' names.

    Args:
        layer: of a type that PyTorch has, too, or of one derived from it.
        name: its official name.
    """
    parts = next(parts for kind, parts in _PARTS.items() if isinstance(layer, kind))
    slots = {}
    for variable in layer.weights:
        suffix, axes = parts[variable.name]
        slots[f"{name}.{suffix}"] = Slot(variable, axes)
    return slots


def torch_constants(net: keras.Model) -> dict[str, np.ndarray]:
    """The official nets' constant tensors that are no variables of ours, by name.

    TokenPose has one, its positional encoding.
    """
    if not isinstance(net, HeatmapNet) or net.token_head is None:
        return {}
    layer = next(layer for layer in net.layers if isinstance(layer, SineCode))
    return {
        f"{_naming(net)[1]}pos_embedding": layer.encoding(net.token_head.width)[None]
    }


def _naming(net: keras.Model) -> tuple[str, str, list]:
    """Prefixes of the backbone's and of the tokens' names, and the rules."""
    if not isinstance(net, HeatmapNet) or net.token_head is None:
        return "", "", _RULES
    rules = [*_token_rules(net.token_head), *_RULES]
    if not isinstance(net.backbone, HRNet):
        return "", "transformer.", rules
    if not net.backbone.stage_modules:
        return "features.", "features.", rules
    return "pre_feature.", "transformer.", rules


def _token_rules(head: TokenHead) -> list[tuple[str, Callable[..., str]]]:
    # Groups of layers are numbered from 1 if there are several.
    return [
        ("patch_embedding", lambda: "patch_to_embedding"),
        ("keypoint_tokens", lambda: "keypoint_token"),
        ("tokens_norm", lambda: "mlp_head.0"),
        ("tokens_hidden", lambda: "mlp_head.1"),
        ("tokens_hidden_norm", lambda: "mlp_head.2"),
        ("head", lambda: f"mlp_head.{3 if head.hidden else 1}"),
        (
            r"tokens_group(\d)_layer(\d+)_([a-z]+\d?)",
            lambda group, layer, part: (
                f"transformer{int(group) + 1 if head.groups > 1 else ''}"
                f".layers.{layer}.{_TOKEN_PARTS[part]}"
            ),
        ),
    ]


def _official_name(layer: str, rules: list) -> str | None:
    for pattern, name in rules:
        match = re.fullmatch(pattern, layer)
        if match:
            return name(*match.groups())
    return None
