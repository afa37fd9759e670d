"""Names of our lifters' tensors in PoseAug's code.

Its four nets (github.com/jfzhang95/PoseAug, `models_baseline`) have the names of the
projects that they are from: Martinez et al.'s in PyTorch, VideoPose3D, SemGCN, ST-GCN.
"""

import re
from collections.abc import Callable

import keras

from tfpose.errors import InputError
from tfpose.lifters.layers import SemanticGraphConv
from tfpose.lifters.martinez import Martinez
from tfpose.lifters.net import LiftingNet
from tfpose.lifters.semgcn import SemGCN
from tfpose.lifters.stgcn import STGCN
from tfpose.lifters.vpose import VPose
from tfpose.weights.torch_names import Slot

__all__ = ["lifter_slots"]

_Rules = list[tuple[str, Callable[..., str]]]

# A pattern of our layers' names, and a function from its groups to the official name.
# The first match is used.
_MARTINEZ: _Rules = [
    ("expand_dense", lambda: "w1"),
    ("expand_norm", lambda: "batch_norm1"),
    (r"block(\d+)_dense(\d)", lambda i, k: f"linear_stages.{i}.w{k}"),
    (r"block(\d+)_norm(\d)", lambda i, k: f"linear_stages.{i}.batch_norm{k}"),
    ("head", lambda: "w2"),
]
_VPOSE: _Rules = [
    ("expand_dense", lambda: "expand_conv"),
    ("expand_norm", lambda: "expand_bn"),
    # The layers of all blocks are in one list.
    (r"block(\d+)_dense(\d)", lambda i, k: f"layers_conv.{2 * int(i) + int(k) - 1}"),
    (r"block(\d+)_norm(\d)", lambda i, k: f"layers_bn.{2 * int(i) + int(k) - 1}"),
    ("head", lambda: "shrink"),
]
_SEMGCN: _Rules = [
    ("expand_conv", lambda: "gconv_input.0.gconv"),
    ("expand_norm", lambda: "gconv_input.0.bn"),
    (r"block(\d+)_conv(\d)", lambda i, k: f"gconv_layers.{i}.gconv{k}.gconv"),
    (r"block(\d+)_norm(\d)", lambda i, k: f"gconv_layers.{i}.gconv{k}.bn"),
    ("head", lambda: "gconv_output"),
]
_GRAPHS = {"joints": "stgcn.st_gcn_networks", "parts": "stgcn.st_gcn_pool"}
# Names of the layers in a graph block.
_GRAPH_PARTS = {
    "conv": "gcn.conv",
    "norm1": "tcn.0",
    "dense": "tcn.3",
    "norm2": "tcn.4",
    "projection_dense": "residual.0",
    "projection_norm": "residual.1",
}
_STGCN_LAYERS = {
    "input_norm": "data_bn",
    "body_dense": "conv4.0",
    "body_norm": "conv4.1",
    "up_dense": "conv2.0",
    "up_norm": "conv2.1",
    "attention_queries": "non_local.theta",
    "attention_keys": "non_local.phi",
    "attention_values": "non_local.g",
    "attention_dense": "non_local.W.0",
    "attention_norm": "non_local.W.1",
    "head": "fcn.1",
}
_STGCN: _Rules = [
    (
        r"(joints|parts)(\d)_(.*)",
        lambda graph, i, part: f"{_GRAPHS[graph]}.{i}.{_GRAPH_PARTS[part]}",
    ),
    (f"({'|'.join(_STGCN_LAYERS)})", lambda layer: f"stgcn.{_STGCN_LAYERS[layer]}"),
]

# The rules of a lifter, and the number of axes of length 1 at the end of its kernels,
# which are those of convolutions over frames, or over frames and joints.
_LIFTERS: dict[type[LiftingNet], tuple[_Rules, int]] = {
    Martinez: (_MARTINEZ, 0),
    VPose: (_VPOSE, 1),
    SemGCN: (_SEMGCN, 0),
    STGCN: (_STGCN, 2),
}

_NORM = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
_GRAPH_CONV = {"kernel": "W", "edges": "e", "bias": "bias"}


def lifter_slots(net: LiftingNet) -> dict[str, Slot]:
    """A lifter's variables by the official names of their tensors.

    Raises:
        InputError: it is none of the official lifters, or has a layer that they do not
            have.
    """
    if type(net) not in _LIFTERS:
        raise InputError(f"{net.name}: none of the official lifters")
    rules, ones = _LIFTERS[type(net)]
    slots = {}
    for layer in net.layers:
        for variable in layer.weights:
            suffix, slot = _slot(layer, variable, ones)
            slots[f"{_official_name(net, layer, rules)}.{suffix}"] = slot
    return slots


def _slot(layer: keras.Layer, variable: keras.Variable, ones: int) -> tuple[str, Slot]:
    """The name of a variable's tensor in its layer, and the tensor's layout."""
    axes = tuple(range(len(variable.shape)))
    if isinstance(layer, keras.layers.BatchNormalization):
        return _NORM[variable.name], Slot(variable, axes)
    if isinstance(layer, SemanticGraphConv):
        row = (1, *variable.shape) if variable.name == "edges" else None
        return _GRAPH_CONV[variable.name], Slot(variable, axes, row)
    if variable.name == "bias":
        return "bias", Slot(variable, axes)
    shape = (*variable.shape[::-1], *[1] * ones)
    return "weight", Slot(variable, (1, 0), shape)


def _official_name(net: LiftingNet, layer: keras.Layer, rules: _Rules) -> str:
    for pattern, name in rules:
        match = re.fullmatch(pattern, layer.name)
        if match:
            return name(*match.groups())
    raise InputError(
        f"{net.name}: layer {layer.name} is in none of the official lifters"
    )
