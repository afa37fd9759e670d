"""The skeleton that a COCO-format category describes."""

import re
from typing import Any

from tfpose.errors import InputError
from tfpose.skeletons import SKELETONS, Skeleton

__all__ = ["joint_name", "skeleton_of_category"]

_STEMS = "eye ear shoulder elbow wrist hand hip knee ankle foot heel toe".split()
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NOT_WORD = re.compile(r"[^a-z0-9]+")
_SIDES = {"l": "left", "r": "right", "left": "left", "right": "right"}
_ALIASES = {
    "upper_neck": "neck",
    "headtop": "head_top",
    "top_head": "head_top",
    "root": "pelvis",
    "root_pelvis": "pelvis",
}


def joint_name(text: str) -> str:
    """A joint's name in the vocabulary of `tfpose/skeletons.py`.

    "Left Shoulder", "leftShoulder", "l_shoulder", "lshoulder", "shoulder_l" and
    "shoulder.left" are all `left_shoulder`; a side inside the name moves to its
    front ("medial_left_hip" is `left_medial_hip`).
    """
    words = _NOT_WORD.sub(" ", _CAMEL.sub(" ", text).lower()).split()
    if len(words) == 1 and words[0][:1] in _SIDES and words[0][1:] in _STEMS:
        words = [words[0][0], words[0][1:]]
    sides = [word for word in words if word in ("left", "right")]
    if not sides:
        sides = [word for word in (words[:1] + words[-1:]) if word in _SIDES]
    if len(words) > 1 and len(sides) == 1:
        words.remove(sides[0])
        words.insert(0, _SIDES[sides[0]])
    name = "_".join(words)
    return _ALIASES.get(name, name)


def skeleton_of_category(
    category: dict[str, Any], where: str, num_joints: int | None = None
) -> Skeleton:
    """Finds a category's joints in `SKELETONS`, else builds a skeleton of them.

    Args:
        category: dict. `keypoints` (names) and, optionally, `skeleton` (pairs from
            1, or from 0 where a 0 occurs).
        where: str. Names the file in messages.
        num_joints: int. Joints that the annotations have. Human-Art names 21 and
            labels the first 17, so that names beyond `num_joints` are dropped.

    Returns:
        A member of `SKELETONS` where names and order agree, else a skeleton called
        `custom<J>`, without OKS sigmas and without edges that name no joint.

    Raises:
        InputError: a name is empty or repeated, or a left joint has no right one.
    """
    texts = category["keypoints"][:num_joints]
    if not all(isinstance(text, str) for text in texts):
        raise InputError(f"{where}: categories: keypoint names must be texts")
    joints = tuple(joint_name(text) for text in texts)
    for skeleton in SKELETONS.values():
        # CrowdPose's own files say "head" for the top of the head.
        for spelt in (joints, tuple("head_top" if j == "head" else j for j in joints)):
            if spelt == skeleton.joints:
                return skeleton
    if "" in joints:
        raise InputError(f"{where}: categories: a keypoint has no name")
    try:
        limbs = _limbs(category.get("skeleton"), len(joints))
        return Skeleton(f"custom{len(joints)}", joints, limbs)
    except InputError as error:
        raise InputError(f"{where}: categories: {error}") from None


def _limbs(edges: Any, num_joints: int) -> tuple[tuple[int, int], ...]:
    """Edges that join two joints; some published files have edges of another set."""
    pairs = [
        tuple(edge)
        for edge in (edges if isinstance(edges, list) else [])
        if isinstance(edge, list)
        and len(edge) == 2
        and all(isinstance(end, int) for end in edge)
    ]
    first = 0 if any(0 in pair for pair in pairs) else 1
    return tuple(
        (a - first, b - first)
        for a, b in pairs
        if a != b and 0 <= a - first < num_joints and 0 <= b - first < num_joints
    )
