"""What the official PyTorch code calls the tensors of our nets.

HRNet (github.com/leoxiaobin/deep-high-resolution-net.pytorch), SimpleBaseline
(github.com/microsoft/human-pose-estimation.pytorch), torchvision's ResNet and MMPose
(github.com/open-mmlab/mmpose) all count the same parts by the same names; MMPose puts
`backbone.` or `head.` before them. TokenPose (github.com/leeyegy/TokenPose) puts other
words before HRNet's parts and its own, which differ from one of its nets to the other.
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

__all__ = ["Slot", "torch_constants", "torch_slots"]

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

# The same of a layer of TokenPose's, a pair of attention and perceptron, each behind
# its norm.
_TOKEN_PARTS = {
    "norm1": "0.fn.norm",
    "qkv": "0.fn.fn.to_qkv",
    "projection": "0.fn.fn.to_out.0",
    "norm2": "1.fn.norm",
    "mlp1": "1.fn.fn.net.0",
    "mlp2": "1.fn.fn.net.3",
}

# The official name of a layer's variable, and the axes of its tensor in our order.
# A tensor of a transposed convolution is [in, out, h, w], ours [h, w, out, in]; others
# are [out, in, h, w], ours [h, w, in, out].
_PARTS: dict[type, dict[str, tuple[str, tuple[int, ...]]]] = {
    keras.layers.Conv2D: {"kernel": ("weight", (2, 3, 1, 0)), "bias": ("bias", (0,))},
    keras.layers.Conv2DTranspose: {
        "kernel": ("weight", (2, 3, 1, 0)),
        "bias": ("bias", (0,)),
    },
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
    """A variable of ours and the tensor that belongs in it.

    Attributes:
        variable: Keras variable.
        axes: the tensor's axes in the variable's order.
        reshaped: the tensor's own shape, where it has its axes rolled into one or one
            more; None where it has the variable's.
    """

    variable: keras.Variable
    axes: tuple[int, ...]
    reshaped: tuple[int, ...] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the tensor."""
        return self._turned() if self.reshaped is None else self.reshaped

    def fill(self, tensor: np.ndarray) -> None:
        """Copies a tensor of `shape` into the variable."""
        tensor = tensor.reshape(self._turned())
        self.variable.assign(np.transpose(tensor, self.axes))

    def _turned(self) -> tuple[int, ...]:
        """The variable's shape with its axes in the tensor's order."""
        shape = [0] * len(self.axes)
        for ours, theirs in enumerate(self.axes):
            shape[theirs] = self.variable.shape[ours]
        return tuple(shape)


def torch_slots(net: keras.Model) -> dict[str, Slot]:
    """A net's variables by the official names of their tensors.

    Args:
        net: heatmap net or bare backbone.

    Raises:
        InputError: the net has a layer that the official ones lack.
    """
    slots = {}
    before_backbone, before_tokens, rules = _dialect(net)
    backbone = weighted_layers(net.backbone) if before_tokens else {}
    for layer_name, layer in weighted_layers(net).items():
        name = _official_name(layer_name, rules)
        if isinstance(layer, KeypointTokens) and name:
            shape = (1, *layer.tokens.shape)
            slots[before_tokens + name] = Slot(layer.tokens, (0, 1), shape)
            continue
        if name is None or type(layer) not in _PARTS:
            raise InputError(
                f"{net.name}: layer {layer_name} is in none of the official nets"
            )
        name = (before_backbone if layer_name in backbone else before_tokens) + name
        parts = _PARTS[type(layer)]
        for variable in layer.weights:
            suffix, axes = parts[variable.name]
            slot = Slot(variable, axes)
            if layer_name == "patch_embedding" and variable.name == "kernel":
                # A dense layer on a patch's rows, columns and channels in one row.
                *patch, width = variable.shape
                slot = Slot(variable, (1, 2, 3, 0), (width, int(np.prod(patch))))
            slots[f"{name}.{suffix}"] = slot
    return slots


def torch_constants(net: keras.Model) -> dict[str, np.ndarray]:
    """Tensors of the official nets that do not train and that ours have no variable
    for, by name: TokenPose's code of places."""
    if not isinstance(net, HeatmapNet) or net.token_head is None:
        return {}
    layer = next(layer for layer in net.layers if isinstance(layer, SineCode))
    return {
        f"{_dialect(net)[1]}pos_embedding": layer.encoding(net.token_head.width)[None]
    }


def _dialect(net: keras.Model) -> tuple[str, str, list]:
    """What is before the names of the backbone and of the tokens, and the rules."""
    if not isinstance(net, HeatmapNet) or net.token_head is None:
        return "", "", _RULES
    rules = [*_token_rules(net.token_head), *_RULES]
    if not isinstance(net.backbone, HRNet):
        return "", "transformer.", rules
    if not net.backbone.stage_modules:
        return "features.", "features.", rules
    return "pre_feature.", "transformer.", rules


def _token_rules(head: TokenHead) -> list[tuple[str, Callable[..., str]]]:
    # Groups of layers are counted, from 1, where there are more than one.
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
