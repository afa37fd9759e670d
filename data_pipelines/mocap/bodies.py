"""Whether mapped clips are human bodies that stand up along y.

A wrong mapping, a mirrored file or another vertical axis trains without a complaint;
each breaks one of these.
"""

import numpy as np

from tfpose.errors import InputError
from tfpose.skeletons import Skeleton

__all__ = ["check_body", "check_upright"]

# Metres, of any limb between two joints of a skeleton; sides by their ratio.
_LIMB = (0.03, 0.75)
_SIDES_RATIO = 1.4
# The sine of an angle between thigh and shank that tells forward from backward.
_BENT = 0.35
# How far a mean trunk (a unit vector) points along an axis that it is upright along.
_UPRIGHT = 0.8


def check_body(positions: np.ndarray, skeleton: Skeleton, file: str) -> None:
    """Refuses a clip whose limbs are not of human lengths or whose knees bend backward.

    Args:
        positions: `[T, J, 3]`, world metres, y up.
        skeleton: of the J joints.
        file: for messages.

    Raises:
        InputError: says what does not hold.
    """
    mirror = skeleton.flip_permutation
    names = skeleton.joints
    for a, b in skeleton.limbs:
        ends = positions[:, [a, mirror[a]]] - positions[:, [b, mirror[b]]]
        length, other = np.median(np.linalg.norm(ends, axis=2), axis=0)
        if not _LIMB[0] <= length <= _LIMB[1]:
            raise InputError(
                f"{file}: {names[a]} to {names[b]} is {length:.3f} m, expected "
                f"{_LIMB[0]} to {_LIMB[1]}"
            )
        if length > _SIDES_RATIO * other:
            raise InputError(
                f"{file}: {names[a]} to {names[b]} is {length:.3f} m, and "
                f"{other:.3f} m on the other side"
            )
    wanted = {f"left_{joint}" for joint in ("hip", "knee", "ankle")}
    if wanted <= set(names):
        _check_knees(positions.astype(np.float64), skeleton, file)


def _sides(positions: np.ndarray, skeleton: Skeleton, joint: str) -> np.ndarray:
    rows = [skeleton.index(f"{side}_{joint}") for side in ("left", "right")]
    return positions[:, rows]


def _check_knees(positions: np.ndarray, skeleton: Skeleton, file: str) -> None:
    hips, knees, ankles = (
        _sides(positions, skeleton, joint) for joint in ("hip", "knee", "ankle")
    )
    thighs, shanks = knees - hips, ankles - knees
    # The axis that a knee turns about: to the left where it bends as knees do,
    # whatever the trunk does.
    axes = np.cross(thighs, shanks)
    whole = np.linalg.norm(thighs, axis=2) * np.linalg.norm(shanks, axis=2)
    bent = np.linalg.norm(axes, axis=2) > _BENT * whole
    forward = np.sum(axes * (hips[:, :1] - hips[:, 1:]), axis=2) > 0
    if bent.sum() >= 10 and np.mean(forward[bent]) < 0.25:
        raise InputError(
            f"{file}: knees bend backward; left and right are swapped, or all is "
            "mirrored"
        )


def check_upright(positions: np.ndarray, skeleton: Skeleton, who: str) -> None:
    """Refuses poses whose trunks point along another axis than y all the time.

    Args:
        positions: `[T, J, 3]`, all poses of a person.
        skeleton: of the J joints; without hips and shoulders nothing is looked at.
        who: for the message.

    Raises:
        InputError: says along which axis they point.
    """
    if not {"left_hip", "left_shoulder"} <= set(skeleton.joints):
        return
    trunks = _sides(positions, skeleton, "shoulder").mean(axis=1)
    trunks = trunks - _sides(positions, skeleton, "hip").mean(axis=1)
    trunks /= np.linalg.norm(trunks, axis=1, keepdims=True).clip(1e-6)
    mean = trunks.mean(axis=0)
    axis = int(np.abs(mean).argmax())
    if mean[1] < -_UPRIGHT or (axis != 1 and abs(mean[axis]) > _UPRIGHT):
        sign = "-" if mean[axis] < 0 else ""
        raise InputError(f"{who} is upright along {sign}{'xyz'[axis]}, expected y")
