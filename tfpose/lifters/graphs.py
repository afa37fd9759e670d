"""Skeletons as graphs, for lifters with graph convolutions."""

from collections.abc import Sequence

import numpy as np

from tfpose.errors import InputError
from tfpose.skeletons import Skeleton

__all__ = ["PARTS", "body_parts", "find_neighbours", "hop_distances", "partition"]

# The parts that ST-GCN pools over, in its order. Joints of no side, and those of the
# head, belong to the trunk.
PARTS = ("left arm", "right arm", "left leg", "right leg", "trunk")
_ARM = ("clavicle", "shoulder", "elbow", "wrist", "hand")
_LEG = ("hip", "knee", "ankle", "foot", "toe")


def find_neighbours(num_joints: int, limbs: Sequence[Sequence[int]]) -> np.ndarray:
    """Adjacency of joints, bool `[J, J]`: true along limbs and on the diagonal.

    Args:
        num_joints: J.
        limbs: pairs of joint indices.
    """
    neighbours = np.eye(num_joints, dtype=bool)
    for first, second in limbs:
        neighbours[first, second] = neighbours[second, first] = True
    return neighbours


def hop_distances(neighbours: np.ndarray, start: int) -> np.ndarray:
    """Number of limbs between `start` and each joint, `[J]`; J where not connected.

    Args:
        neighbours: bool `[J, J]`, see `find_neighbours`.
        start: index of a joint.
    """
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
    """Partitions the neighbours of each joint into ST-GCN's four kinds.

    Args:
        limbs: pairs of joints.
        mirrors: left-right pairs of joints, which count as neighbours too.
        distances: `[J]`, distance of each joint from the centre of the body.

    Returns:
        Float `[4, J, J]`: A[k, v, w] is the weight of v for w, 1 over the number of w's
        neighbours if v is a neighbour of kind k, otherwise 0. The kinds: the joint
        itself, farther from the centre, nearer to it, and its mirror joint (or any
        other neighbour at the same distance).

    Reference: Cai et al., "Exploiting Spatial-temporal Relationships for 3D Pose
    Estimation via Graph Convolutional Networks", ICCV 2019, section 3.2.
    """
    joints = len(distances)
    neighbours = find_neighbours(joints, [*limbs, *mirrors])
    itself = np.eye(joints, dtype=bool)
    mirrored = find_neighbours(joints, mirrors) | (distances[:, None] == distances)
    farther = distances[:, None] > distances
    kinds = [itself, farther & ~mirrored, ~farther & ~mirrored, mirrored & ~itself]
    return np.stack([kind & neighbours for kind in kinds]) / neighbours.sum(axis=0)


def body_parts(skeleton: Skeleton) -> tuple[tuple[int, ...], ...]:
    """Indices of the joints of each of `PARTS`.

    Raises:
        InputError: the skeleton has no joint of a part.
    """
    parts: dict[str, list[int]] = {part: [] for part in PARTS}
    for joint, name in enumerate(skeleton.joints):
        side, _, rest = name.partition("_")
        limb = "arm" if rest in _ARM else "leg" if rest in _LEG else ""
        parts.get(f"{side} {limb}", parts["trunk"]).append(joint)
    for part, joints in parts.items():
        if not joints:
            names = {"arm": _ARM, "leg": _LEG}.get(part.split()[-1])
            expected = f"any of {', '.join(names)}" if names else "any of no side"
            raise InputError(
                f"skeleton {skeleton.name!r} has no joint of the {part}, which stgcn "
                f"pools over; expected {expected}"
            )
    return tuple(map(tuple, parts.values()))
