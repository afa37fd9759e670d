"""The published lifters by name, and the import of their PyTorch weights."""

import dataclasses
import math
import os
from typing import Any

from tfpose.lifters.build import build_lifter
from tfpose.lifters.net import LiftingNet
from tfpose.skeletons import get_skeleton
from tfpose.weights.filling import (
    COUNTER,
    Imported,
    check_tensors,
    file_source,
    fill_slots,
)
from tfpose.weights.lifter_names import lifter_slots
from tfpose.weights.torch_file import read_checkpoint

__all__ = [
    "LIFTER_PRESETS",
    "LifterPreset",
    "build_lifter_preset",
    "import_lifter",
]


@dataclasses.dataclass(frozen=True)
class LifterPreset:
    """One published lifter for one set of joints.

    Attributes:
        name: of the preset and of the lifter in `tfpose.lifters.build.LIFTERS`.
        skeleton: name of its joints.
        parameters: numbers that train.
        multiply_adds: of dense layers, graphs and attention for one person.
        reference: the paper.
    """

    name: str
    skeleton: str
    parameters: int
    multiply_adds: int
    reference: str

    @property
    def info(self) -> dict[str, Any]:
        """What a lifter of this kind carries in its `.keras` file."""
        return {"task": "lifting", "preset": self.name}


LIFTER_PRESETS: dict[str, LifterPreset] = {
    preset.name: preset
    for preset in (
        LifterPreset(
            "martinez",
            "h36m16",
            4_288_557,
            4_273_152,
            "Martinez et al., ICCV 2017, arXiv:1705.03098",
        ),
        LifterPreset(
            "vpose",
            "h36m16",
            8_485_933,
            8_467_456,
            "Pavllo et al., CVPR 2019, arXiv:1811.11742",
        ),
        LifterPreset(
            "semgcn",
            "h36m16",
            267_343,
            4_510_208,
            "Zhao et al., CVPR 2019, arXiv:1904.03345",
        ),
        LifterPreset("stgcn", "h36m16", 3_627_847, 28_083_200, "Cai et al., ICCV 2019"),
    )
}
"""The four of PoseAug's code (arXiv:2105.02465), for Human3.6M's 16 joints."""


def build_lifter_preset(name: str) -> LiftingNet:
    """The lifter of a preset in `LIFTER_PRESETS`, with its `info`, freshly made."""
    preset = LIFTER_PRESETS[name]
    return build_lifter(preset.name, get_skeleton(preset.skeleton), info=preset.info)


def import_lifter(path: str | os.PathLike, net: LiftingNet) -> Imported:
    """A lifter with the weights of a checkpoint that PoseAug's code saved.

    Args:
        path: file that `torch.save` wrote: `ckpt_best.pth.tar` of its baselines,
            `ckpt_best_h36m_p1.pth.tar` and the like of PoseAug, or the tensors alone.
            Nothing in it is run.
        net: freshly built. Its weights are overwritten, in part even where the file
            turns out not to fit.

    Returns:
        With the net as `model`, whose `info` has the file's name and SHA-256 under
        `source`.

    Raises:
        InputError: no checkpoint, or tensors are missing, unexpected, of another shape
            or type, or not finite; names the first of each and counts them.
    """
    path = os.fspath(path)
    checkpoint = read_checkpoint(path)
    slots, tensors = lifter_slots(net), checkpoint.tensors
    ignored = [name for name in tensors if name.endswith(COUNTER)]
    shapes = {name: slot.shape for name, slot in slots.items()}
    label = str(net.info.get("preset", net.name))
    check_tensors(path, label, shapes, tensors, checkpoint.others, ignored)
    fill_slots(path, slots, tensors)
    net.info = net.info | {"source": file_source(path)}
    where = f"under {checkpoint.place!r} " if checkpoint.place else ""
    notes = (f"{len(slots)} tensors {where}by the names of PoseAug's code",)
    num_parameters = sum(math.prod(slot.shape) for slot in slots.values())
    return Imported(net, len(slots), num_parameters, notes)
