"""What is behind and in front of the people: rooms, streets, clutter, occluders."""

from functools import lru_cache

import cv2
import numpy as np

from data_pipelines.mannequin.camera import Camera

__all__ = ["noise_field", "paint_background", "paint_occluders"]

_TILE = 256
_TILES = 12


@lru_cache(maxsize=1)
def _noise_tiles() -> np.ndarray:
    """Fractal noise of growing roughness: uint8 [tiles, 256, 256]."""
    rng = np.random.Generator(np.random.Philox(key=20))
    tiles = np.zeros((_TILES, _TILE, _TILE), np.float32)
    for tile in range(_TILES):
        decay = 0.35 + 0.5 * tile / _TILES
        for octave in range(6):
            cells = 4 * 2**octave
            stretch = 4 if tile % 4 == 3 else 1
            grid = rng.random((max(cells // stretch, 2), cells), dtype=np.float32)
            tiles[tile] += decay**octave * cv2.resize(
                grid, (_TILE, _TILE), interpolation=cv2.INTER_CUBIC
            )
        tiles[tile] -= tiles[tile].min()
        tiles[tile] /= tiles[tile].max()
    return np.rint(tiles * 255).astype(np.uint8)


def noise_field(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """A random piece of noise: uint8 [height, width]."""
    tile = _noise_tiles()[rng.integers(_TILES)]
    span = int(rng.integers(60, _TILE))
    y, x = rng.integers(0, _TILE - span + 1, 2)
    return cv2.resize(tile[y : y + span, x : x + span], size[::-1])


def _palette_color(rng: np.random.Generator) -> np.ndarray:
    """A colour of the built or grown world, RGB 0..255 [3]."""
    base = _PALETTE[rng.integers(len(_PALETTE))]
    return base * rng.uniform(0.55, 1.2) + rng.normal(0, 11, 3)


_PALETTE = np.array(
    [
        (120, 104, 84),
        (150, 150, 152),
        (86, 100, 70),
        (200, 190, 170),
        (70, 84, 110),
        (170, 120, 90),
        (60, 56, 58),
        (225, 222, 215),
        (190, 80, 60),
        (60, 130, 140),
        (210, 170, 70),
    ],
    float,
)


def _tuple(color: np.ndarray) -> tuple[float, ...]:
    return tuple([min(max(c, 0.0), 255.0) for c in color.tolist()])


# x, y, width and height, px.
_Box = tuple[int, int, int, int]

_LEVELS = np.linspace(-1, 1, 256)[:, None]


def _textured(
    rng: np.random.Generator, size: tuple[int, int], color: np.ndarray, amount: float
) -> np.ndarray:
    """A surface of `color` with noise of relative strength `amount`: uint8."""
    levels = (_LEVELS * amount + 1) * color
    table = np.minimum(np.maximum(levels, 0), 255).astype(np.uint8)[:, None]
    return cv2.applyColorMap(noise_field(rng, size), table)


def _wall_base(
    camera: Camera, ground: np.ndarray, rng: np.random.Generator
) -> tuple[float, float, bool]:
    """Rows where the wall meets the floor at the left and right image edge."""
    right, _, forward = camera.rotation
    ahead = np.array([forward[0], 0.0, forward[2]])
    ahead /= np.sqrt(ahead @ ahead) + 1e-9
    across = np.array([-ahead[2], 0.0, ahead[0]])
    turn = rng.uniform(-0.3, 0.3)
    base = ground + ahead * rng.uniform(0.9, 7.0)
    points = base + np.outer([-3.0, 3.0], across + turn * ahead)
    local = camera.to_camera(points)
    if local[:, 2].min() < 0.3:
        return 0.0, 0.0, False
    (x0, y0), (x1, y1) = camera.project(local)
    if abs(x1 - x0) < 1e-3:
        return 0.0, 0.0, False
    slope = (y1 - y0) / (x1 - x0)
    width = 2 * camera.center[0]
    return y0 - slope * x0, y0 + slope * (width - x0), True


def _floor_lines(
    image: np.ndarray,
    rng: np.random.Generator,
    camera: Camera,
    ground: np.ndarray,
    color: tuple[float, ...],
) -> None:
    """Planks or tiles in perspective."""
    step = rng.uniform(0.15, 0.9)
    ahead = camera.rotation[2] * (1, 0, 1)
    ahead /= np.sqrt(ahead @ ahead) + 1e-9
    across = np.array([-ahead[2], 0.0, ahead[0]])
    angle = rng.uniform(-0.8, 0.8)
    one = np.cos(angle) * ahead + np.sin(angle) * across
    two = np.cos(angle) * across - np.sin(angle) * ahead
    grids = [(one, two)] if rng.random() < 0.4 else [(one, two), (two, one)]
    offsets = np.arange(-12, 13) * step
    for along, sideways in grids:
        start = camera.to_camera(ground + np.outer(offsets, sideways) - 9 * along)
        end = camera.to_camera(ground + np.outer(offsets, sideways) + 9 * along)
        for a, b in ((start, end), (end, start)):  # Clip to the near plane.
            behind = a[:, 2] < 0.3
            t = (0.3 - a[:, 2]) / np.where(behind, b[:, 2] - a[:, 2], 1.0)
            a[behind] += t[behind, None] * (b - a)[behind]
        ok = (start[:, 2] > 0.29) & (end[:, 2] > 0.29)
        lines = np.stack([camera.project(start[ok]), camera.project(end[ok])], 1)
        lines = np.clip(lines, -4000, 4000).astype(np.int32)
        cv2.polylines(image, list(lines), False, color, 1, cv2.LINE_AA)


def _poster(image: np.ndarray, rng: np.random.Generator, box: _Box) -> None:
    """A framed picture with shapes in it."""
    x, y, w, h = box
    cv2.rectangle(image, (x, y), (x + w, y + h), _tuple(_palette_color(rng)), -1)
    for _ in range(int(rng.integers(1, 5))):
        center = (x + int(rng.integers(0, w + 1)), y + int(rng.integers(0, h + 1)))
        color = _tuple(_palette_color(rng))
        radius = int(rng.integers(2, max(min(w, h) // 2, 3)))
        kind = rng.integers(3)
        if kind == 0:
            cv2.circle(image, center, min(radius, min(w, h) // 3), color, -1)
        elif kind == 1:
            other = (x + int(rng.integers(0, w + 1)), y + int(rng.integers(0, h + 1)))
            cv2.line(image, center, other, color, max(radius // 3, 1))
        else:
            text = "ABCMNRSTXYZ"[int(rng.integers(8)) :][:3]
            cv2.putText(
                image,
                text,
                (x, center[1]),
                cv2.FONT_HERSHEY_SIMPLEX,
                0.02 * w + 0.1,
                color,
                1,
                cv2.LINE_AA,
            )
    cv2.rectangle(
        image,
        (x, y),
        (x + w, y + h),
        _tuple(_palette_color(rng) * 0.5),
        int(rng.integers(1, 4)),
    )


def _furniture(image: np.ndarray, rng: np.random.Generator, box: _Box) -> None:
    """A box with a lit top, a front and a dark side, perhaps with shelves."""
    x, y, w, h = box
    color = _palette_color(rng)
    skew, top = int(rng.integers(-w // 3 - 1, w // 3 + 2)), max(h // 6, 2)
    front = np.array([(x, y), (x + w, y), (x + w, y + h), (x, y + h)])
    lid = np.array([(x, y), (x + w, y), (x + w + skew, y - top), (x + skew, y - top)])
    edge = x + w if skew > 0 else x
    side = np.array(
        [(edge, y), (edge, y + h), (edge + skew, y + h - top), (edge + skew, y - top)]
    )
    cv2.fillConvexPoly(image, side.astype(np.int32), _tuple(color * 0.6))
    cv2.fillConvexPoly(image, lid.astype(np.int32), _tuple(color * 1.25))
    cv2.fillConvexPoly(image, front.astype(np.int32), _tuple(color * 0.9))
    for shelf in range(int(rng.integers(0, 4))):
        row = y + h * (shelf + 1) // 5
        cv2.line(image, (x, row), (x + w, row), _tuple(color * 0.5), 1)


def _tree(image: np.ndarray, rng: np.random.Generator, box: _Box) -> None:
    x, y, w, h = box
    trunk = max(w // 7, 2)
    bark = _tuple(np.array((92, 70, 50)) * rng.uniform(0.6, 1.3))
    cv2.line(image, (x + w // 2, y + h), (x + w // 2, y + h // 3), bark, trunk)
    leaf = np.array((70, 110, 50)) * rng.uniform(0.5, 1.3, 3)
    for _ in range(9):
        center = (x + int(rng.integers(0, w + 1)), y + int(rng.integers(0, h * 2 // 3)))
        cv2.circle(
            image,
            center,
            max(int(w * rng.uniform(0.12, 0.3)), 2),
            _tuple(leaf * rng.uniform(0.65, 1.25)),
            -1,
            cv2.LINE_AA,
        )


def _limb(image: np.ndarray, rng: np.random.Generator, box: _Box) -> None:
    """A bent rod in skin or cloth colours: looks like an arm or a leg and is none."""
    x, y, w, h = box
    color = np.array((205, 150, 115)) * rng.uniform(0.45, 1.15)
    if rng.random() < 0.5:
        color = _palette_color(rng)
    points = np.stack([x + rng.random(3) * w, y + rng.random(3) * h], 1).astype(int)
    thick = int(max(min(w, h) * rng.uniform(0.08, 0.25), 2))
    cv2.polylines(image, [points], False, _tuple(color * 0.75), thick, cv2.LINE_AA)
    cv2.polylines(
        image,
        [points - [thick // 6, 0]],
        False,
        _tuple(color),
        max(thick * 2 // 3, 1),
        cv2.LINE_AA,
    )


def _ball(image: np.ndarray, rng: np.random.Generator, box: _Box) -> None:
    x, y, w, h = box
    color, radius = _palette_color(rng), max(min(w, h) // 3, 2)
    center = np.array((x + w // 2, y + h // 2))
    for k in range(4):
        spot = (center - k * radius // 9).tolist()
        cv2.circle(
            image,
            spot,
            radius * (5 - k) // 5,
            _tuple(color * (0.6 + 0.18 * k)),
            -1,
            cv2.LINE_AA,
        )


def _window(image: np.ndarray, rng: np.random.Generator, box: _Box) -> None:
    x, y, w, h = box
    sky = np.array((170, 200, 235)) * rng.uniform(0.3, 1.05)
    cv2.rectangle(image, (x, y), (x + w, y + h), _tuple(sky), -1)
    cv2.rectangle(image, (x, y + h * 2 // 3), (x + w, y + h), _tuple(sky * 0.6), -1)
    frame = _tuple(_palette_color(rng))
    cv2.rectangle(image, (x, y), (x + w, y + h), frame, 2)
    cv2.line(image, (x + w // 2, y), (x + w // 2, y + h), frame, 2)
    cv2.line(image, (x, y + h // 2), (x + w, y + h // 2), frame, 1)


_THINGS = (_poster, _furniture, _tree, _limb, _ball, _window, _furniture, _limb)


def _clutter(
    image: np.ndarray, rng: np.random.Generator, count: int, base: float
) -> None:
    """Things on the wall and standing on the floor about row `base`."""
    height, width = image.shape[:2]
    for kind in rng.integers(0, len(_THINGS), count).tolist():
        w = int(width * rng.uniform(0.08, 0.42)) + 2
        h = int(height * rng.uniform(0.06, 0.36)) + 2
        x = int(rng.uniform(-0.2, 1.0) * width)
        if _THINGS[kind] in (_furniture, _tree):
            y = int(base + rng.uniform(-0.02, 0.12) * height) - h
        else:
            y = int(rng.uniform(-0.1, 0.9) * height)
        _THINGS[kind](image, rng, (x, y, w, h))


def _wall(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """An indoor wall, a sky, or a backdrop: uint8 RGB."""
    height, width = size
    kind = rng.random()
    if kind < 0.35:  # Sky over hills or houses.
        top = np.array((90, 140, 215)) * rng.uniform(0.5, 1.1)
        low = np.array((205, 215, 225)) * rng.uniform(0.6, 1.1)
        ramp = np.clip([[top], [low]], 0, 255).astype(np.uint8)
        image = cv2.resize(ramp, (width, height))
        cloud = cv2.cvtColor(noise_field(rng, size), cv2.COLOR_GRAY2RGB)
        image = cv2.addWeighted(image, 1.0, cloud, rng.uniform(0, 0.3), 0)
        for _ in range(int(rng.integers(0, 9))):
            x, w = int(rng.uniform(-0.2, 1) * width), int(rng.uniform(0.1, 0.5) * width)
            y = int(rng.uniform(0.1, 0.7) * height)
            color = _palette_color(rng)
            if rng.random() < 0.5:
                cv2.rectangle(image, (x, y), (x + w, height), _tuple(color), -1)
                for row in range(y + 4, height, 11):
                    cv2.line(
                        image, (x + 3, row), (x + w - 3, row), _tuple(color * 0.55), 4
                    )
            else:
                cv2.ellipse(
                    image,
                    (x, height),
                    (w, height - y),
                    0,
                    180,
                    360,
                    _tuple(color * (0.5, 0.7, 0.5)),
                    -1,
                )
        return image
    color = _palette_color(rng)
    image = _textured(rng, size, color, rng.uniform(0.02, 0.5))
    step = int(rng.integers(8, 40))
    line = _tuple(color * rng.uniform(0.5, 1.3))
    if kind < 0.5:  # Wallpaper.
        image[:, np.arange(width) % step < step // 2] = line
    elif kind < 0.65:  # Bricks.
        image[::step] = line
        for row, y in enumerate(range(0, height, step)):
            image[y : y + step, (row % 2) * step :: 2 * step] = line
    if rng.random() < 0.4:
        cv2.multiply(
            image, _textured(rng, size, np.full(3, 255.0), 0.45), image, 1 / 255
        )
    return image


def paint_background(
    rng: np.random.Generator,
    camera: Camera,
    ground: np.ndarray,
    size: tuple[int, int],
    clutter: tuple[int, int],
) -> np.ndarray:
    """A place to stand in.

    Args:
        rng: source of randomness.
        camera: decides where the floor is.
        ground: world point on the floor below the people [3].
        size: (height, width).
        clutter: fewest and most things in it.

    Returns:
        RGB uint8 [height, width, 3].
    """
    height, width = size
    image = _wall(rng, size)
    left, right, seen = _wall_base(camera, ground, rng)
    upright = abs(camera.rotation[1, 1]) > 0.2
    base = (left + right) / 2 if seen and upright else 0.0
    if rng.random() < 0.93 and base < height:
        color = _palette_color(rng)
        floor = _textured(rng, size, color, rng.uniform(0.03, 0.5))
        if rng.random() < 0.5:
            line = _tuple(color * rng.uniform(0.5, 1.3))
            _floor_lines(floor, rng, camera, ground, line)
        if base <= 0:
            image = floor
        else:
            mask = np.zeros(size, np.uint8)
            ends = np.clip([left, right], -9999, 9999)
            shape = np.array(
                [(-1, ends[0]), (width, ends[1]), (width, 9999), (-1, 9999)]
            )
            cv2.fillPoly(mask, [shape.astype(np.int32)], 255)
            cv2.copyTo(floor, mask, image)
    count = int(rng.integers(clutter[0], clutter[1] + 1))
    _clutter(image, rng, count, base if base > 0 else 0.5 * height)
    if rng.random() < 0.5:  # Shallow depth of field.
        sigma = rng.uniform(0.4, 2.2)
        image = cv2.GaussianBlur(image, (0, 0), sigma)
    return image


def paint_occluders(
    image: np.ndarray, rng: np.random.Generator, count: int
) -> np.ndarray:
    """Draws `count` objects over `image` (in place).

    Returns:
        bool [height, width], true where an object is.
    """
    height, width = image.shape[:2]
    before = image.copy()
    for _ in range(count):
        thing = (_furniture, _ball, _limb, _tree, _poster)[rng.integers(5)]
        w = int(width * rng.uniform(0.1, 0.35)) + 2
        h = int(height * rng.uniform(0.08, 0.3)) + 2
        x = int(rng.uniform(-0.1, 0.95) * width)
        y = int(rng.uniform(0.05, 1.0) * height)
        thing(image, rng, (x, y, w, h))
    return (image != before).any(-1)
