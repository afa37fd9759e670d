"""The parts of a body: tubes of rings around the bones, in the rest statue.

Every part (torso, arm, hair, skirt, ...) is a tube: ellipse-like rings strung along a
path, each ring bound to one or two bones. `skin.py` poses them.

    R: rings of one body.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

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

__all__ = ["Tube", "body_tubes"]


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
