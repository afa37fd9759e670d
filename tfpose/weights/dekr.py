"""The published nets of DEKR by name, and the import of their PyTorch weights."""

import os
from collections.abc import Iterator

import numpy as np

from tfpose.logocap.dekr import DekrNet
from tfpose.weights.centre_presets import CentrePreset
from tfpose.weights.filling import Imported, import_named
from tfpose.weights.torch_names import Slot, layer_slots, torch_slots

__all__ = [
    "DEKR_PRESETS",
    "build_dekr_preset",
    "dekr_constants",
    "dekr_slots",
    "import_dekr",
]

_REFERENCE = "Geng et al., CVPR 2021, arXiv:2104.02300"

DEKR_PRESETS: dict[str, CentrePreset] = {
    name: CentrePreset(
        name, "dekr", width, side, parameters, multiply_adds, _REFERENCE, skeleton
    )
    for name, skeleton, width, side, parameters, multiply_adds in (
        ("dekr_w32", "coco17", 32, 512, 29_561_182, 45_385_056_256),
        ("dekr_w48", "coco17", 48, 640, 65_684_590, 141_526_732_800),
        ("dekr_w32_crowdpose", "crowdpose14", 32, 512, 29_522_071, 44_749_422_592),
        ("dekr_w48_crowdpose", "crowdpose14", 48, 640, 65_634_631, 140_255_846_400),
    )
}

# (row, column) of a 3x3 kernel's taps, which the checkpoints hold for every block.
_TAPS = np.array([[-1, -1, -1, 0, 0, 0, 1, 1, 1], [-1, 0, 1] * 3], np.float32)


def build_dekr_preset(name: str) -> DekrNet:
    """Builds the net of a preset in `DEKR_PRESETS`, with its `info`."""
    preset = DEKR_PRESETS[name]
    return DekrNet(*preset.parts(), info=preset.info)


def dekr_slots(net: DekrNet) -> dict[str, Slot]:
    """A net's variables by the official names of their tensors.

    Args:
        net: whose backbone is an `HRNet`.
    """
    slots = torch_slots(net.backbone)
    layer = net.dense_model.get_layer
    for ours, theirs in (
        ("heat_conv", "transition_heatmap.0"),
        ("heat_bn", "transition_heatmap.1"),
        ("heat_block_conv1", "head_heatmap.0.0.conv1"),
        ("heat_block_bn1", "head_heatmap.0.0.bn1"),
        ("heat_block_conv2", "head_heatmap.0.0.conv2"),
        ("heat_block_bn2", "head_heatmap.0.0.bn2"),
        ("heat_head", "head_heatmap.1"),
        ("offset_conv", "transition_offset.0"),
        ("offset_bn", "transition_offset.1"),
    ):
        slots |= layer_slots(layer(ours), theirs)
    for ours, theirs in _blocks(net):
        convolution = layer(f"{ours}_conv")
        slots[f"{theirs}.adapt_conv.weight"] = Slot(convolution.kernel, (2, 3, 1, 0))
        slots |= layer_slots(convolution.matrix, f"{theirs}.transform_matrix_conv")
        slots |= layer_slots(convolution.translation, f"{theirs}.translation_conv")
        slots |= layer_slots(layer(f"{ours}_bn"), f"{theirs}.bn")
    for joint in range(net.skeleton.num_joints):
        slots |= layer_slots(layer(f"joint{joint}_head"), f"offset_final_layer.{joint}")
    return slots


def dekr_constants(net: DekrNet) -> dict[str, np.ndarray]:
    """The checkpoints' tensors that are no variables of ours, by name."""
    return {f"{theirs}.regular_matrix": _TAPS for _, theirs in _blocks(net)}


def _blocks(net: DekrNet) -> Iterator[tuple[str, str]]:
    """Our and the official names of the joints' blocks, two of each joint."""
    for joint in range(net.skeleton.num_joints):
        for number in range(2):
            yield (
                f"joint{joint}_block{number}",
                f"offset_feature_layers.{joint}.{number}",
            )


def import_dekr(path: str | os.PathLike, net: DekrNet) -> Imported:
    """Imports the weights of a checkpoint that DEKR's code saved.

    Args:
        path: file written by `torch.save`, with only the tensors or a training state.
            No code in it is executed.
        net: a new net on an `HRNet`. Its weights are overwritten, in part even if the
            file then does not fit.

    Returns:
        The import, with the net as `model`, whose `info` has the file's name and
        SHA-256 under `source`.

    Raises:
        InputError: as `import_named`.
    """
    return import_named(path, net, dekr_slots(net), "DEKR's code", dekr_constants(net))
