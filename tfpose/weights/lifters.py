"""The published lifters by name, and the import of their PyTorch weights."""

import dataclasses
import os
from typing import Any

from tfpose.lifters.build import build_lifter
from tfpose.lifters.net import LiftingNet
from tfpose.skeletons import get_skeleton
from tfpose.weights.filling import Imported, import_named
from tfpose.weights.lifter_names import lifter_slots

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
        name: name of the preset and of the lifter in `tfpose.lifters.build.LIFTERS`.
        skeleton: name of its skeleton.
        parameters: number of trainable parameters.
        multiply_adds: multiply-adds of dense layers, graph convolutions and attention
            for one person.
        reference: the paper.
    """

    name: str
    skeleton: str
    parameters: int
    multiply_adds: int
    reference: str

    @property
    def info(self) -> dict[str, Any]:
        """The `info` of the preset's lifter in its `.keras` file."""
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
"""The lifters of PoseAug's code (arXiv:2105.02465), for Human3.6M's 16 joints."""


def build_lifter_preset(name: str) -> LiftingNet:
    """Builds the lifter of a preset in `LIFTER_PRESETS`, with its `info`."""
    preset = LIFTER_PRESETS[name]
    return build_lifter(preset.name, get_skeleton(preset.skeleton), info=preset.info)


def import_lifter(path: str | os.PathLike, net: LiftingNet) -> Imported:
    """Imports the weights of a checkpoint that PoseAug's code saved.

    Args:
        path: file written by `torch.save`: `ckpt_best.pth.tar` of the baselines,
            `ckpt_best_h36m_p1.pth.tar` and similar files of PoseAug, or a file with
            only the tensors. No code in it is executed.
        net: a new lifter. Its weights are overwritten, in part even if the file then
            does not fit.

    Returns:
        The import, with the net as `model`, whose `info` has the file's name and
        SHA-256 under `source`.

    Raises:
        InputError: the file is not a checkpoint, or tensors are missing, unexpected, of
            another shape or type, or not finite; names the first of each kind and
            counts them.
    """
    return import_named(path, net, lifter_slots(net), "PoseAug's code")
