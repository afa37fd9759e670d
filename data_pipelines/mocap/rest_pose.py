"""The pose that exported motion is relative to: upright, arms out to the sides."""

import numpy as np

from tfpose.skeletons import Skeleton

__all__ = ["rest_directions"]

# Where joints are, in body heights; x to the person's left, y up, z to the front. Of a
# joint with a side the left one.
_PLACES = {
    "pelvis": (0, 0.53, 0),
    "spine": (0, 0.63, 0),
    "spine2": (0, 0.68, 0),
    "spine3": (0, 0.73, 0),
    "spine4": (0, 0.78, 0),
    "thorax": (0, 0.82, 0),
    "neck": (0, 0.85, 0),
    "head": (0, 0.93, 0),
    "head_top": (0, 1, 0),
    "nose": (0, 0.93, 0.06),
    "eye": (0.02, 0.94, 0.05),
    "ear": (0.04, 0.93, 0),
    "clavicle": (0.03, 0.82, 0),
    "shoulder": (0.11, 0.82, 0),
    "elbow": (0.29, 0.82, 0),
    "wrist": (0.44, 0.82, 0),
    "hand": (0.5, 0.82, 0),
    "hip": (0.05, 0.53, 0),
    "knee": (0.05, 0.28, 0),
    "ankle": (0.05, 0.04, 0),
    "foot": (0.05, 0.01, 0.06),
    "toe": (0.05, 0, 0.12),
}


def rest_directions(skeleton: Skeleton) -> np.ndarray:
    """Unit vectors `[J, 3]` from each joint's parent to it, x to the person's left, y
    up, z to the front; NaN for the root, and where either joint has no known place.

    Raises:
        InputError: the limbs do not reach every joint.
    """
    places = np.array([_place(name) for name in skeleton.joints])
    parents = np.array(skeleton.parents)
    ways = np.where(parents[:, None] < 0, np.nan, places - places[parents])
    return ways / np.linalg.norm(ways, axis=1, keepdims=True)


def _place(name: str) -> tuple[float, float, float]:
    side, _, part = name.partition("_")
    x, y, z = _PLACES.get(part if side in ("left", "right") else name, (np.nan,) * 3)
    return (-x if side == "right" else x), y, z
