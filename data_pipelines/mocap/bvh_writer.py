"""Writes motion as BVH files, which Blender and other 3D programs read."""

import dataclasses
import pathlib
import warnings

import numpy as np
from scipy.spatial.transform import Rotation

from data_pipelines.mocap.rest_pose import rest_directions
from tfpose.files import write_whole
from tfpose.skeletons import Skeleton

__all__ = ["write_bvh"]

_CENTIMETRES = 100.0
_ORDER = "ZXY"
_ROTATIONS = "Zrotation Xrotation Yrotation"


@dataclasses.dataclass(eq=False)
class _Node:
    """A joint of the file.

    Attributes:
        name: of the joint.
        offset: `[3]`, metres, from its parent at rest.
        children: in the file's order.
        turns: its rotation relative to its parent in each of T frames.
    """

    name: str
    offset: np.ndarray
    children: list["_Node"]
    turns: Rotation


def write_bvh(
    path: pathlib.Path, positions: np.ndarray, rate: float, skeleton: Skeleton
) -> None:
    """Writes one person's motion.

    BVH has bones that keep their length and turn. The length of each is its median over
    the frames, so joints of a body whose limbs change their length move a little. At
    rest the person stands with the arms out. A joint with several limbs turns as suits
    them best together; between it and each of them is a node `to_<joint>`, in the same
    place, for what is left. Lengths are centimetres.

    Args:
        path: the file.
        positions: `[T, J, 3]`, metres; x to the left of who faces +z, y up.
        rate: frames per second.
        skeleton: the joints.

    Raises:
        InputError: the limbs do not reach every joint, or the file cannot be written.
    """
    positions = np.asarray(positions, np.float64)
    root = _tree(positions, skeleton)
    hierarchy: list[str] = []
    columns: list[np.ndarray] = [positions[:, skeleton.root] * _CENTIMETRES]
    _describe(root, "", hierarchy, columns)
    motion = np.concatenate(columns, axis=1)
    lines = [
        "HIERARCHY",
        *hierarchy,
        "MOTION",
        f"Frames: {len(motion)}",
        f"Frame Time: {1 / rate:.8g}",
        *(" ".join(f"{value:.6f}" for value in row) for row in motion),
    ]
    text = "\n".join(lines) + "\n"
    write_whole(path, lambda aside: aside.write_text(text, "utf-8"))


def _tree(positions: np.ndarray, skeleton: Skeleton) -> _Node:
    """The nodes of a body, from its root."""
    parents = np.array(skeleton.parents)
    ways = positions - positions[:, np.maximum(parents, 0)]
    lengths = np.median(np.linalg.norm(ways, axis=2), axis=0)
    rest = rest_directions(skeleton)
    first = ways[0] / np.maximum(np.linalg.norm(ways[0], axis=1, keepdims=True), 1e-9)
    offsets = np.where(np.isfinite(rest), rest, first) * lengths[:, None]
    still = Rotation.identity(len(positions))

    def grow(joint: int, offset: np.ndarray, above: Rotation) -> _Node:
        """The joint's node; `above` is its parent's rotation in the world."""
        children = np.flatnonzero(parents == joint).tolist()
        if not children:
            return _Node(skeleton.joints[joint], offset, [], still)
        seen = _turned_back(above, ways[:, children])
        if len(children) == 1:
            (child,) = children
            turns = _swing(offsets[child], seen[:, 0])
            node = grow(child, offsets[child], above * turns)
            return _Node(skeleton.joints[joint], offset, [node], turns)
        turns = _best_turn(offsets[children], seen)
        world = above * turns
        left = _turned_back(world, ways[:, children])
        nodes = []
        for place, child in enumerate(children):
            swing = _swing(offsets[child], left[:, place])
            node = grow(child, offsets[child], world * swing)
            name = f"to_{skeleton.joints[child]}"
            nodes.append(_Node(name, np.zeros(3), [node], swing))
        return _Node(skeleton.joints[joint], offset, nodes, turns)

    return grow(skeleton.root, np.zeros(3), still)


def _turned_back(turns: Rotation, ways: np.ndarray) -> np.ndarray:
    """Vectors `[T, N, 3]` as seen from what has turned so."""
    # Row vectors: v R is the inverse of R applied to v.
    return ways @ turns.as_matrix()


def _swing(rest: np.ndarray, ways: np.ndarray) -> Rotation:
    """The shortest turns from `rest` `[3]` to `ways` `[T, 3]`."""
    rest = rest / max(np.linalg.norm(rest), 1e-9)
    ways = ways / np.maximum(np.linalg.norm(ways, axis=1, keepdims=True), 1e-9)
    real = 1 + ways @ rest
    axes = np.cross(rest, ways)
    # Straight back: half a turn about any axis across.
    across = np.cross(rest, np.eye(3)[np.abs(rest).argmin()])
    axes = np.where(real[:, None] < 1e-9, across, axes)
    return Rotation.from_quat(np.concatenate([axes, real[:, None]], axis=1))


def _best_turn(rest: np.ndarray, ways: np.ndarray) -> Rotation:
    """The turns that bring `rest` `[N, 3]` nearest to `ways` `[T, N, 3]` (Kabsch)."""
    u, _, vt = np.linalg.svd(np.einsum("tni,nj->tij", ways, rest))
    # No mirror images.
    u[:, :, 2] *= np.sign(np.linalg.det(u @ vt))[:, None]
    return Rotation.from_matrix(u @ vt)


def _describe(
    node: _Node, indent: str, hierarchy: list[str], columns: list[np.ndarray]
) -> None:
    """Appends the node's lines, and its channels `[T, C]`."""
    offset = " ".join(f"{value:.6f}" for value in node.offset * _CENTIMETRES)
    channels = f"3 {_ROTATIONS}"
    if not indent:
        channels = f"6 Xposition Yposition Zposition {_ROTATIONS}"
    hierarchy += [
        f"{indent}{'JOINT' if indent else 'ROOT'} {node.name}",
        f"{indent}{{",
        f"{indent}  OFFSET {offset}",
        f"{indent}  CHANNELS {channels}",
    ]
    with warnings.catch_warnings():
        # Where the second angle is a right one, the others are one turn: any will do.
        warnings.filterwarnings("ignore", "Gimbal lock")
        angles = node.turns.as_euler(_ORDER, degrees=True)
    # From frame to frame without jumps of a whole turn.
    columns.append(np.unwrap(angles, period=360, axis=0))
    for child in node.children:
        _describe(child, indent + "  ", hierarchy, columns)
    if not node.children:
        hierarchy += [
            f"{indent}  End Site",
            f"{indent}  {{",
            f"{indent}    OFFSET 0.000000 0.000000 0.000000",
            f"{indent}  }}",
        ]
    hierarchy.append(f"{indent}}}")
