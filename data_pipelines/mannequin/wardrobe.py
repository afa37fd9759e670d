"""What a body wears and how it looks: an outfit, and the texture that shows it.

The texture is one small RGB picture per body, divided into rectangles (`RECTS`) that
the tubes of `flesh` are wrapped with. The middle of a rectangle is the front of the
part; right of the middle is the person's left.
"""

from dataclasses import dataclass

import cv2
import numpy as np

__all__ = ["ATLAS_SIZE", "RECTS", "Outfit", "draw_outfit", "paint_atlas"]

Color = tuple[float, float, float]

# x, y, width, height
RECTS: dict[str, tuple[int, int, int, int]] = {
    "torso": (0, 0, 128, 64),
    "head": (128, 0, 128, 64),
    "arm": (0, 64, 64, 64),
    "leg": (64, 64, 64, 64),
    "foot": (128, 64, 32, 32),
    "hand": (128, 96, 32, 32),
    "hair": (160, 64, 64, 32),
    "skirt": (160, 96, 80, 32),
    "bag": (224, 64, 32, 32),
    "nose": (240, 96, 16, 16),
    "seat": (240, 112, 16, 16),
}
ATLAS_SIZE = (128, 256)  # height, width

_SKINS = np.array(
    [
        (255, 219, 190),
        (241, 194, 160),
        (224, 172, 130),
        (198, 134, 90),
        (161, 102, 66),
        (124, 76, 48),
        (92, 58, 40),
        (240, 200, 175),
        (210, 160, 125),
    ],
    float,
)
_HAIRS = np.array(
    [
        (28, 22, 20),
        (50, 34, 24),
        (86, 56, 34),
        (130, 90, 50),
        (196, 160, 100),
        (150, 70, 36),
        (150, 146, 140),
        (225, 220, 210),
    ],
    float,
)
HAIRS = ("short", "long", "ponytail", "bun", "bald", "cap")
PATTERNS = ("plain", "stripes", "columns", "checks", "dots", "logo", "blocks")


@dataclass(frozen=True)
class Outfit:
    """Clothes and looks of one body.

    Thicknesses, bulges and heights are fractions of stature; `sleeve` and `trouser`
    are fractions of the limb's length; colours are RGB 0..255.
    """

    skin: Color
    hair_color: Color
    top: Color
    top_second: Color
    bottom: Color
    bottom_second: Color
    shoe: Color
    hair: str
    hair_volume: float
    hair_end: float
    beard: bool
    glasses: bool
    smile: float
    sleeve: float
    trouser: float
    top_hem: float
    neckline: float
    open_front: bool
    skirt_hem: float | None
    flare: float
    top_thickness: float
    bottom_thickness: float
    shoe_thickness: float
    belly: float
    bust: float
    waist: float
    bag: bool
    top_pattern: str
    bottom_pattern: str
    period: int


def _cloth_color(rng: np.random.Generator) -> Color:
    """Mostly muted colours, some loud ones, some greys."""
    hue, kind = rng.random() * 6, rng.random()
    saturation = 0.08 if kind < 0.25 else rng.uniform(0.25, 0.9)
    value = rng.uniform(0.12, 0.97)
    k = (np.array([5.0, 3.0, 1.0]) + hue) % 6
    rgb = value - value * saturation * np.clip(np.minimum(k, 4 - k), 0, 1)
    r, g, b = (255 * rgb).tolist()
    return r, g, b


def draw_outfit(rng: np.random.Generator, feminine: float) -> Outfit:
    """A random outfit. feminine: 0..1, moves hair, cut and shape."""
    u = rng.uniform
    woman = rng.random() < feminine
    odds = (
        [0.25, 0.38, 0.2, 0.1, 0.01, 0.06]
        if woman
        else [0.66, 0.06, 0.02, 0.02, 0.10, 0.14]
    )
    hair = HAIRS[int(np.searchsorted(np.cumsum(odds), rng.random()).clip(0, 5))]
    tone = _SKINS[rng.integers(len(_SKINS))] * u(0.92, 1.05) + rng.normal(0, 4, 3)
    hair_color = _HAIRS[rng.integers(len(_HAIRS))] * u(0.8, 1.15)
    if hair == "cap":
        hair_color = np.array(_cloth_color(rng))
    sleeves = [u(0.10, 0.16), u(0.24, 0.36), u(0.5, 0.62), 1.1, 1.1]
    skirt = woman and rng.random() < 0.42
    coat = not skirt and rng.random() < 0.12
    trousers = [u(0.24, 0.34), u(0.36, 0.46), u(0.62, 0.74), 1.1, 1.1, 1.1]
    dressed = trousers[rng.integers(6)]
    top, bottom = _cloth_color(rng), _cloth_color(rng)
    if skirt and rng.random() < 0.4:
        bottom = top
    wide = rng.random() < 0.3
    return Outfit(
        skin=_clipped(tone),
        hair_color=_clipped(hair_color),
        top=top,
        top_second=_cloth_color(rng),
        bottom=bottom if not coat else top,
        bottom_second=_cloth_color(rng),
        shoe=_cloth_color(rng),
        hair=hair,
        hair_volume=u(0, 0.008) if rng.random() < 0.85 else u(0.012, 0.03),
        hair_end=u(0.68, 0.775),
        beard=not woman and rng.random() < 0.28,
        glasses=rng.random() < 0.15,
        smile=u(-0.3, 1.0),
        sleeve=sleeves[rng.integers(5)] if not coat else 1.1,
        trouser=(0.13 if rng.random() < 0.7 else 1.1) if skirt else dressed,
        top_hem=u(0.515, 0.60),
        neckline=u(0.4, 1.0),
        open_front=coat or u() < 0.12,
        skirt_hem=u(0.24, 0.42) if skirt else (u(0.32, 0.46) if coat else None),
        flare=u(0.0, 0.006) if not wide else u(0.006, 0.022),
        top_thickness=u(0.001, 0.012),
        bottom_thickness=u(0.001, 0.006),
        shoe_thickness=u(0.001, 0.005),
        belly=max(0.0, rng.normal(0.0, 0.012)) if not woman else 0.0,
        bust=u(0.006, 0.018) if woman else 0.0,
        waist=-1.0 if woman else 0.3,
        bag=rng.random() < 0.07,
        top_pattern=PATTERNS[rng.integers(len(PATTERNS))],
        bottom_pattern=PATTERNS[0] if u() < 0.7 else PATTERNS[rng.integers(5)],
        period=int(rng.integers(4, 11)),
    )


def _clipped(rgb: np.ndarray) -> Color:
    r, g, b = np.clip(rgb, 8, 250).tolist()
    return r, g, b


def _shade(color: Color, factor: float) -> Color:
    r, g, b = (min(c * factor, 255.0) for c in color)
    return r, g, b


def _fill(area: np.ndarray, color: Color) -> None:
    """Sets a texture area (a view) to one colour; several times faster than NumPy."""
    cv2.rectangle(area, (0, 0), area.shape[1::-1], color, -1)


def _pattern(
    area: np.ndarray, kind: str, color: Color, second: Color, period: int
) -> None:
    """Fills a texture area (a view) with a cloth pattern."""
    _fill(area, color)
    half = max(period // 2, 1)
    if kind in ("stripes", "checks"):
        area[np.arange(area.shape[0]) % period < half] = second
    if kind in ("columns", "checks"):
        dim = second if kind == "columns" else _shade(second, 0.8)
        area[:, np.arange(area.shape[1]) % period < half] = dim
    if kind == "dots":
        for dy in (0, 1):
            for dx in (0, 1):
                area[dy::period, dx::period] = second
    if kind == "blocks":
        _fill(area[: area.shape[0] * 2 // 5], second)


def _paint_torso(atlas: np.ndarray, o: Outfit) -> None:
    x, y, w, h = RECTS["torso"]
    area = atlas[y : y + h, x : x + w]
    _pattern(area, o.top_pattern, o.top, o.top_second, o.period)
    middle = w // 2
    if o.top_pattern == "logo":
        cv2.rectangle(area, (middle - 13, 17), (middle + 13, 31), o.top_second, -1)
        cv2.circle(area, (middle, 24), 5, _shade(o.top, 0.7), -1)
    if o.open_front:  # A jacket over a shirt.
        inner = np.array(
            [(middle - 7, 0), (middle + 7, 0), (middle + 10, h), (middle - 10, h)],
            np.int32,
        )
        cv2.fillConvexPoly(area, inner, o.top_second)
        for edge in (-1, 1):
            cv2.line(
                area,
                (middle + 7 * edge, 4),
                (middle + 10 * edge, h),
                _shade(o.top, 0.55),
                1,
            )
    elif o.period % 3 == 0:  # Buttons.
        cv2.line(area, (middle, 6), (middle, 44), _shade(o.top, 0.7), 1)
        area[10:44:6, middle : middle + 2] = _shade(o.top, 0.35)
    # The trousers begin where the shirt ends; v is linear in rest height.
    hem = int(np.clip((0.846 - o.top_hem) / 0.372, 0, 1) * h)
    if o.skirt_hem is None or o.bottom is not o.top:
        _fill(area[hem:], o.bottom)
        cv2.line(area, (0, hem), (w, hem), _shade(o.bottom, 0.45), 2)
        area[hem : hem + 3, middle - 2 : middle + 2] = (190, 170, 90)
        cv2.line(area, (middle, hem + 3), (middle, h), _shade(o.bottom, 0.6), 1)
        if o.skirt_hem is None:  # Back pockets.
            for column in (w // 8 - 6, 7 * w // 8 - 6):
                cv2.rectangle(
                    area,
                    (column, hem + 5),
                    (column + 12, hem + 13),
                    _shade(o.bottom, 0.65),
                    1,
                )
    # Neck opening: deeper in front.
    deep = int(3 + 9 * o.neckline)
    area[:2] = o.skin
    cv2.ellipse(area, (middle, 0), (11, deep), 0, 0, 360, o.skin, -1)
    cv2.ellipse(area, (middle, 0), (12, deep + 1), 0, 0, 180, _shade(o.top, 0.6), 1)


def _paint_head(atlas: np.ndarray, o: Outfit) -> None:
    """Face in the middle (v is linear in rest height from crown to chin)."""
    x, y, w, h = RECTS["head"]
    area = atlas[y : y + h, x : x + w]
    _fill(area, o.skin)
    middle = w // 2
    dark, white = (34, 24, 22), (245, 243, 240)
    cheek = tuple(np.clip(np.array(o.skin) * (1.04, 0.88, 0.86), 0, 255).tolist())
    for sign in (-1, 1):
        cv2.ellipse(area, (middle + 11 * sign, 40), (5, 4), 0, 0, 360, cheek, -1)
    if o.beard:
        tint = _shade(o.hair_color, 0.9)
        cv2.ellipse(area, (middle, 52), (19, 13), 0, 0, 360, tint, -1)
        cv2.ellipse(area, (middle, 45), (8, 3), 0, 0, 360, tint, -1)
    for sign in (-1, 1):
        eye = middle + 8 * sign
        cv2.ellipse(area, (eye, 31), (4, 2), 0, 0, 360, white, -1)
        cv2.circle(area, (eye, 31), 2, dark, -1)
        brow = _shade(o.hair_color if o.hair != "cap" else dark, 0.7)
        cv2.line(area, (eye - 4 * sign, 25), (eye + 4 * sign, 26), brow, 1)
        if o.glasses:
            cv2.ellipse(area, (eye, 31), (6, 5), 0, 0, 360, (30, 30, 34), 1)
    if o.glasses:
        cv2.line(area, (middle - 32, 30), (middle + 32, 30), (30, 30, 34), 1)
    lip = tuple(np.clip(np.array(o.skin) * (0.78, 0.48, 0.46), 0, 255).tolist())
    curve = int(round(3 * o.smile))
    mouth = np.array([(middle - 7, 49 - curve), (middle, 50), (middle + 7, 49 - curve)])
    cv2.polylines(area, [mouth.astype(np.int32)], False, lip, 2)
    if o.hair != "bald":  # Hairline and the back of the head.
        _fill(area[:14], o.hair_color)
        for side in (slice(0, 26), slice(w - 26, w)):
            _fill(area[:46, side], o.hair_color)
        for side in (slice(26, 36), slice(w - 36, w - 26)):
            _fill(area[:26, side], o.hair_color)


def _paint_limbs(atlas: np.ndarray, o: Outfit) -> None:
    x, y, w, h = RECTS["arm"]
    area = atlas[y : y + h, x : x + w]
    cuff = min(int(o.sleeve * h), h)
    _fill(area, o.skin)
    if cuff > 0:
        kind = "plain" if o.top_pattern in ("logo", "blocks") else o.top_pattern
        _pattern(area[:cuff], kind, o.top, o.top_second, o.period)
        area[cuff - 2 : cuff] = _shade(o.top, 0.7)
    x, y, w, h = RECTS["leg"]
    area = atlas[y : y + h, x : x + w]
    end = min(int(o.trouser * h), h)
    _fill(area, o.skin)
    color, second = o.bottom, o.bottom_second
    if o.skirt_hem is not None and o.bottom is o.top:
        color, second = second, color
    _pattern(area[:end], o.bottom_pattern, color, second, o.period)
    area[max(end - 2, 0) : end] = _shade(color, 0.7)
    if o.period % 4 == 0 and end > 0:  # A stripe down the side.
        area[:end, w // 4 - 1 : w // 4 + 2] = second
        area[:end, 3 * w // 4 - 1 : 3 * w // 4 + 2] = second
    if end < h and o.period % 2:  # Socks.
        area[int(0.86 * h) :] = (225, 225, 222)
    x, y, w, h = RECTS["foot"]
    area = atlas[y : y + h, x : x + w]
    _fill(area, o.shoe)
    area[:, 12:20] = _shade(o.shoe, 1.25)
    area[14:24:3, 13:19] = (235, 235, 235)
    area[:, :6] = area[:, -6:] = (70, 66, 62)


def paint_atlas(o: Outfit, rng: np.random.Generator) -> np.ndarray:
    """The texture of one body: RGB uint8 `ATLAS_SIZE` + (3,)."""
    atlas = np.empty((*ATLAS_SIZE, 3), np.uint8)
    _fill(atlas, o.skin)
    _paint_torso(atlas, o)
    _paint_head(atlas, o)
    _paint_limbs(atlas, o)
    x, y, w, h = RECTS["hand"]
    atlas[y + h // 2 : y + h, x : x + w : 4] = _shade(o.skin, 0.82)
    x, y, w, h = RECTS["hair"]
    strands = rng.uniform(0.75, 1.2, (1, w, 1)) * np.array(o.hair_color)
    atlas[y : y + h, x : x + w] = np.clip(strands, 0, 255)
    x, y, w, h = RECTS["skirt"]
    color, second = (o.bottom, o.bottom_second)
    if o.bottom is o.top:
        color, second = o.top, o.top_second
    area = atlas[y : y + h, x : x + w]
    kind = o.top_pattern if o.bottom is o.top else o.bottom_pattern
    _pattern(
        area, "plain" if kind in ("logo", "blocks") else kind, color, second, o.period
    )
    dark = 1 + np.sin(np.arange(w) * (2 * np.pi / w) * (5 + o.period))
    area -= (area * (0.12 * dark)[:, None]).astype(np.uint8)
    x, y, w, h = RECTS["bag"]
    _fill(atlas[y : y + h, x : x + w], o.bottom_second)
    cv2.rectangle(
        atlas, (x + 2, y + 14), (x + w - 3, y + 26), _shade(o.bottom_second, 0.6), 2
    )
    x, y, w, h = RECTS["nose"]
    _fill(atlas[y : y + h, x : x + w], _shade(o.skin, 0.96))
    x, y, w, h = RECTS["seat"]
    _fill(atlas[y : y + h, x : x + w], _shade(o.shoe, 0.9))
    return atlas
