"""One heatmap per joint: Gaussian targets, and decoding to sub-pixel keypoints.

The pixel convention of the whole project is this one:

- Pixel centres lie at integer coordinates, the first at the origin (top left), so
  an image of width W spans x in [-0.5, W - 0.5].
- Resizing by s maps x to (x + 0.5) * s - 0.5.
- Cell h of a heatmap of stride s is the image point (h + 0.5) * s - 0.5, the middle
  of the s pixels that it covers.
- A horizontal flip maps x to W - 1 - x, and with it cell h to exactly w - 1 - h, so
  flipped heatmaps need no shift.
- Boxes are [x, y, w, h] with x, y the left and top EDGE ([0, 0, W, H] is the whole
  image); the centre of a box is the point (x + w / 2 - 0.5, y + h / 2 - 0.5).

Symbols: B batch, J joints, (H, W) input size, (h, w) heatmap size, s stride.
"""

import dataclasses
from typing import Any

import numpy as np
from keras import ops

from tfpose.errors import InputError

__all__ = ["DECODE_METHODS", "HeatmapCodec", "KerasTensor"]

KerasTensor = Any
DECODE_METHODS = ("argmax", "quarter", "dark")

_LOG_FLOOR = 1e-10


@dataclasses.dataclass(frozen=True)
class HeatmapCodec:
    """Encodes keypoints as Gaussian heatmaps and decodes heatmaps to keypoints.

    Both ways use `keras.ops` on static shapes only, so they compile with XLA and
    export inside a model's graph.

    Args:
        input_size: (H, W) of the network's input, pixels; multiples of `stride`.
        stride: input pixels per heatmap cell.
        sigma: standard deviation of the Gaussian, heatmap cells.
        biased: cell h is the image point h * s, not the middle of its pixels. Only
            for the official HRNet and SimpleBaseline checkpoints, which were
            trained so; their flip test wants `unflip_heatmaps(..., shift=1)`.

    Raises:
        InputError: a size is not a positive multiple of the stride, or sigma <= 0.
    """

    input_size: tuple[int, int]
    stride: int = 4
    sigma: float = 2.0
    biased: bool = False

    def __post_init__(self) -> None:
        if self.stride < 1:
            raise InputError(f"stride is {self.stride}, expected at least 1")
        if len(self.input_size) != 2 or any(
            size < 1 or size % self.stride for size in self.input_size
        ):
            raise InputError(
                f"input_size is {self.input_size}, expected (height, width), both "
                f"positive multiples of the stride {self.stride}"
            )
        if not (np.isfinite(self.sigma) and self.sigma > 0):
            raise InputError(f"sigma is {self.sigma}, expected a number above 0")

    @property
    def heatmap_size(self) -> tuple[int, int]:
        """(h, w), cells."""
        return self.input_size[0] // self.stride, self.input_size[1] // self.stride

    def to_cells(self, keypoints: KerasTensor) -> KerasTensor:
        """Input pixels to heatmap cells, any shape; both may be fractions."""
        if self.biased:
            return keypoints / self.stride
        return (keypoints + 0.5) / self.stride - 0.5

    def to_pixels(self, cells: KerasTensor) -> KerasTensor:
        """Heatmap cells to input pixels, the inverse of `to_cells`."""
        if self.biased:
            return cells * self.stride
        return (cells + 0.5) * self.stride - 0.5

    def inside(self, keypoints: KerasTensor, margin: float = 0.0) -> KerasTensor:
        """1.0 where a keypoint lies in the input widened by `margin`, else 0.0.

        Args:
            keypoints: `[B, J, 2]` (x, y), input pixels.
            margin: input pixels beyond each edge. `3 * sigma * stride` keeps every
                joint of whose Gaussian something is on the map.

        Returns:
            `[B, J]` float32, to be multiplied into a loss weight.
        """
        keypoints = ops.cast(keypoints, "float32")
        height, width = self.input_size
        x, y = keypoints[..., 0], keypoints[..., 1]
        low = -0.5 - margin
        across = ops.logical_and(x >= low, x <= width - 0.5 + margin)
        down = ops.logical_and(y >= low, y <= height - 0.5 + margin)
        return ops.cast(ops.logical_and(across, down), "float32")

    def encode(self, keypoints: KerasTensor, weights: KerasTensor) -> KerasTensor:
        """Renders an unrounded Gaussian of peak 1 at each keypoint.

        Args:
            keypoints: `[B, J, 2]` (x, y), input pixels; may lie outside.
            weights: `[B, J]`; a joint of weight 0 (or less) gets an empty map. The
                size of a positive weight does not scale the map: it is for the loss.

        Returns:
            `[B, h, w, J]` float32 in [0, 1]. The maximum over cells is below 1
            where the keypoint is between cells.
        """
        present = ops.cast(weights, "float32") > 0
        cells = self.to_cells(ops.cast(keypoints, "float32"))
        # An absent joint may carry NaN: it must not reach the exponential.
        cells = ops.where(present[..., None], cells, 0.0)
        height, width = self.heatmap_size
        scale = -0.5 / self.sigma**2
        rows = ops.arange(height, dtype="float32")[None, :, None]
        columns = ops.arange(width, dtype="float32")[None, :, None]
        down = ops.exp(scale * ops.square(rows - cells[:, None, :, 1]))
        across = ops.exp(scale * ops.square(columns - cells[:, None, :, 0]))
        down = down * ops.cast(present, "float32")[:, None, :]
        return down[:, :, None, :] * across[:, None, :, :]

    def decode(
        self, heatmaps: KerasTensor, method: str = "dark"
    ) -> tuple[KerasTensor, KerasTensor]:
        """Finds the peak of each heatmap.

        argmax: the middle of the highest cell (the first one of equals).
        quarter: a quarter cell from there towards the higher neighbour, in each
            direction in which the cell has two neighbours of different height.
        dark: Zhang et al., "Distribution-Aware Coordinate Representation for Human
            Pose Estimation" (CVPR 2020). The map is smoothed by a Gaussian and
            rescaled to its old maximum; one Newton step on its logarithm goes from
            the highest cell to the peak. Where the smoothing kernel would reach
            over the border, the map is read as it is: zeros from outside would push
            the peak inwards by up to a cell. The step is not taken within 2 cells
            of the border or where the Hessian is not that of a maximum (flat maps),
            and is limited to 1 cell each way.

        Args:
            heatmaps: `[B, h, w, J]`, any float type.
            method: one of `DECODE_METHODS`.

        Returns:
            keypoints `[B, J, 2]` float32 (x, y), input pixels, and scores `[B, J]`
            float32: the maximum of each map as it came. A map whose maximum is not
            above 0 shows no joint: its keypoint is (0, 0).

        Raises:
            InputError: an unknown method or another heatmap size.
        """
        if method not in DECODE_METHODS:
            raise InputError(
                f"decode method is {method!r}, expected one of {DECODE_METHODS}"
            )
        height, width = self.heatmap_size
        if len(heatmaps.shape) != 4 or tuple(heatmaps.shape[1:3]) != (height, width):
            raise InputError(
                f"heatmaps have shape {tuple(heatmaps.shape)}, expected "
                f"[B, {height}, {width}, J]"
            )
        heatmaps = ops.cast(heatmaps, "float32")
        scores = ops.max(heatmaps, axis=(1, 2))
        # The first row that holds the maximum, then the first column in it.
        y = _first_maximum(ops.max(heatmaps, axis=2))
        x = _first_maximum(self._pick(heatmaps, y, axis=1))
        cells = ops.stack([x, y], axis=-1)
        if method == "quarter":
            cells = cells + self._quarter_step(heatmaps, x, y)
        elif method == "dark":
            cells = cells + self._newton_step(heatmaps, scores, x, y)
        found = ops.cast(scores > 0, "float32")[..., None]
        return self.to_pixels(cells) * found, scores

    @property
    def blur_kernel_size(self) -> int:
        """Side of DARK's smoothing kernel, odd cells: 11 for sigma 2, 17 for 3."""
        return 2 * max(1, int(2.8 * self.sigma)) + 1

    def _pick(self, values: KerasTensor, index: KerasTensor, axis: int) -> KerasTensor:
        """Slice `index` `[B, J]` of `values` along `axis`; 0 beyond the border.

        A masked sum rather than a gather: exact, and plain for XLA and LiteRT.
        """
        size = values.shape[axis]
        places = ops.arange(size, dtype="float32")[None, :, None]
        mask = ops.cast(ops.equal(places, index[:, None, :]), "float32")
        if len(values.shape) == 4:
            mask = mask[:, :, None, :]
        return ops.sum(values * mask, axis=axis)

    def _neighbours(
        self, heatmaps: KerasTensor, x: KerasTensor, y: KerasTensor, reach: int
    ) -> dict[tuple[int, int], KerasTensor]:
        """Values `[B, J]` at cells (x + dx, y + dy), |dx| + |dy| <= reach."""
        near = {}
        for dy in range(-reach, reach + 1):
            row = self._pick(heatmaps, y + dy, axis=1)
            for dx in range(abs(dy) - reach, reach - abs(dy) + 1):
                near[dx, dy] = self._pick(row, x + dx, axis=1)
        return near

    def _within(
        self, x: KerasTensor, y: KerasTensor, border: int
    ) -> tuple[KerasTensor, KerasTensor]:
        """Whether x, and whether y, is at least `border` cells from both edges."""
        height, width = self.heatmap_size
        return (
            ops.logical_and(x >= border, x <= width - 1 - border),
            ops.logical_and(y >= border, y <= height - 1 - border),
        )

    def _quarter_step(
        self, heatmaps: KerasTensor, x: KerasTensor, y: KerasTensor
    ) -> KerasTensor:
        near = self._neighbours(heatmaps, x, y, reach=1)
        inside_x, inside_y = self._within(x, y, border=1)
        across = ops.sign(near[1, 0] - near[-1, 0]) * ops.cast(inside_x, "float32")
        down = ops.sign(near[0, 1] - near[0, -1]) * ops.cast(inside_y, "float32")
        return 0.25 * ops.stack([across, down], axis=-1)

    def _blur(self, heatmaps: KerasTensor) -> KerasTensor:
        """Separable Gaussian of the codec's sigma; zeros beyond the border."""
        radius = self.blur_kernel_size // 2
        taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / self.sigma) ** 2)
        taps = (taps / taps.sum()).astype("float32")
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

    def _newton_step(
        self, heatmaps: KerasTensor, scores: KerasTensor, x: KerasTensor, y: KerasTensor
    ) -> KerasTensor:
        blurred = self._blur(heatmaps)
        highest = ops.maximum(ops.max(blurred, axis=(1, 2)), _LOG_FLOOR)
        rescale = ops.maximum(scores, 0.0) / highest
        clear = ops.logical_and(*self._within(x, y, border=self.blur_kernel_size // 2))
        raw = self._neighbours(heatmaps, x, y, reach=2)
        log = {}
        for offset, smooth in self._neighbours(blurred, x, y, reach=2).items():
            value = ops.where(clear, smooth * rescale, raw[offset])
            log[offset] = ops.log(ops.maximum(value, _LOG_FLOOR))
        dx = 0.5 * (log[1, 0] - log[-1, 0])
        dy = 0.5 * (log[0, 1] - log[0, -1])
        dxx = 0.25 * (log[2, 0] - 2 * log[0, 0] + log[-2, 0])
        dyy = 0.25 * (log[0, 2] - 2 * log[0, 0] + log[0, -2])
        dxy = 0.25 * (log[1, 1] - log[-1, 1] - log[1, -1] + log[-1, -1])
        determinant = dxx * dyy - dxy * dxy
        inside_x, inside_y = self._within(x, y, border=2)
        safe = ops.logical_and(
            ops.logical_and(inside_x, inside_y),
            ops.logical_and(determinant > 1e-12, dxx < 0),
        )
        divisor = ops.where(safe, determinant, 1.0)
        step = ops.stack(
            [(dxy * dy - dyy * dx) / divisor, (dxy * dx - dxx * dy) / divisor], axis=-1
        )
        return ops.clip(step, -1.0, 1.0) * ops.cast(safe, "float32")[..., None]


def _first_maximum(values: KerasTensor) -> KerasTensor:
    """Index `[B, J]`, as float32, of the first maximum of `[B, n, J]` along n.

    Stands for `ops.argmax`, which tells -0.0 from 0.0 by bit operations that LiteRT
    does not have.
    """
    size = values.shape[1]
    places = ops.arange(size, dtype="float32")[None, :, None]
    highest = ops.max(values, axis=1, keepdims=True)
    return ops.min(ops.where(values >= highest, places, float(size)), axis=1)
