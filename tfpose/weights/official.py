"""Import of published PyTorch weights into our pose nets."""

import collections
import os
import re
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from tfpose.errors import InputError
from tfpose.top_down.net import HeatmapNet
from tfpose.weights.filling import (
    Imported,
    check_tensors,
    file_source,
    fill_slots,
    is_counter,
    unwrap,
)
from tfpose.weights.torch_file import Checkpoint, TorchTensor, read_checkpoint
from tfpose.weights.torch_names import Slot, torch_constants, torch_slots

__all__ = ["CHANNEL_ORDERS", "PROTOCOLS", "Imported", "import_weights"]

# Channel order of the images that the weights were trained on. `auto`: BGR for
# SimpleBaseline's code, which uses images as OpenCV reads them, RGB for all others.
CHANNEL_ORDERS = ("auto", "rgb", "bgr")

# Protocols of MMPose's nets: with plain heatmaps, DarkPose's and UDP's.
_MMPOSE = {
    "mmpose": {"alignment": "official", "decoder": "msra", "flip_shift": 1},
    "mmpose_dark": {"alignment": "official", "decoder": "dark", "flip_shift": 1},
    "mmpose_udp": {"alignment": "udp", "decoder": "udp", "flip_shift": 0},
}

# `auto`: the preset's protocol; for MMPose's weights, the one that the file names.
PROTOCOLS = ("auto", "preset", *_MMPOSE)

_HEAD = re.compile(
    r"final_layer\.(weight|bias)|deconv_layers\..*|(features|transformer)\.mlp_head\..*"
)

_MMPOSE_PREFIXES = ("backbone.", "keypoint_head.", "head.")

# Largest difference of a tensor that is computed, not learned, from ours.
_ROUNDING = 1e-5


def import_weights(
    path: str | os.PathLike,
    net: HeatmapNet,
    channel_order: str = "auto",
    protocol: str = "auto",
) -> Imported:
    """Imports the weights of a PyTorch checkpoint into a pose net.

    Reads checkpoints of the official code of HRNet, SimpleBaseline and TokenPose, of
    MMPose's HRNet and ResNet heatmap nets, and of ImageNet classifiers with the same
    backbones, of which only the backbone is used. The file may have only the tensors or
    a whole training state, and names with the prefixes of wrappers. No code in it is
    executed.

    Args:
        path: file written by `torch.save`.
        net: a new net with its `info`. Its weights are overwritten, in part even if the
            file then does not fit.
        channel_order: one of `CHANNEL_ORDERS`. For weights trained on BGR, the channels
            of the first kernel and of the image statistics are reversed, so that the
            result takes RGB.
        protocol: one of `PROTOCOLS`: alignment, decoder and flip shift, for the `info`.

    Returns:
        The import, with a `model` whose `info`, if it is a pose net, has the file's
        name and SHA-256 under `source`.

    Raises:
        InputError: the file is not a checkpoint, or tensors are missing, unexpected, of
            another shape or type, or not finite; names the first of each kind and
            counts them.
    """
    path = os.fspath(path)
    _check_choice("channel_order", channel_order, CHANNEL_ORDERS)
    _check_choice("protocol", protocol, PROTOCOLS)
    _refuse_caffe(path)
    known = {*torch_slots(net), *torch_constants(net)}
    checkpoint, prefix = unwrap(
        read_checkpoint(path), lambda names: _knows(names, known)
    )
    names, from_mmpose = _official_names(checkpoint)
    backbone_only = not any(_HEAD.fullmatch(name) for name in names)
    target = net.backbone if backbone_only else net
    slots, constants = torch_slots(target), torch_constants(target)
    label = str(net.info.get("preset", net.name))
    if not slots:
        raise InputError(
            f"{path}: has no head of {label}, and the net has no other weights"
        )
    ignored = _ignored(names, slots, backbone_only)
    shapes = {name: slot.shape for name, slot in slots.items()}
    shapes |= {name: constant.shape for name, constant in constants.items()}
    check_tensors(path, label, shapes, names, checkpoint.others, ignored)
    _check_constants(path, constants, names)
    fill_slots(path, slots, names)

    where = f"under {checkpoint.location!r} " if checkpoint.location else ""
    kind = "MMPose's" if from_mmpose else "the official"
    notes = [f"{len(slots)} tensors {where}with {kind} names", *_ignored_notes(ignored)]
    if prefix:
        notes.append(f"{prefix!r} taken off the tensors' names")
    if not backbone_only:
        notes += _size_notes(path, net.input_size)
    num_parameters = sum(int(np.prod(slot.shape)) for slot in slots.values())
    model = target
    if backbone_only:
        notes.append("no pose head: only a backbone, for a trainer's --init_from")
    else:
        order = _channel_order(channel_order, net, from_mmpose, slots)
        if order == "bgr":
            model = _from_bgr_to_rgb(net, slots)
            notes.append("weights trained on BGR, channels reversed: the net takes RGB")
        settings = checkpoint.notes.get("cfg") or checkpoint.notes.get("config") or ""
        used, reason = _protocol(protocol, from_mmpose, settings, path)
        model.info = _info(model.info, path, order, used, settings)
        notes.append(f"protocol {used}{reason}: " + _protocol_text(model.info))
    return Imported(model, len(slots), num_parameters, tuple(notes))


def _refuse_caffe(path: str) -> None:
    if "caffe" in os.path.basename(path).lower():
        raise InputError(
            f"{path}: its name says Caffe-style ResNet, which has its strides on the "
            "1x1 convolutions; expected PyTorch-style weights"
        )


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InputError(f"{name} is {value!r}, expected one of {', '.join(choices)}")


def _knows(names: Iterable[str], known: set[str]) -> bool:
    prefixes = ("", *_MMPOSE_PREFIXES)
    return any(
        name.removeprefix(prefix) in known for name in names for prefix in prefixes
    )


def _official_names(checkpoint: Checkpoint) -> tuple[dict[str, TorchTensor], bool]:
    """Tensors by the official names, and whether the file has MMPose's names."""
    if not any(name.startswith("backbone.") for name in checkpoint.tensors):
        return checkpoint.tensors, False
    renamed = {}
    for name, tensor in checkpoint.tensors.items():
        prefix = next((p for p in _MMPOSE_PREFIXES if name.startswith(p)), "")
        renamed[name.removeprefix(prefix)] = tensor
    return renamed, True


def _is_of_head(name: str, slots: dict[str, Slot]) -> bool:
    """Whether a classifier's tensor is of a part that the backbone does not have.

    These are the last layer, HRNet's layers before it, and the outputs of HRNet's last
    exchange that pose nets do not use.
    """
    exchange = re.match(r"stage\d\.\d+\.fuse_layers\.[1-9]\.", name)
    part = exchange.group() if exchange else f"{name.partition('.')[0]}."
    return not any(slot.startswith(part) for slot in slots)


def _check_constants(
    path: str, constants: dict[str, np.ndarray], tensors: dict[str, TorchTensor]
) -> None:
    for name, constant in constants.items():
        difference = np.abs(tensors[name].numbers().astype(np.float64) - constant).max()
        if not difference < _ROUNDING:
            raise InputError(
                f"{path}: {name} is up to {difference:.3g} away from the expected sine "
                "encoding of positions"
            )


def _ignored(
    names: Iterable[str], slots: dict[str, Slot], backbone_only: bool
) -> list[str]:
    """Tensors that the net has no place for, and needs none."""
    return [
        name
        for name in names
        if name not in slots
        and (is_counter(name) or (backbone_only and _is_of_head(name, slots)))
    ]


def _ignored_notes(ignored: list[str]) -> list[str]:
    groups = collections.Counter(
        name.partition(".")[0] for name in ignored if not is_counter(name)
    )
    if not groups:
        return []
    parts = ", ".join(f"{name}.* ({count})" for name, count in groups.items())
    return [f"not used, of a classifier: {parts}"]


def _size_notes(path: str, size: tuple[int, int]) -> list[str]:
    """A warning if the file's name gives another input size; tensors fit any size."""
    named = re.search(r"(?<!\d)(\d{3})x(\d{3})(?!\d)", os.path.basename(path))
    if not named or tuple(map(int, named.groups())) == size:
        return []
    return [
        f"warning: the file's name says {named.group()}, the net takes "
        f"{size[0]}x{size[1]}, and its metrics will be worse than published"
    ]


def _channel_order(
    channel_order: str, net: HeatmapNet, from_mmpose: bool, slots: dict[str, Slot]
) -> str:
    if channel_order != "auto":
        return channel_order
    simple_baseline = "layer4.0.conv1.weight" in slots and not from_mmpose
    return "bgr" if simple_baseline and net.deconv_filters else "rgb"


def _from_bgr_to_rgb(net: HeatmapNet, slots: dict[str, Slot]) -> HeatmapNet:
    """The net that returns for RGB what the given net returns for BGR."""
    kernel = slots["conv1.weight"].variable
    kernel.assign(keras.ops.flip(kernel, axis=2))
    config = {**net.get_config(), "backbone": net.backbone}
    config["image_mean"] = net.image_mean[::-1]
    config["image_std"] = net.image_std[::-1]
    result = HeatmapNet(**config)
    for layer in net.layers:
        if layer is not net.backbone and layer.weights:
            result.get_layer(layer.name).set_weights(layer.get_weights())
    return result


def _protocol(
    protocol: str, from_mmpose: bool, settings: str, path: str
) -> tuple[str, str]:
    """The protocol's name, and the reason for it."""
    if protocol != "auto":
        return protocol, ""
    if not from_mmpose:
        return "preset", ""
    text, reason = settings, "by the settings in the file"
    udp = r"UDPHeatmap|use_udp\s*=\s*True"
    dark = r"unbiased\s*=\s*True|post_process\s*=\s*.unbiased"
    if not text:
        text, reason = os.path.basename(path), "by the file's name; see --protocol"
        udp, dark = (rf"(^|[^a-z]){word}([^a-z]|$)" for word in ("udp", "dark"))
    for name, pattern in {"mmpose_udp": udp, "mmpose_dark": dark}.items():
        if re.search(pattern, text):
            return name, f" ({reason})"
    return "mmpose", f" ({reason})"


def _info(
    info: dict[str, Any], path: str, order: str, protocol: str, settings: str
) -> dict[str, Any]:
    """The preset's `info` with the protocol and the source."""
    if protocol != "preset":
        info = info | _MMPOSE[protocol] | _blur_kernel(protocol, settings)
    options = {"channel_order": order, "protocol": protocol}
    return info | {"source": file_source(path) | options}


def _blur_kernel(protocol: str, settings: str) -> dict[str, int]:
    """The kernel size with which MMPose blurs heatmaps before it refines peaks.

    11 for every sigma unless the settings have another size.
    """
    if protocol == "mmpose":
        return {}
    size = re.search(
        r"(?:blur_kernel_size|modulate_kernel)\s*=\s*(\d{1,2})\b", settings
    )
    return {"blur_kernel": int(size.group(1)) if size else 11}


def _protocol_text(info: dict[str, Any]) -> str:
    names = ("alignment", "decoder", "flip_shift")
    return ", ".join(f"{name} {info.get(name, 'unknown')}" for name in names)
