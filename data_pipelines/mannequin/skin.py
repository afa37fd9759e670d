"""A body's surface: the tubes of `flesh.py`, posed by linear blend skinning.

The centre and axes of a ring follow its one or two bones, for all rings of a body at
once.

    R: rings of one body.  S: vertices of a ring (the last repeats the first, so that
    texture coordinates run from 0 to 1).  V = R * S vertices.  T: triangles.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from data_pipelines.mannequin.body import (
    REST_ORIGINS,
    Pose3D,
    Proportions,
    bone_index,
)
from data_pipelines.mannequin.flesh import Tube

__all__ = ["Surface", "skin_tubes"]

SEGMENTS = 16
RING = SEGMENTS + 1
_PHI = np.linspace(-np.pi, np.pi, RING)
_SIN, _COS = np.sin(_PHI), np.cos(_PHI)

_X, _Y, _Z = np.eye(3)
# Ring axes (first, second): a ring point is first * a sin(phi) + second * b cos(phi).
_AXES = {"level": (_X, _Z), "upright": (_X, _Y), "sideways": (_Z, _Y)}


@dataclass(frozen=True)
class Surface:
    """A posed triangle mesh.

    Attributes:
        vertices: `[V, 3]` metres in the world.
        normals: `[V, 3]` unit vectors.
        uv: `[V, 2]` pixels of the texture.
        triangles: `[T, 3]` rows of vertices.
        outlines: ranges of vertices of the tubes, for shadows.
    """

    vertices: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    triangles: np.ndarray
    outlines: list[tuple[int, int]]


@lru_cache(maxsize=512)
def _tube_triangles(rings: int) -> np.ndarray:
    """Triangles [T, 3] of a tube of `rings`, outward when seen from outside."""
    i = np.arange(rings - 1)[:, None] * RING + np.arange(SEGMENTS)[None]
    one = np.stack([i, i + 1, i + RING], -1)
    two = np.stack([i + 1, i + RING + 1, i + RING], -1)
    return np.concatenate([one.reshape(-1, 3), two.reshape(-1, 3)])


def _ring_points(
    first: np.ndarray, second: np.ndarray, square: np.ndarray
) -> np.ndarray:
    """Ring outlines around 0 from axis vectors [R, 3]: [R, RING, 3]."""
    # A superellipse of exponent 2 (circle) growing towards a box.
    bulge = np.maximum(np.abs(_SIN), np.abs(_COS)) ** -1.0
    factor = 1.0 + square[:, None] * (bulge - 1.0)[None]
    return (
        first[:, None] * (factor * _SIN)[..., None]
        + second[:, None] * (factor * _COS)[..., None]
    )


def skin_tubes(
    tubes: list[Tube],
    pose: Pose3D,
    build: Proportions,
    rects: dict[str, tuple[int, int, int, int]],
) -> Surface:
    """Poses the tubes: one `Surface` in the world.

    Args:
        tubes: parts of one body.
        pose: its bones in the world.
        build: its proportions.
        rects: texture rectangles (x, y, width, height) in pixels by name.
    """
    counts = [len(t.v) for t in tubes]
    each = np.repeat(np.arange(len(tubes)), counts)
    bones = np.array([[bone_index(b) for b in t.bones] for t in tubes])[each]
    weight = np.concatenate([t.weight for t in tubes])[:, None]
    centres = np.concatenate([t.centres for t in tubes])
    radii = np.concatenate([t.radii for t in tubes])
    axes = np.array([_AXES[t.axes] for t in tubes])[each]
    square = np.array([t.square for t in tubes])[each]
    hem = np.array([t.hem for t in tubes])[each]

    scale = build.stature * build.lengths[bones]
    girth = build.stature * (
        weight * build.girths[bones[:, 0]] + (1 - weight) * build.girths[bones[:, 1]]
    )
    rotations = pose.rotations[bones]
    local = (centres[:, None] - REST_ORIGINS[bones]) * scale[..., None]
    placed = pose.origins[bones] + np.einsum("rkab,rkb->rka", rotations, local)
    centre = weight * placed[:, 0] + (1 - weight) * placed[:, 1]
    turn = (
        weight[..., None] * rotations[:, 0] + (1 - weight[..., None]) * rotations[:, 1]
    )
    axis = np.einsum("rab,rkb->rka", turn, axes)
    axis /= np.linalg.norm(axis, axis=-1, keepdims=True) + 1e-9
    size = axis * (radii * girth)[..., None]
    if hem.any():
        _hang_skirt(hem, weight[:, 0], centres, centre, size, pose, build)

    points = centre[:, None] + _ring_points(size[:, 0], size[:, 1], square)
    start = np.cumsum([0, *counts])
    triangles = np.concatenate(
        [
            _tube_triangles(n) + s * RING
            for n, s in zip(counts, start[:-1].tolist(), strict=True)
        ]
    )
    if hem.any():  # A skirt is seen from inside too.
        inside = triangles[hem[triangles[:, 0] // RING]]
        triangles = np.concatenate([triangles, inside[:, ::-1]])
    uv = np.empty((len(centre), RING, 2))
    rect = np.array([rects[t.rect] for t in tubes], float)[each]
    turn_u = (_PHI + np.pi) / (2 * np.pi)
    uv[..., 0] = rect[:, 0:1] + 0.5 + turn_u * (rect[:, 2:3] - 2)
    v = np.concatenate([t.v for t in tubes])
    uv[..., 1] = (rect[:, 1] + 0.5 + v * (rect[:, 3] - 2))[:, None]
    return Surface(
        points.reshape(-1, 3),
        _normals(points, each).reshape(-1, 3),
        uv.reshape(-1, 2),
        triangles,
        [
            (a * RING, b * RING)
            for a, b in zip(start[:-1].tolist(), start[1:].tolist(), strict=True)
        ],
    )


def _hang_skirt(
    hem: np.ndarray,
    weight: np.ndarray,
    rest: np.ndarray,
    centre: np.ndarray,
    size: np.ndarray,
    pose: Pose3D,
    build: Proportions,
) -> None:
    """Widens skirt rings (in place) until they hold both thighs."""
    rows = np.nonzero(hem)[0]
    free = (1 - weight[rows])[:, None]
    left, right = bone_index("left_hip"), bone_index("right_hip")
    ends = []
    for bone in (left, right):
        drop = (rest[rows, 1] - REST_ORIGINS[bone, 1]) * build.stature
        drop = np.minimum(drop * build.lengths[bone], 0.0)
        ends.append(pose.origins[bone] + drop[:, None] * pose.rotations[bone][:, 1])
    middle, half = (ends[0] + ends[1]) / 2, (ends[0] - ends[1]) / 2
    centre[rows] += free * (middle - centre[rows])
    spread = np.linalg.norm(half, axis=1, keepdims=True)
    width = np.linalg.norm(size[rows, 0], axis=1, keepdims=True)
    depth = np.linalg.norm(size[rows, 1], axis=1, keepdims=True)
    wide = np.maximum(width, spread + 0.066 * build.stature)
    across = half / (spread + 1e-9)
    size[rows, 0] += free * (across * wide - size[rows, 0])
    fall = pose.rotations[left][:, 1] + pose.rotations[right][:, 1]
    ahead = np.cross(across, fall)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True) + 1e-9
    size[rows, 1] += free * (ahead * depth - size[rows, 1])


def _normals(points: np.ndarray, each: np.ndarray) -> np.ndarray:
    """Outward unit normals [R, RING, 3] by central differences on every tube."""
    around = np.empty_like(points)
    around[:, 1:-1] = points[:, 2:] - points[:, :-2]
    around[:, 0] = around[:, -1] = points[:, 1] - points[:, -2]
    row = np.arange(len(each))
    after = np.minimum(row + 1, len(each) - 1)
    after = np.where(each[after] == each, after, row)
    before = np.maximum(row - 1, 0)
    before = np.where(each[before] == each, before, row)
    along = points[after] - points[before]
    a, b = around, along
    normals = np.stack(
        [
            b[..., 1] * a[..., 2] - b[..., 2] * a[..., 1],
            b[..., 2] * a[..., 0] - b[..., 0] * a[..., 2],
            b[..., 0] * a[..., 1] - b[..., 1] * a[..., 0],
        ],
        -1,
    )
    length = np.sqrt(np.einsum("rsa,rsa->rs", normals, normals))
    return normals / (length[..., None] + 1e-12)
