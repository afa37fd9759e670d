"""The skeleton that a COCO-format category describes."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from data_pipelines.readers.joint_sides import LEFT_RIGHT, find_pairs
from tfpose.errors import InputError
from tfpose.skeletons import SKELETONS, Skeleton

__all__ = ["joint_names", "skeleton_of_category"]

_STEMS = "eye ear shoulder elbow wrist hand hip knee ankle foot heel toe".split()
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SIDES = {"l": "left", "r": "right", "left": "left", "right": "right"}
_ALIASES = {
    "upper_neck": "neck",
    "headtop": "head_top",
    "top_head": "head_top",
    "root": "pelvis",
    "root_pelvis": "pelvis",
}


def joint_names(texts: Sequence[str]) -> tuple[str, ...]:
    """Joints' names in the vocabulary of `tfpose/skeletons.py`.

    "Left Shoulder", "leftShoulder", "l_shoulder", "lshoulder", "shoulder_l" and
    "shoulder.left" are all `left_shoulder`; a side inside the name moves to its
    front ("medial_left_hip" is `left_medial_hip`). A side that is joined to any other
    name ("leftear", "tailbaseR") is one if another joint has the other side there.
    Names in other languages keep their words.
    """
    names = [_joint_name(text) for text in texts]
    english = [
        [re.compile(f"^({words})_?|_?({words})$") for words in sides]
        for sides in LEFT_RIGHT[:2]
    ]
    for left, right in find_pairs(names):
        for patterns in english:
            rests = [
                pattern.sub("", names[index], count=1)
                for pattern, index in zip(patterns, (left, right), strict=True)
            ]
            if rests[0] == rests[1] != "" and not names[left].startswith("left_"):
                names[left], names[right] = f"left_{rests[0]}", f"right_{rests[0]}"
                break
    return tuple(_ALIASES.get(name, name) for name in names)


def _joint_name(text: str) -> str:
    text = unicodedata.normalize("NFKC", text)
    text = _CAMEL.sub(" ", text).lower()
    # Vowels of Hindi or Thai are marks, which `isalnum` leaves out.
    words = "".join(
        letter if letter.isalnum() or unicodedata.category(letter)[0] == "M" else " "
        for letter in text
    ).split()
    if len(words) == 1 and words[0][:1] in _SIDES and words[0][1:] in _STEMS:
        words = [words[0][0], words[0][1:]]
    sides = [word for word in words if word in ("left", "right")]
    if not sides:
        sides = [word for word in (words[:1] + words[-1:]) if word in _SIDES]
    if len(words) > 1 and len(sides) == 1:
        words.remove(sides[0])
        words.insert(0, _SIDES[sides[0]])
    return "_".join(words)


def skeleton_of_category(
    category: dict[str, Any], where: str, num_joints: int | None = None
) -> Skeleton:
    """Finds a category's joints in `SKELETONS`, else builds a skeleton of them.

    Args:
        category: dict. `keypoints` (names) and, optionally, `skeleton` (pairs from
            1, or from 0 where a 0 occurs) and `flip_pairs` (pairs of a left and a right
            joint, names or indices from 0).
        where: str. Names the file in messages.
        num_joints: int. Joints that the annotations have. Human-Art names 21 and
            labels the first 17, so that names beyond `num_joints` are dropped.

    Returns:
        A member of `SKELETONS` where names and order agree, else a skeleton called
        `custom<J>`, without OKS sigmas and without edges that name no joint.

    Raises:
        InputError: a name is empty or repeated, a left joint has no right one, or
            `flip_pairs` are not pairs of joints or not those of the names.
    """
    texts = category["keypoints"][:num_joints]
    if not all(isinstance(text, str) for text in texts):
        raise InputError(f"{where}: categories: keypoint names must be texts")
    joints = joint_names(texts)
    pairs = _flip_pairs(category.get("flip_pairs"), texts, joints, where)
    for skeleton in SKELETONS.values():
        # CrowdPose's own files say "head" for the top of the head.
        for spelt in (joints, tuple("head_top" if j == "head" else j for j in joints)):
            if spelt == skeleton.joints and pairs is None:
                return skeleton
    if "" in joints:
        raise InputError(f"{where}: categories: a keypoint has no name")
    try:
        limbs = _limbs(category.get("skeleton"), len(joints))
        return Skeleton(f"custom{len(joints)}", joints, limbs, mirrored=pairs)
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


def _flip_pairs(
    given: Any, texts: Sequence[str], joints: Sequence[str], where: str
) -> tuple[tuple[int, int], ...] | None:
    """Pairs (left, right) of the file or of the names; None where the joints' own
    `left_` and `right_` say the same.
    """
    named = {
        (index, joints.index(mirror))
        for index, joint in enumerate(joints)
        if joint.startswith("left_")
        and (mirror := "right_" + joint.removeprefix("left_")) in joints
    }
    found = find_pairs(joints)
    if given is None:
        # Names of other languages say their sides, too, and stay as they are.
        return tuple(found) if found and set(found) != named else None
    pairs = [_flip_pair(pair, texts, where) for pair in _list(given, where)]
    if named and {frozenset(pair) for pair in pairs} != set(map(frozenset, named)):
        raise InputError(
            f"{where}: categories: flip_pairs are {given}, expected the joints whose "
            "names say left and right"
        )
    return None if named else tuple(pairs)


def _list(given: Any, where: str) -> list[Any]:
    if isinstance(given, list):
        return given
    raise InputError(f"{where}: categories: flip_pairs is {given!r}, expected a list")


def _flip_pair(pair: Any, texts: Sequence[str], where: str) -> tuple[int, int]:
    ends = [
        texts.index(end) if isinstance(end, str) and end in texts else end
        for end in (pair if isinstance(pair, list) else [])
    ]
    if len(ends) != 2 or not all(
        type(end) is int and 0 <= end < len(texts) for end in ends
    ):
        raise InputError(
            f"{where}: categories: flip_pairs has {pair!r}, expected two keypoint "
            f"names, or indices in 0..{len(texts) - 1}"
        )
    return ends[0], ends[1]
