"""DEKR's published rescoring nets by name, and the import of their weights."""

import dataclasses
import os

from tfpose.logocap.pose_scorer import PoseScorer
from tfpose.skeletons import get_skeleton
from tfpose.weights.filling import Imported, import_named
from tfpose.weights.torch_names import Slot, layer_slots

__all__ = [
    "SCORER_PRESETS",
    "ScorerPreset",
    "build_scorer_preset",
    "import_scorer",
]


@dataclasses.dataclass(frozen=True)
class ScorerPreset:
    """One published rescoring net.

    Attributes:
        name: name of the preset.
        skeleton: name of its skeleton.
        links: pairs of joints, from one to the other, in the code's order.
        parameters: number of trainable parameters.
    """

    name: str
    skeleton: str
    links: tuple[tuple[int, int], ...]
    parameters: int


# Its code calls the mean of these two links the torso. They are its sides in COCO's
# list, and left thigh and left calf in CrowdPose's.
_UNITS = (9, 11)
_COCO = (
    *((0, 1), (0, 2), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 6), (5, 7), (5, 11)),
    *((6, 8), (6, 12), (7, 9), (8, 10), (11, 12), (11, 13), (12, 14), (13, 15)),
    (14, 16),
)
_CROWDPOSE = (
    *((12, 13), (13, 0), (13, 1), (0, 2), (1, 3), (2, 4), (3, 5), (0, 6), (1, 7)),
    *((6, 8), (7, 9), (8, 10), (9, 11), (6, 7), (0, 1)),
)

SCORER_PRESETS: dict[str, ScorerPreset] = {
    preset.name: preset
    for preset in (
        ScorerPreset("dekr_scorer", "coco17", _COCO, 85_249),
        ScorerPreset("dekr_scorer_crowdpose", "crowdpose14", _CROWDPOSE, 81_409),
    )
}


def build_scorer_preset(name: str) -> PoseScorer:
    """Builds the net of a preset in `SCORER_PRESETS`, with its `info`."""
    preset = SCORER_PRESETS[name]
    info = {"task": "pose_scorer", "preset": name}
    return PoseScorer(get_skeleton(preset.skeleton), preset.links, _UNITS, info=info)


def import_scorer(path: str | os.PathLike, net: PoseScorer) -> Imported:
    """Imports the weights of a checkpoint that DEKR's code saved.

    Args:
        path: file written by `torch.save`. No code in it is executed.
        net: a new net. Its weights are overwritten, in part even if the file then does
            not fit.

    Returns:
        The import, with the net as `model`, whose `info` has the file's name and
        SHA-256 under `source`.

    Raises:
        InputError: as `import_named`.
    """
    slots: dict[str, Slot] = {}
    for number, layer in enumerate(net.layers_in_order, start=1):
        slots |= layer_slots(layer, f"l{number}")
    return import_named(path, net, slots, "DEKR's code")
