"""The peak of a heatmap: the highest cell, and steps from there to the sub-cell peak.

All in `keras.ops` on static shapes. Values are selected by masked sums instead of
gathers, which is exact and supported by XLA and LiteRT. Symbols: B batch, J joints, (h,
w) heatmap size; `x`, `y` are `[B, J]` float32 whole numbers, the highest cell. Steps
are `[B, J, 2]` (x, y), cells.
"""

from typing import Any

import cv2
import numpy as np
from keras import ops

__all__ = [
    "KerasTensor",
    "dark_step",
    "gaussian_taps",
    "highest_cell",
    "official_dark_step",
    "quarter_step",
    "udp_step",
]

KerasTensor = Any

_LOG_FLOOR = 1e-10
_UDP_RANGE = (1e-3, 50.0)
_FLOAT32_EPSILON = float(np.finfo(np.float32).eps)


def highest_cell(
    heatmaps: KerasTensor,
) -> tuple[KerasTensor, KerasTensor, KerasTensor]:
    """x, y and height, `[B, J]` each, of the highest cell of `[B, h, w, J]`.

    Among equal cells it is the first: the first row that has one, the first column in
    that row.
    """
    scores = ops.max(heatmaps, axis=(1, 2))
    y = _first_maximum(ops.max(heatmaps, axis=2))
    x = _first_maximum(_pick(heatmaps, y, axis=1))
    return x, y, scores


def gaussian_taps(size: int, sigma: float | None = None) -> np.ndarray:
    """Weights float32 `[size]` of a blur; without a sigma, OpenCV's for that size."""
    if sigma is None:
        return cv2.getGaussianKernel(size, 0)[:, 0].astype("float32")
    positions = np.arange(size) - size // 2
    taps = np.exp(-0.5 * (positions / sigma) ** 2)
    return (taps / taps.sum()).astype("float32")


def quarter_step(
    heatmaps: KerasTensor, x: KerasTensor, y: KerasTensor, border: str
) -> KerasTensor:
    """A quarter cell towards the higher neighbour, in x and in y.

    Args:
        heatmaps: `[B, h, w, J]`.
        x: column of the highest cell.
        y: row of the highest cell.
        border: which cells are too near the border for a step. `own`: in each direction
            those without two neighbours. `official`, as in HRNet: no step at all in the
            first two rows and columns and in the last ones. `mmpose`: in each direction
            the first two and the last, and those first in the other direction.

    Returns:
        `[B, J, 2]` (x, y), cells.
    """
    near = _neighbours(heatmaps, x, y, reach=1)
    rows, columns = heatmaps.shape[1:3]
    first = 1 if border == "own" else 2
    inside_x = ops.logical_and(x >= first, x <= columns - 2)
    inside_y = ops.logical_and(y >= first, y <= rows - 2)
    if border == "official":
        inside_x = inside_y = ops.logical_and(inside_x, inside_y)
    elif border == "mmpose":
        inside_x, inside_y = (
            ops.logical_and(inside_x, y >= 1),
            ops.logical_and(inside_y, x >= 1),
        )
    across = ops.sign(near[1, 0] - near[-1, 0]) * ops.cast(inside_x, "float32")
    down = ops.sign(near[0, 1] - near[0, -1]) * ops.cast(inside_y, "float32")
    return 0.25 * ops.stack([across, down], axis=-1)


def dark_step(
    heatmaps: KerasTensor,
    scores: KerasTensor,
    x: KerasTensor,
    y: KerasTensor,
    taps: np.ndarray,
) -> KerasTensor:
    """DARK's Newton step on the logarithm of the blurred map, with safeguards.

    Where the blur would reach over the border, the map is used without blur: zeros from
    outside would push the peak inwards by up to a cell. There is no step within 2 cells
    of the border or where the Hessian is not that of a maximum (flat maps), and the
    step is limited to 1 cell in each direction.
    """
    blurred = _blur(heatmaps, taps)
    highest = ops.maximum(ops.max(blurred, axis=(1, 2)), _LOG_FLOOR)
    rescale = ops.maximum(scores, 0.0) / highest
    clear = _clear_of_border(heatmaps, x, y, len(taps) // 2)
    raw = _neighbours(heatmaps, x, y, reach=2)
    log = {}
    for offset, smooth in _neighbours(blurred, x, y, reach=2).items():
        value = ops.where(clear, smooth * rescale, raw[offset])
        log[offset] = ops.log(ops.maximum(value, _LOG_FLOOR))
    gradient, hessian = _wide_differences(log)
    dxx, dxy, dyy = hessian
    safe = ops.logical_and(
        _clear_of_border(heatmaps, x, y, 2),
        ops.logical_and(dxx * dyy - dxy * dxy > 1e-12, dxx < 0),
    )
    return ops.clip(_newton(gradient, hessian, safe), -1.0, 1.0)


def official_dark_step(
    heatmaps: KerasTensor,
    scores: KerasTensor,
    x: KerasTensor,
    y: KerasTensor,
    taps: np.ndarray,
) -> KerasTensor:
    """DARK's step as in the published code, TokenPose and MMPose's `unbiased`.

    The blurred map is rescaled to its original maximum. The step has no limit and is
    left out only where the determinant is exactly 0.
    """
    blurred = _blur(heatmaps, taps)
    rescale = _to_old_maximum(blurred, scores)
    log = {
        offset: ops.log(ops.maximum(value * rescale, _LOG_FLOOR))
        for offset, value in _neighbours(blurred, x, y, reach=2).items()
    }
    gradient, hessian = _wide_differences(log)
    dxx, dxy, dyy = hessian
    safe = ops.logical_and(
        _clear_of_border(heatmaps, x, y, 2), ops.abs(dxx * dyy - dxy * dxy) > 0
    )
    return _newton(gradient, hessian, safe)


def udp_step(
    heatmaps: KerasTensor,
    scores: KerasTensor,
    x: KerasTensor,
    y: KerasTensor,
    taps: np.ndarray,
) -> KerasTensor:
    """The step of UDP's decoder in MMPose: DARK with neighbours one cell away.

    Cells beyond the border take the value of the nearest one inside. The logarithm is
    taken of the blurred map, rescaled to its original maximum and clipped to 1e-3..50.
    """
    blurred = _blur(heatmaps, taps)
    rescale = _to_old_maximum(blurred, scores)
    rows, columns = heatmaps.shape[1:3]
    log = {}
    for dy in (-1, 0, 1):
        row = _pick(blurred, ops.clip(y + dy, 0, rows - 1), axis=1)
        for dx in (-1, 0, 1):
            value = _pick(row, ops.clip(x + dx, 0, columns - 1), axis=1) * rescale
            log[dx, dy] = ops.log(ops.clip(value, *_UDP_RANGE))
    gradient = (
        0.5 * (log[1, 0] - log[-1, 0]),
        0.5 * (log[0, 1] - log[0, -1]),
    )
    dxx = log[1, 0] - 2 * log[0, 0] + log[-1, 0] + _FLOAT32_EPSILON
    dyy = log[0, 1] - 2 * log[0, 0] + log[0, -1] + _FLOAT32_EPSILON
    straight = log[1, 0] + log[0, 1] + log[-1, 0] + log[0, -1]
    dxy = 0.5 * (log[1, 1] + log[-1, -1] + 2 * log[0, 0] - straight)
    hessian = dxx, dxy, dyy
    return _newton(gradient, hessian, ops.abs(dxx * dyy - dxy * dxy) > 0)


def _first_maximum(values: KerasTensor) -> KerasTensor:
    """Index `[B, J]`, as float32, of the first maximum of `[B, n, J]` along n.

    Replaces `ops.argmax`, which distinguishes -0.0 from 0.0 by bit operations that
    LiteRT does not have.
    """
    size = values.shape[1]
    positions = ops.arange(size, dtype="float32")[None, :, None]
    highest = ops.max(values, axis=1, keepdims=True)
    return ops.min(ops.where(values >= highest, positions, float(size)), axis=1)


def _pick(values: KerasTensor, index: KerasTensor, axis: int) -> KerasTensor:
    """Slice `index` `[B, J]` of `values` along `axis`; 0 beyond the border."""
    size = values.shape[axis]
    positions = ops.arange(size, dtype="float32")[None, :, None]
    mask = ops.cast(ops.equal(positions, index[:, None, :]), "float32")
    if len(values.shape) == 4:
        mask = mask[:, :, None, :]
    return ops.sum(values * mask, axis=axis)


def _neighbours(
    heatmaps: KerasTensor, x: KerasTensor, y: KerasTensor, reach: int
) -> dict[tuple[int, int], KerasTensor]:
    """Values `[B, J]` at cells (x + dx, y + dy), |dx| + |dy| <= reach."""
    near = {}
    for dy in range(-reach, reach + 1):
        row = _pick(heatmaps, y + dy, axis=1)
        for dx in range(abs(dy) - reach, reach - abs(dy) + 1):
            near[dx, dy] = _pick(row, x + dx, axis=1)
    return near


def _clear_of_border(
    heatmaps: KerasTensor, x: KerasTensor, y: KerasTensor, border: int
) -> KerasTensor:
    """Whether a cell is at least `border` cells from all four edges, `[B, J]`."""
    rows, columns = heatmaps.shape[1:3]
    return ops.logical_and(
        ops.logical_and(x >= border, x <= columns - 1 - border),
        ops.logical_and(y >= border, y <= rows - 1 - border),
    )


def _blur(heatmaps: KerasTensor, taps: np.ndarray) -> KerasTensor:
    """Separable blur; zeros beyond the border."""
    taps = np.repeat(taps[:, None], heatmaps.shape[3], axis=1)
    for kernel in (taps[:, None, :, None], taps[None, :, :, None]):
        heatmaps = ops.depthwise_conv(
            heatmaps,
            ops.convert_to_tensor(kernel),
            strides=1,
            padding="same",
            data_format="channels_last",
        )
    return heatmaps


def _to_old_maximum(blurred: KerasTensor, scores: KerasTensor) -> KerasTensor:
    highest = ops.max(blurred, axis=(1, 2))
    return scores / ops.where(ops.abs(highest) > 0, highest, 1.0)


def _wide_differences(log: dict[tuple[int, int], KerasTensor]) -> tuple[Any, Any]:
    """(dx, dy) and (dxx, dxy, dyy) by differences over two cells each."""
    dx = 0.5 * (log[1, 0] - log[-1, 0])
    dy = 0.5 * (log[0, 1] - log[0, -1])
    dxx = 0.25 * (log[2, 0] - 2 * log[0, 0] + log[-2, 0])
    dyy = 0.25 * (log[0, 2] - 2 * log[0, 0] + log[0, -2])
    dxy = 0.25 * (log[1, 1] - log[-1, 1] - log[1, -1] + log[-1, -1])
    return (dx, dy), (dxx, dxy, dyy)


def _newton(gradient: Any, hessian: Any, safe: KerasTensor) -> KerasTensor:
    """-H^-1 g where `safe`, else no step."""
    (dx, dy), (dxx, dxy, dyy) = gradient, hessian
    divisor = ops.where(safe, dxx * dyy - dxy * dxy, 1.0)
    step = ops.stack(
        [(dxy * dy - dyy * dx) / divisor, (dxy * dx - dxx * dy) / divisor], axis=-1
    )
    return step * ops.cast(safe, "float32")[..., None]
