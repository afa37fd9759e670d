"""Joint positions over time, whatever file they came from.

World frame: metres, y up. Nodes of a clip are the joints of the file's own skeleton,
end sites included, under the file's own names; `mapping` turns them into a `Skeleton`.
"""

import dataclasses
import warnings
from collections.abc import Sequence

import numpy as np

from tfpose.errors import InputError

__all__ = [
    "CMU_UNIT",
    "Clip",
    "axis_rotations",
    "check_unit",
    "euler_rotations",
    "metres_per_unit",
    "parse_numbers",
    "sample_frames",
]

# Metres in one unit of Acclaim files of `length 0.45` (CMU, HDM05), and of the BVH
# files that were converted from them.
CMU_UNIT = 0.0254 / 0.45
_UNITS = {
    "metres": 1.0,
    "CMU's units of 0.05644 m": CMU_UNIT,
    "inches": 0.0254,
    "centimetres": 0.01,
    "millimetres": 0.001,
}
# The longest way along bones from one end of a person to another (toe to finger tip,
# or finger tip to finger tip) in metres: adults, and anyone.
_ADULT_REACH = (1.5, 2.7)
_HUMAN_REACH = (0.8, 3.2)


@dataclasses.dataclass(frozen=True, eq=False)
class Clip:
    """T poses of K nodes.

    Attributes:
        file: str. Where it is from, for messages.
        nodes: K names, as in the file; an end site is `<parent>_end`.
        parents: K indices, -1 for the root; a parent comes before its children.
        positions: float32 `[T, K, 3]`, world metres, y up.
        frames: int32 `[T]`. The frame of each pose in the file, from 0.
        frame_rate: float. Frames per second of the file, before any subsampling.
        notes: what was corrected on reading, in words.
    """

    file: str
    nodes: tuple[str, ...]
    parents: tuple[int, ...]
    positions: np.ndarray
    frames: np.ndarray
    frame_rate: float
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.positions)


def axis_rotations(axis: str, degrees: np.ndarray) -> np.ndarray:
    """Rotations `[..., 3, 3]` of column vectors about "x", "y" or "z"."""
    radians = np.deg2rad(degrees)
    c, s = np.cos(radians), np.sin(radians)
    i = "xyz".index(axis)
    j, k = (i + 1) % 3, (i + 2) % 3
    rotations = np.zeros((*radians.shape, 3, 3))
    rotations[..., i, i] = 1.0
    rotations[..., j, j] = rotations[..., k, k] = c
    rotations[..., j, k] = -s
    rotations[..., k, j] = s
    return rotations


def euler_rotations(axes: Sequence[str], degrees: np.ndarray) -> np.ndarray:
    """Product of axis rotations, the first of `axes` leftmost.

    Args:
        axes: any number of "x", "y", "z".
        degrees: `[..., len(axes)]`.

    Returns:
        `[..., 3, 3]`.
    """
    degrees = np.asarray(degrees, np.float64)
    product = np.broadcast_to(np.eye(3), (*degrees.shape[:-1], 3, 3))
    for column, axis in enumerate(axes):
        product = product @ axis_rotations(axis, degrees[..., column])
    return product


def parse_numbers(text: str) -> np.ndarray:
    """float64 numbers between white space; too few of them where one is no number.

    The caller counts, and names the line.
    """
    with warnings.catch_warnings():
        # NumPy before 2.3 warns where it stops, later ones raise.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            return np.fromstring(text, sep=" ")
        except ValueError:
            return np.zeros(0)


def sample_frames(
    total: int, first: int, frame_rate: float, frames_per_second: float | None
) -> np.ndarray:
    """int32 indices of the frames to keep, from `first`; all of them for None."""
    if frames_per_second is None or frames_per_second >= frame_rate:
        return np.arange(first, total, dtype=np.int32)
    if frames_per_second <= 0:
        raise InputError(
            f"frames_per_second is {frames_per_second}, expected more than 0"
        )
    steps = np.arange(first, total - 0.5, frame_rate / frames_per_second)
    return np.rint(steps).astype(np.int32)


def _body_root(parents: Sequence[int]) -> int:
    """The first node with several children: bones above it lead to the body, as from
    a reference on the floor. Without such a node, the root.
    """
    children = np.bincount([parent for parent in parents if parent >= 0])
    return int((children > 1).argmax()) if (children > 1).any() else 0


def _reach(positions: np.ndarray, parents: Sequence[int]) -> float:
    """Length of the longest path along the body's bones in one pose `[K, 3]`."""
    deepest = np.zeros(len(parents))
    longest = 0.0
    for node in range(len(parents) - 1, _body_root(parents), -1):
        parent = parents[node]
        length = np.linalg.norm(positions[node] - positions[parent]) + deepest[node]
        longest = max(longest, deepest[parent] + length)
        deepest[parent] = max(deepest[parent], length)
    return float(longest)


def metres_per_unit(
    pose: np.ndarray, parents: Sequence[int], unit: float | None, file: str
) -> float:
    """The metres in one unit of a file, found from the size of the body.

    A body's longest path along bones (toe to finger tip) is 1.5 to 2.7 m in adults,
    and the units in use (metres, centimetres, millimetres, inches, CMU's) are so far
    apart that at most one of them fits.

    Args:
        pose: `[K, 3]` in the file's units.
        parents: K indices.
        unit: metres per unit if known, which is then only checked; None to find out.
        file: for messages.

    Raises:
        InputError: no unit, or not the given one, makes the body a human's size.
    """
    reach = _reach(pose, parents)
    if unit is not None:
        check_unit(reach * unit, file, f"with a unit of {unit:g} m")
        return unit
    low, high = _ADULT_REACH
    for metres in _UNITS.values():
        if low <= reach * metres <= high:
            return metres
    raise InputError(
        f"{file}: the skeleton's longest path along bones is {reach:.4g} units, "
        f"{low} to {high} m in none of {', '.join(_UNITS)}; give unit= in metres"
    )


def check_unit(reach: float, file: str, how: str) -> None:
    """Refuses a body whose longest path along bones is not a human's.

    Raises:
        InputError: `reach` in metres is not within 0.8 to 3.2 m.
    """
    low, high = _HUMAN_REACH
    if not low <= reach <= high:
        raise InputError(
            f"{file}: {how} the skeleton's longest path along bones is {reach:.4g} m, "
            f"expected {low} to {high} m"
        )
