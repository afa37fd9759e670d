"""The published nets that find everybody by centres, by name: what describes one."""

import dataclasses
from typing import Any

from tfpose.backbones.hrnet import HRNet
from tfpose.skeletons import Skeleton, get_skeleton

__all__ = ["CentrePreset"]


@dataclasses.dataclass(frozen=True)
class CentrePreset:
    """One published net for one set of joints.

    Attributes:
        name: name of the preset.
        task: what its `info` says that it is.
        width: of its HRNet.
        short_side: shorter side of the pictures it was trained on, pixels.
        parameters: number of trainable parameters.
        multiply_adds: multiply-adds of convolutions before the slots, for a picture
            with both sides `short_side`.
        reference: the paper.
        skeleton: name of its skeleton.
        slot_multiply_adds: of the layers that each slot passes, filled or not.
    """

    name: str
    task: str
    width: int
    short_side: int
    parameters: int
    multiply_adds: int
    reference: str
    skeleton: str = "coco17"
    slot_multiply_adds: int = 0

    @property
    def info(self) -> dict[str, Any]:
        """The `info` of the preset's net in its `.keras` file."""
        return {
            "task": self.task,
            "preset": self.name,
            "short_side": self.short_side,
        }

    def parts(self) -> tuple[Skeleton, HRNet]:
        """The net's skeleton and a new backbone for pictures of any size."""
        backbone = HRNet(
            (None, None, 3), width=self.width, return_all=True, name="backbone"
        )
        return get_skeleton(self.skeleton), backbone
