"""The published nets of LOGO-CAP by name, and the import of their PyTorch weights."""

import os

from tfpose.logocap.message_passing import AttentiveNorm
from tfpose.logocap.net import LogoCapNet
from tfpose.weights.centre_presets import CentrePreset
from tfpose.weights.filling import Imported, import_named
from tfpose.weights.torch_names import Slot, layer_slots, torch_slots

__all__ = [
    "LOGOCAP_PRESETS",
    "build_logocap_preset",
    "import_logocap",
    "logocap_slots",
]


_REFERENCE = "Xue et al., CVPR 2022, arXiv:2109.03622"
_SLOT = 785_324_160

LOGOCAP_PRESETS: dict[str, CentrePreset] = {
    f"logocap_w{width}": CentrePreset(
        f"logocap_w{width}",
        "logocap",
        width,
        side,
        parameters,
        multiply_adds,
        _REFERENCE,
        slot_multiply_adds=_SLOT,
    )
    for width, side, parameters, multiply_adds in (
        (32, 512, 35_991_429, 44_149_243_904),
        (48, 640, 72_107_333, 139_405_312_000),
    )
}


def build_logocap_preset(name: str) -> LogoCapNet:
    """Builds the net of a preset in `LOGOCAP_PRESETS`, with its `info`."""
    preset = LOGOCAP_PRESETS[name]
    return LogoCapNet(*preset.parts(), info=preset.info)


def logocap_slots(net: LogoCapNet) -> dict[str, Slot]:
    """A net's variables by the official names of their tensors.

    Args:
        net: whose backbone is an `HRNet`.
    """
    slots = {f"backbone.{k}": slot for k, slot in torch_slots(net.backbone).items()}
    layer = net.dense_model.get_layer
    for ours, theirs, head in (
        ("heat", "transition_cls", "final_layer_cls"),
        ("offset", "transition_reg", "final_layer_reg"),
        ("feature", "transition_embedding", ""),
    ):
        slots |= layer_slots(layer(f"{ours}_conv"), f"{theirs}.0")
        slots |= layer_slots(layer(f"{ours}_norm"), f"{theirs}.1")
        if head:
            slots |= layer_slots(layer(f"{ours}_head"), head)
    # Convolution, norm and ReLU of all are in one list, which the head ends.
    passing = net.message_passing
    pairs = list(zip(passing.convolutions, passing.norms, strict=True))
    for number, (convolution, norm) in enumerate(pairs):
        slots |= layer_slots(convolution, f"joints_mlp.{3 * number}")
        name = f"joints_mlp.{3 * number + 1}"
        if not isinstance(norm, AttentiveNorm):
            slots |= layer_slots(norm, name)
            continue
        slots |= layer_slots(norm.norm, name)
        slots[f"{name}.weight_"] = Slot(norm.scales, (0, 1))
        slots[f"{name}.bias_"] = Slot(norm.shifts, (0, 1))
        mixing, affines = norm.attention.kernel.shape
        slots[f"{name}.attn_weights.attention.0.weight"] = Slot(
            norm.attention.kernel, (1, 0), (affines, mixing, 1, 1)
        )
    return slots | layer_slots(passing.head, f"joints_mlp.{3 * len(pairs)}")


def import_logocap(path: str | os.PathLike, net: LogoCapNet) -> Imported:
    """Imports the weights of a checkpoint that LOGO-CAP's code saved.

    Args:
        path: file written by `torch.save`, with only the tensors or a training state.
            No code in it is executed.
        net: a new net on an `HRNet`. Its weights are overwritten, in part even if the
            file then does not fit.

    Returns:
        The import, with the net as `model`, whose `info` has the file's name and
        SHA-256 under `source`.

    Raises:
        InputError: the file is not a checkpoint, or tensors are missing, unexpected, of
            another shape or type, or not finite; names the first of each kind and
            counts them.
    """
    return import_named(path, net, logocap_slots(net), "LOGO-CAP's code")
