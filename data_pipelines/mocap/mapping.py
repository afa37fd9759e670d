"""Joint names of motion capture files to the joints of a `Skeleton`.

Files name joints in a handful of ways; each is a row of `_RIGS`. Names are compared
without case, punctuation and name-space prefix (`mixamorig:LeftUpLeg`).

No two rigs put their joints at quite the same places. The nearest is taken:

    pelvis     midpoint of the hips, with every rig: the root of CMU and HDM05 is some
               0.1 m above it
    spine      end of the lowest of CMU's vertebrae, about halfway up the trunk
    thorax     where neck and collar bones start; with CMU and HDM05 below the line of
               the shoulders, which their collar bones rise to
    neck       end of the lower of two neck bones; with one neck bone, its end
    head       end of the upper neck bone; else midway between neck and head_top
    head_top   end of the head bone. Blender's face rig has none: the face's own end
               is taken, lower by some 0.1 m, and a note says so
    wrist      end of the bone `wrist` (the outer third of the forearm) with CMU and
               HDM05, not of `radius`
"""

import dataclasses
import re

import numpy as np

from data_pipelines.mocap.clip import Clip
from tfpose.errors import InputError
from tfpose.skeletons import Skeleton

__all__ = ["map_joints"]


@dataclasses.dataclass(frozen=True)
class _Rig:
    """How one family of files names joints.

    Values are nodes; `a+b` is their mean, `x|y` the first that the file has. In
    `sides`, {side} is left or right and {s} its first letter.
    """

    name: str
    centre: dict[str, str]
    sides: dict[str, str]
    note: str = ""

    def sources(self, joint: str) -> list[list[str]]:
        """Alternatives for a joint, each a list of nodes to average."""
        if joint == "pelvis":
            left, right = self.sources("left_hip"), self.sources("right_hip")
            return [a + b for a, b in zip(left, right, strict=True)]
        side, _, part = joint.partition("_")
        if side in ("left", "right"):
            rule = self.sides.get(part, "").format(side=side, s=side[0])
        else:
            rule = self.centre.get(joint, "")
        return [choice.split("+") for choice in rule.split("|") if choice]


_RIGS = (
    _Rig(
        "CMU and HDM05 (Acclaim)",
        {
            "spine": "lowerback",
            "thorax": "thorax",
            "neck": "lowerneck",
            "head": "upperneck",
            "head_top": "head",
        },
        {
            "hip": "{s}hipjoint",
            "knee": "{s}femur",
            "ankle": "{s}tibia",
            "shoulder": "{s}clavicle",
            "elbow": "{s}humerus",
            "wrist": "{s}wrist",
        },
    ),
    _Rig(
        "CMU as BVH for MotionBuilder",
        {
            "spine": "spine",
            "thorax": "neck",
            "neck": "neck1",
            "head": "head",
            "head_top": "headend",
        },
        {
            "hip": "{side}upleg",
            "knee": "{side}leg",
            "ankle": "{side}foot",
            "shoulder": "{side}arm",
            "elbow": "{side}forearm",
            "wrist": "{side}fingerbase",
        },
    ),
    _Rig(
        "CMU as BVH for 3ds Max",
        {
            "spine": "chest",
            "thorax": "lowerneck",
            "neck": "neck",
            "head": "head",
            "head_top": "headend",
        },
        {
            "hip": "{side}hip",
            "knee": "{side}knee",
            "ankle": "{side}ankle",
            "shoulder": "{side}shoulder",
            "elbow": "{side}elbow",
            "wrist": "{s}hand",
        },
    ),
    _Rig(
        "MotionBuilder and Mixamo",
        {
            "spine": "spine1|spine",
            "thorax": "neck",
            "neck": "head",
            "head": "head+headtopend|head+headend",
            "head_top": "headtopend|headend",
        },
        {
            "hip": "{side}upleg",
            "knee": "{side}leg",
            "ankle": "{side}foot",
            "shoulder": "{side}arm",
            "elbow": "{side}forearm",
            "wrist": "{side}hand",
        },
    ),
    _Rig(
        "3ds Max and Poser",
        {
            "spine": "chest",
            "thorax": "neck",
            "neck": "head",
            "head": "head+headend",
            "head_top": "headend",
        },
        {
            "hip": "{side}hip",
            "knee": "{side}knee",
            "ankle": "{side}ankle",
            "shoulder": "{side}shoulder",
            "elbow": "{side}elbow",
            "wrist": "{side}wrist",
        },
    ),
    _Rig(
        "Blender",
        {
            "spine": "spine001",
            "thorax": "neck",
            "head": "face",
            "head_top": "faceend",
        },
        {
            "hip": "thigh{s}",
            "knee": "shin{s}",
            "ankle": "foot{s}",
            "shoulder": "upperarm{s}",
            "elbow": "forearm{s}",
            "wrist": "hand{s}|forearm{s}end",
        },
        note="head_top is the end of the face",
    ),
)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.rpartition(":")[2].lower())


def map_joints(clip: Clip, skeleton: Skeleton) -> tuple[np.ndarray, tuple[str, ...]]:
    """The clip's poses with the joints of a skeleton.

    Args:
        clip: T poses.
        skeleton: J joints to make.

    Returns:
        float32 `[T, J, 3]`, metres, y up; and notes on what is not quite as named.

    Raises:
        InputError: names the joints that no way of naming them finds in the clip.
    """
    nodes = {_plain(name): row for row, name in enumerate(clip.nodes)}
    best: dict[str, list[int]] = {}
    chosen = _RIGS[0]
    for rig in _RIGS:
        found = {}
        for joint in skeleton.joints:
            for choice in rig.sources(joint):
                if set(choice) <= set(nodes):
                    found[joint] = [nodes[name] for name in choice]
                    break
        if len(found) > len(best):
            best, chosen = found, rig
    missing = [joint for joint in skeleton.joints if joint not in best]
    if missing:
        way = f" (named as in {chosen.name})" if best else ""
        raise InputError(
            f"{clip.file}: no {', '.join(missing)} of skeleton {skeleton.name!r} among "
            f"its joints {', '.join(clip.nodes)}{way}"
        )
    rows = [best[joint] for joint in skeleton.joints]
    positions = np.stack([clip.positions[:, row].mean(axis=1) for row in rows], axis=1)
    noted = chosen.note and "head_top" in skeleton.joints
    return positions.astype(np.float32), (chosen.note,) if noted else ()
