"""Decoders in the published alignments, against plain float64 readings of the rules."""

import cv2
import numpy as np
import pytest

from tfpose.codecs.alignment import cell_map
from tfpose.codecs.heatmap import HeatmapCodec

SIZE = (128, 96)
ROWS, COLUMNS = 32, 24


def _maps(count: int = 120) -> np.ndarray:
    """Peaks all over the map, also in its corners, on noise; `[1, h, w, J]`."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:ROWS, :COLUMNS]
    maps = []
    for _ in range(count):
        px, py = rng.uniform(-1, COLUMNS), rng.uniform(-1, ROWS)
        maps.append(np.exp(-((x - px) ** 2 + (y - py) ** 2) / 8) * rng.uniform(0.1, 1))
    corners = [(0, 0), (1, 1), (1, 9), (9, 1), (2, 2), (COLUMNS - 1, 5), (5, ROWS - 1)]
    corners += [(COLUMNS - 2, ROWS - 2), (COLUMNS - 3, ROWS - 3), (0, 9), (9, 0)]
    for px, py in corners:
        maps.append(np.exp(-((x - px) ** 2 + (y - py) ** 2) / 8))
    maps = np.stack(maps, -1) + rng.normal(0, 0.004, (ROWS, COLUMNS, len(maps)))
    empty = np.stack([np.full((ROWS, COLUMNS), -0.2), -np.hypot(x + 1, y + 1)], -1)
    return np.concatenate([maps, empty], -1)[None].astype(np.float32)


def _blurred_log(raw: np.ndarray, size: int, low: float, high: float) -> np.ndarray:
    smooth = cv2.GaussianBlur(np.pad(raw, size), (size, size), 0)
    smooth = smooth[size:-size, size:-size] * (raw.max() / smooth.max())
    return np.log(np.clip(smooth, low, high))


def _quarter(raw, x, y, method):
    dx = dy = 0.0
    across, down = 1 < x < COLUMNS - 1, 1 < y < ROWS - 1
    if method == "quarter":
        across = down = across and down
    else:
        across, down = across and y > 0, down and x > 0
    if across:
        dx = np.sign(raw[y, x + 1] - raw[y, x - 1]) / 4
    if down:
        dy = np.sign(raw[y + 1, x] - raw[y - 1, x]) / 4
    return x + dx, y + dy


def _dark(raw, x, y, size):
    if not (1 < x < COLUMNS - 2 and 1 < y < ROWS - 2):
        return x, y
    log = _blurred_log(raw, size, 1e-10, np.inf)

    def at(dx, dy):
        return log[y + dy, x + dx]

    gradient = [(at(1, 0) - at(-1, 0)) / 2, (at(0, 1) - at(0, -1)) / 2]
    mixed = (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)) / 4
    across = (at(2, 0) - 2 * at(0, 0) + at(-2, 0)) / 4
    down = (at(0, 2) - 2 * at(0, 0) + at(0, -2)) / 4
    return [x, y] - np.linalg.solve([[across, mixed], [mixed, down]], gradient)


def _udp(raw, x, y, size):
    log = np.pad(_blurred_log(raw, size, 1e-3, 50), 1, mode="edge")

    def at(dx, dy):
        return log[y + 1 + dy, x + 1 + dx]

    gradient = [(at(1, 0) - at(-1, 0)) / 2, (at(0, 1) - at(0, -1)) / 2]
    across = at(1, 0) - 2 * at(0, 0) + at(-1, 0)
    down = at(0, 1) - 2 * at(0, 0) + at(0, -1)
    sides = at(1, 0) + at(-1, 0) + at(0, 1) + at(0, -1)
    mixed = (at(1, 1) + at(-1, -1) + 2 * at(0, 0) - sides) / 2
    return [x, y] - np.linalg.solve([[across, mixed], [mixed, down]], gradient)


def _expected(raw, method, size):
    if raw.max() <= 0:
        return (-1, -1) if method in ("msra", "udp") else (0, 0)
    y, x = np.unravel_index(raw.argmax(), raw.shape)
    if method in ("quarter", "msra"):
        return _quarter(raw, x, y, method)
    return (_dark if method == "dark" else _udp)(raw.astype(np.float64), x, y, size)


@pytest.mark.parametrize(
    ("alignment", "method", "sigma", "kernel", "size"),
    [
        ("official", "quarter", 2.0, None, None),
        ("official", "msra", 2.0, None, None),
        ("tokenpose", "dark", 2.0, None, 11),
        ("official", "dark", 3.0, None, 17),
        ("tokenpose", "dark", 3.0, 11, 11),
        ("udp", "udp", 2.0, None, 11),
        ("udp", "udp", 3.0, None, 17),
    ],
)
def test_published_decoders_to_the_letter(alignment, method, sigma, kernel, size):
    codec = HeatmapCodec(SIZE, 4, sigma, alignment, blur_kernel=kernel)
    maps = _maps()
    keypoints, scores = map(np.asarray, codec.decode(maps, method))
    scale, offset = cell_map(alignment, SIZE, (ROWS, COLUMNS))
    for joint in range(maps.shape[-1]):
        raw = maps[0, :, :, joint]
        cells = np.array(_expected(raw, method, size))
        expected = cells * scale + offset
        assert scores[0, joint] == raw.max()
        assert np.abs(keypoints[0, joint] - expected).max() < 2e-3, (joint, cells)


def test_own_dark_does_not_follow_the_published_one_over_the_border():
    y, x = np.mgrid[:ROWS, :COLUMNS]
    raw = np.exp(-((x - 2.3) ** 2 + (y - 15.2) ** 2) / 8).astype(np.float32)
    own, published = (
        HeatmapCodec(SIZE, alignment=alignment)
        for alignment in ("half_pixel", "official")
    )
    truth = np.array([2.3, 15.2])
    found = [
        np.asarray(codec.to_cells(np.asarray(codec.decode(raw[None, ..., None])[0])))
        for codec in (own, published)
    ]
    assert np.abs(found[0][0, 0] - truth).max() < 0.01
    assert np.abs(found[1][0, 0] - truth).max() > 0.1
