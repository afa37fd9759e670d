"""The body's surface: lofted tubes of rings around the bones.

Every part (torso, arm, hair, skirt, ...) is a tube: ellipse-like rings strung along a
path in the rest statue, each ring bound to one or two bones. Posing a ring is linear
blend skinning of its centre and axes, for all rings of a body at once.

    R: rings of one body.  S: vertices of a ring (the last repeats the first, so that
    texture coordinates run from 0 to 1).  V = R * S vertices.  T: triangles.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from data_pipelines.mannequin.body import (
    REST_ORIGINS,
    Pose3D,
    Proportions,
    bone_index,
)
from data_pipelines.mannequin.rings import (
    ARM,
    FOOT,
    HAND,
    HEAD,
    LEG,
    NECK,
    NOSE,
    THUMB,
    TORSO,
    ring_rows,
)
from data_pipelines.mannequin.wardrobe import Outfit

__all__ = ["Surface", "Tube", "body_tubes", "skin_tubes"]

SEGMENTS = 16
RING = SEGMENTS + 1
_PHI = np.linspace(-np.pi, np.pi, RING)
_SIN, _COS = np.sin(_PHI), np.cos(_PHI)

_X, _Y, _Z = np.eye(3)
# Ring axes (first, second): a ring point is first * a sin(phi) + second * b cos(phi).
_AXES = {"level": (_X, _Z), "upright": (_X, _Y), "sideways": (_Z, _Y)}


@dataclass(frozen=True)
class Tube:
    """One part in the rest statue (stature 1).

    Attributes:
        rect: name of the texture rectangle it is painted with.
        centres: `[R, 3]`, middles of the rings.
        radii: `[R, 2]` along the two ring axes.
        bones: the two bones that carry it.
        weight: `[R]` share of the first bone.
        v: `[R]` texture coordinate along the tube, 0..1.
        axes: "level" (path downward), "upright" (path to the front), "sideways".
        square: 0 for ellipses, 1 for boxes.
        hem: the tube hangs around both legs (a skirt): rings widen with the stride.
    """

    rect: str
    centres: np.ndarray
    radii: np.ndarray
    bones: tuple[str, str]
    weight: np.ndarray
    v: np.ndarray
    axes: str = "level"
    square: float = 0.0
    hem: bool = False


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


def _level(
    rect: str,
    rows: np.ndarray,
    bones: tuple[str, str],
    weight: np.ndarray,
    side: float = 1.0,
    **more: Any,
) -> Tube:
    """A level tube from rows (y, x, z, a, b), mirrored to `side`."""
    y, x, z, a, b = rows.T
    centres = np.stack([x * side, y, z], 1)
    radii = np.stack([a, b], 1)
    v = (y[0] - y) / (y[0] - y[-1])
    return Tube(rect, centres, radii, bones, weight, v, **more)


def _ramp(y: np.ndarray, high: float, low: float) -> np.ndarray:
    """1 above `high`, 0 below `low`, smooth between."""
    t = np.clip((y - low) / (high - low), 0.0, 1.0)
    return t * t * (3 - 2 * t)


def _grown(tube: Tube, grow: np.ndarray) -> Tube:
    """The tube with its rings [R] thicker by `grow`; its ends stay closed."""
    grow[0] = grow[-1] = 0.0
    return replace(tube, radii=tube.radii + grow[:, None])


def _swell(center: float, width: float) -> np.ndarray:
    """A smooth bump over the torso's rings, 0..1."""
    return np.exp(-(((TORSO[:, 0] - center) / width) ** 2))


# Two bones carry a tube: the trunk is two tubes that share the ring `_CUT`.
_CUT = 7
_UPPER = slice(0, _CUT + 1)
_LOWER = slice(_CUT, None)
_TORSO_TUBE = _level("torso", TORSO, ("chest", "spine"), TORSO[:, 0], square=0.25)
_TORSO_WEIGHTS = (
    _ramp(TORSO[_UPPER, 0], 0.73, 0.665),
    _ramp(TORSO[_LOWER, 0], 0.665, 0.58),
)
_BELLY, _BUST, _WAIST = _swell(0.62, 0.06), _swell(0.745, 0.022), _swell(0.64, 0.04)


def _torso(outfit: Outfit) -> list[Tube]:
    whole = _TORSO_TUBE
    y = TORSO[:, 0]
    grow = np.where(
        y > outfit.top_hem, outfit.top_thickness + 0.002, outfit.bottom_thickness
    )
    radii = whole.radii + grow[:, None]
    radii[:, 1] += outfit.belly * _BELLY
    radii[:, 0] += 0.010 * outfit.waist * _WAIST
    centres = whole.centres.copy()
    centres[:, 2] += 0.6 * outfit.belly * _BELLY + outfit.bust * _BUST
    return [
        replace(
            whole,
            centres=centres[part],
            radii=radii[part],
            bones=bones,
            weight=weight,
            v=whole.v[part],
        )
        for part, bones, weight in zip(
            (_UPPER, _LOWER),
            (("chest", "spine"), ("spine", "pelvis")),
            _TORSO_WEIGHTS,
            strict=True,
        )
    ]


def _foot(side: str, sign: float) -> Tube:
    z, x, y, a, b = FOOT.T
    bone = f"{side}_ankle"
    return Tube(
        "foot",
        np.stack([x * sign, y, z], 1),
        np.stack([a, b], 1),
        (bone, bone),
        np.ones(len(z)),
        (z - z[0]) / (z[-1] - z[0]),
        "upright",
        0.2,
    )


def _side_tubes(side: str, sign: float) -> list[Tube]:
    """Arm, leg, foot, hand and thumb of one side, naked."""
    wrist = (f"{side}_wrist", f"{side}_wrist")
    return [
        _level(
            "arm",
            ARM,
            (f"{side}_shoulder", f"{side}_elbow"),
            _ramp(ARM[:, 0], 0.662, 0.594),
            sign,
        ),
        _level(
            "leg",
            LEG,
            (f"{side}_hip", f"{side}_knee"),
            _ramp(LEG[:, 0], 0.325, 0.245),
            sign,
        ),
        _foot(side, sign),
        _level("hand", HAND, wrist, np.ones(len(HAND)), sign),
        _level("hand", THUMB, wrist, np.ones(len(THUMB)), sign),
    ]


_SIDE_TUBES = _side_tubes("left", 1.0), _side_tubes("right", -1.0)


def _limbs(outfit: Outfit) -> list[Tube]:
    tubes = []
    for arm, leg, foot, hand, thumb in _SIDE_TUBES:
        sleeve = np.where(arm.v <= outfit.sleeve + 0.02, outfit.top_thickness, 0.0)
        sleeve *= np.clip(arm.v / 0.2, 0.2, 1.0)
        cloth = outfit.bottom_thickness + outfit.flare * leg.v**1.5
        cloth = np.where(leg.v <= outfit.trouser + 0.02, cloth, 0.0)
        shoe = np.full(len(foot.v), outfit.shoe_thickness)
        tubes += [
            _grown(arm, sleeve),
            _grown(leg, cloth),
            _grown(foot, shoe),
            hand,
            thumb,
        ]
    return tubes


def _head_tubes() -> list[Tube]:
    """Head, nose, neck and ears."""
    bones = ("head", "head")
    z, x, y, a, b = NOSE.T
    tubes = [
        _level("head", HEAD, bones, np.ones(len(HEAD))),
        Tube(
            "nose",
            np.stack([x, y, z], 1),
            np.stack([a, b], 1),
            bones,
            np.ones(4),
            np.linspace(0, 1, 4),
            "upright",
        ),
        _level("hand", NECK, ("head", "chest"), _ramp(NECK[:, 0], 0.875, 0.835)),
    ]
    ear = np.array(
        [
            (0.055, 0.005, 0.007),
            (0.054, 0.011, 0.016),
            (0.049, 0.011, 0.016),
            (0.042, 0.008, 0.012),
        ]
    )
    for sign in (1.0, -1.0):
        rows = ear if sign > 0 else ear[::-1]
        centres = np.stack([rows[:, 0] * sign, np.full(4, 0.921), np.full(4, 0.0)], 1)
        tubes.append(
            Tube(
                "nose",
                centres,
                rows[:, 1:],
                bones,
                np.ones(4),
                np.linspace(0, 1, 4),
                "sideways",
            )
        )
    return tubes


_HEAD_TUBES = _head_tubes()


def _hair(outfit: Outfit) -> list[Tube]:
    """Hair or a hat: a shell set back from the face, and what hangs or sits on it."""
    if outfit.hair == "bald":
        return []
    puff = outfit.hair_volume
    rows = [
        (1.004, 0, -0.004, 0.001, 0.001),
        (0.999, 0, -0.005, 0.032, 0.035),
        (0.983, 0, -0.006, 0.045, 0.053),
        (0.963, 0, -0.010, 0.0515, 0.057),
        (0.943, 0, -0.019, 0.0525, 0.050),
        (0.920, 0, -0.026, 0.0505, 0.042),
        (0.897, 0, -0.030, 0.043, 0.033),
        (0.884, 0, -0.030, 0.001, 0.001),
    ]
    if outfit.hair == "long":
        rows = rows[:5] + [
            (0.915, 0, -0.024, 0.056, 0.045),
            (0.880, 0, -0.030, 0.058, 0.040),
            (0.840, 0, -0.042, 0.060, 0.032),
            (0.795, 0, -0.058, 0.058, 0.024),
            (outfit.hair_end, 0, -0.064, 0.045, 0.016),
            (outfit.hair_end - 0.012, 0, -0.064, 0.001, 0.001),
        ]
    table = ring_rows(rows)
    table[1:-1, 3:] += puff * np.clip((table[1:-1, 0:1] - 0.86) / 0.05, 0.1, 1.0)
    table[:4, 0] += puff
    weight = _ramp(table[:, 0], 0.86, 0.80)
    tubes = [_level("hair", table, ("head", "chest"), weight)]
    ball = [
        (0.99, 0.2),
        (0.85, 0.62),
        (0.5, 0.95),
        (0, 1.05),
        (-0.5, 0.95),
        (-0.85, 0.62),
        (-0.99, 0.2),
    ]
    if outfit.hair == "bun":
        rows = [(0.985 + 0.026 * h, 0, -0.055, 0.026 * r, 0.026 * r) for h, r in ball]
    elif outfit.hair == "ponytail":
        rows = [
            (0.965, 0, -0.062, 0.008, 0.008),
            (0.955, 0, -0.075, 0.020, 0.018),
            (0.92, 0, -0.086, 0.024, 0.018),
            (0.87, 0, -0.088, 0.022, 0.016),
            (0.82, 0, -0.086, 0.014, 0.010),
            (0.79, 0, -0.085, 0.003, 0.003),
        ]
    elif outfit.hair == "cap":
        brim = [
            (0.045, 0.030, 0.966, 0.042, 0.004),
            (0.07, 0, 0.964, 0.046, 0.004),
            (0.095, 0, 0.960, 0.038, 0.004),
            (0.108, 0, 0.957, 0.014, 0.002),
        ]
        z, _, y, a, b = ring_rows(brim).T
        tubes.append(
            Tube(
                "hair",
                np.stack([0 * y, y, z], 1),
                np.stack([a, b], 1),
                ("head", "head"),
                np.ones(4),
                np.linspace(0, 1, 4),
                "upright",
            )
        )
        return tubes
    else:
        return tubes
    tubes.append(_level("hair", ring_rows(rows), ("head", "head"), np.ones(len(rows))))
    return tubes


def _extras(outfit: Outfit) -> list[Tube]:
    tubes = []
    if outfit.skirt_hem is not None:
        top = 0.615
        y = np.linspace(top, outfit.skirt_hem, 7)
        t = (top - y) / (top - outfit.skirt_hem)
        a = 0.080 + 0.030 * np.minimum(t * 3, 1) + outfit.flare * t
        b = 0.066 + 0.024 * np.minimum(t * 3, 1) + outfit.flare * t
        rows = np.stack([y, 0 * y, 0 * y - 0.003, a, b], 1)
        tubes.append(
            _level("skirt", rows, ("pelvis", "pelvis"), _ramp(y, 0.585, 0.50), hem=True)
        )
    if outfit.bag:
        rows = ring_rows(
            [
                (0.815, 0, -0.085, 0.02, 0.01),
                (0.810, 0, -0.088, 0.07, 0.028),
                (0.76, 0, -0.098, 0.082, 0.042),
                (0.68, 0, -0.105, 0.086, 0.050),
                (0.645, 0, -0.10, 0.078, 0.044),
                (0.638, 0, -0.095, 0.03, 0.02),
            ]
        )
        tubes.append(_level("bag", rows, ("chest", "chest"), np.ones(6), square=0.6))
    return tubes


def body_tubes(outfit: Outfit) -> list[Tube]:
    """All parts of a body in `outfit`, in the rest statue."""
    naked = _torso(outfit) + _limbs(outfit) + _HEAD_TUBES
    return naked + _hair(outfit) + _extras(outfit)


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
