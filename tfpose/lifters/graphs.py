"""A skeleton as a graph, for lifters that pass messages along it."""

from collections.abc import Sequence

import numpy as np

from tfpose.errors import InputError
from tfpose.skeletons import Skeleton

__all__ = ["PARTS", "body_parts", "find_neighbours", "hop_distances", "partition"]

# The parts that ST-GCN pools over, in its order. What is of no side, or of the head, is
# trunk.
PARTS = ("left arm", "right arm", "left leg", "right leg", "trunk")
_ARM = ("clavicle", "shoulder", "elbow", "wrist", "hand")
_LEG = ("hip", "knee", "ankle", "foot", "toe")


def find_neighbours(num_joints: int, limbs: Sequence[Sequence[int]]) -> np.ndarray:
    """J x J bool: true where a limb joins two joints, and on the diagonal."""
    neighbours = np.eye(num_joints, dtype=bool)
    for first, second in limbs:
        neighbours[first, second] = neighbours[second, first] = True
    return neighbours


def hop_distances(neighbours: np.ndarray, start: int) -> np.ndarray:
    """Limbs between `start` and each joint, `[J]`; J where there is no way."""
    distances = np.full(len(neighbours), len(neighbours))
    reached = np.arange(len(neighbours)) == start
    for hops in range(len(neighbours)):
        distances[reached & (distances > hops)] = hops
        reached = neighbours[reached].any(axis=0)
    return distances


def partition(
    limbs: Sequence[Sequence[int]],
    mirrors: Sequence[Sequence[int]],
    distances: np.ndarray,
) -> np.ndarray:
    """ST-GCN's four kinds of neighbours.

    Args:
        limbs: pairs of joints.
        mirrors: pairs of joints of two sides, neighbours too.
        distances: `[J]`, each joint's from the middle of the body.

    Returns:
        `[4, J, J]` float: A[k, v, w] is what v gives to w, one over the number of w's
        neighbours, if v is of kind k: itself, farther from the middle, nearer to it, or
        a mirror (and any other at the same distance).

    Reference: Cai et al., "Exploiting Spatial-temporal Relationships for 3D Pose
    Estimation via Graph Convolutional Networks", ICCV 2019, section 3.2.
    """
    joints = len(distances)
    neighbours = find_neighbours(joints, [*limbs, *mirrors])
    itself = np.eye(joints, dtype=bool)
    alike = find_neighbours(joints, mirrors) | (distances[:, None] == distances)
    farther = distances[:, None] > distances
    kinds = [itself, farther & ~alike, ~farther & ~alike, alike & ~itself]
    return np.stack([kind & neighbours for kind in kinds]) / neighbours.sum(axis=0)


def body_parts(skeleton: Skeleton) -> tuple[tuple[int, ...], ...]:
    """Joints of each of `PARTS`.

    Raises:
        InputError: a part has none.
    """
    parts: dict[str, list[int]] = {part: [] for part in PARTS}
    for joint, name in enumerate(skeleton.joints):
        side, _, rest = name.partition("_")
        limb = "arm" if rest in _ARM else "leg" if rest in _LEG else ""
        parts.get(f"{side} {limb}", parts["trunk"]).append(joint)
    for part, joints in parts.items():
        if not joints:
            names = {"arm": _ARM, "leg": _LEG}.get(part.split()[-1])
            wanted = f"any of {', '.join(names)}" if names else "any of no side"
            raise InputError(
                f"skeleton {skeleton.name!r} has no joint of the {part}, which stgcn "
                f"pools over; expected {wanted}"
            )
    return tuple(map(tuple, parts.values()))
