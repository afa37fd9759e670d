"""Heatmaps, one per joint: Gaussian targets, and decoding to sub-pixel keypoints.

The pixel convention of the whole project:

- Pixel centres lie at integer coordinates, the first at the origin (top left), so
  an image of width W spans x in [-0.5, W - 0.5].
- Resizing by s maps x to (x + 0.5) * s - 0.5.
- Cell h of a heatmap of stride s is the image point (h + 0.5) * s - 0.5, the middle
  of the s pixels that it covers.
- A horizontal flip maps x to W - 1 - x, and with it cell h to exactly w - 1 - h, so
  flipped heatmaps need no shift.
- Boxes are [x, y, w, h] with x, y the left and top EDGE ([0, 0, W, H] is the whole
  image); the centre of a box is the point (x + w / 2 - 0.5, y + h / 2 - 0.5).

This is the alignment `half_pixel`, the default of every `alignment` argument. Published
weights need others, which `tfpose.codecs.alignment` describes.

Symbols: B batch, J joints, (H, W) input size, (h, w) heatmap size, s stride.
"""

import dataclasses

import numpy as np
from keras import ops

from tfpose.codecs import peaks
from tfpose.codecs.alignment import cell_map, check_alignment
from tfpose.codecs.peaks import KerasTensor
from tfpose.errors import InputError

__all__ = ["DECODE_METHODS", "HeatmapCodec", "KerasTensor"]

DECODE_METHODS = ("argmax", "quarter", "msra", "dark", "udp")


@dataclasses.dataclass(frozen=True)
class HeatmapCodec:
    """Encodes keypoints as Gaussian heatmaps and decodes heatmaps to keypoints.

    Both directions use `keras.ops` on static shapes only, so they compile with XLA and
    can be exported as part of a model's graph.

    Args:
        input_size: (H, W) of the network's input, pixels; multiples of `stride`.
        stride: input pixels per heatmap cell.
        sigma: standard deviation of the Gaussian, heatmap cells.
        alignment: one of `tfpose.codecs.alignment.ALIGNMENTS`. For all but `half_pixel`
            decoding equals that of the published code in every detail.
        rounded: whether targets are Gaussians about the nearest cell, 0 beyond 3 sigma,
            as in the training of HRNet and SimpleBaseline. Otherwise they are about the
            keypoint.
        blur_kernel: side of the decoder's smoothing kernel, odd number of cells.
            Defaults to a size chosen from sigma: 11 for 2, 17 for 3.

    Raises:
        InputError: an impossible value.
    """

    input_size: tuple[int, int]
    stride: int = 4
    sigma: float = 2.0
    alignment: str = "half_pixel"
    rounded: bool = False
    blur_kernel: int | None = None

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
        check_alignment(self.alignment)
        if self.alignment in ("tokenpose", "udp") and min(self.heatmap_size) < 2:
            raise InputError(
                f"input_size is {self.input_size}, expected at least 2 cells each way "
                f"for alignment {self.alignment!r}"
            )
        if self.blur_kernel is not None and (
            self.blur_kernel < 3 or self.blur_kernel % 2 == 0
        ):
            raise InputError(
                f"blur_kernel is {self.blur_kernel}, expected an odd number from 3"
            )

    @property
    def heatmap_size(self) -> tuple[int, int]:
        """(h, w), cells."""
        return self.input_size[0] // self.stride, self.input_size[1] // self.stride

    def to_cells(self, keypoints: KerasTensor) -> KerasTensor:
        """Input pixels to heatmap cells, `[..., 2]` (x, y); both may be fractions."""
        scale, offset = self._cell_map(keypoints)
        return (keypoints - offset) / scale

    def to_pixels(self, cells: KerasTensor) -> KerasTensor:
        """Heatmap cells to input pixels, the inverse of `to_cells`."""
        scale, offset = self._cell_map(cells)
        return cells * scale + offset

    def _cell_map(self, points: KerasTensor) -> tuple[np.ndarray, np.ndarray]:
        dtype = "float64" if str(points.dtype).endswith("64") else "float32"
        scale, offset = cell_map(self.alignment, self.input_size, self.heatmap_size)
        return np.array(scale, dtype), np.array(offset, dtype)

    def inside(self, keypoints: KerasTensor, margin: float = 0.0) -> KerasTensor:
        """1.0 where a keypoint lies in the input widened by `margin`, else 0.0.

        Args:
            keypoints: `[B, J, 2]` (x, y), input pixels.
            margin: input pixels beyond each edge.

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

    def reaches(self, keypoints: KerasTensor) -> KerasTensor:
        """1.0 where part of a keypoint's Gaussian is on the map, else 0.0.

        Published training code, and ours, gives a joint weight 0 if no part of its
        Gaussian is on the map. The Gaussian ends 3 sigma from its centre; for
        alignments other than `half_pixel` the limit is one cell wider on the left and
        at the top, as in the published code.

        Args:
            keypoints: `[B, J, 2]` (x, y), input pixels, finite.

        Returns:
            `[B, J]` float32, to be multiplied into a loss weight.
        """
        if self.alignment == "half_pixel" and not self.rounded:
            return self.inside(keypoints, 3 * self.sigma * self.stride)
        cells = self.to_cells(ops.cast(keypoints, "float32"))
        if self._bounded:
            cells = _nearest_cell(cells)
        rows, columns = self.heatmap_size
        low = -3 * self.sigma
        across = ops.logical_and(
            cells[..., 0] >= low - 1, cells[..., 0] < columns - low
        )
        down = ops.logical_and(cells[..., 1] >= low - 1, cells[..., 1] < rows - low)
        return ops.cast(ops.logical_and(across, down), "float32")

    def targets(
        self, keypoints: KerasTensor, weights: KerasTensor
    ) -> tuple[KerasTensor, KerasTensor]:
        """What a net is to draw, and how much each joint counts.

        Args:
            keypoints: `[B, J, 2]` (x, y), input pixels, finite.
            weights: `[B, J]`, 0 for a joint without a label.

        Returns:
            heatmaps as of `encode`, and the weights, 0 as well for a joint of which no
            part is on the map.
        """
        weights = weights * self.reaches(keypoints)
        return self.encode(keypoints, weights), weights

    @property
    def _bounded(self) -> bool:
        """Whether targets end at 3 sigma; MMPose's for UDP do, without rounding."""
        return self.rounded or self.alignment == "udp"

    def encode(self, keypoints: KerasTensor, weights: KerasTensor) -> KerasTensor:
        """Renders a Gaussian of peak 1 at each keypoint.

        Args:
            keypoints: `[B, J, 2]` (x, y), input pixels; may lie outside.
            weights: `[B, J]`; a joint of weight 0 (or less) gets an empty map. A
                positive weight does not scale the map: it is for the loss.

        Returns:
            `[B, h, w, J]` float32 in [0, 1]. Unless `rounded`, the maximum over cells
            is below 1 where the keypoint is between cells. With `rounded`, and for
            alignment `udp`, cells more than 3 sigma from the nearest one are 0.
        """
        present = ops.cast(weights, "float32") > 0
        cells = self.to_cells(ops.cast(keypoints, "float32"))
        # An absent joint may carry NaN: it must not reach the exponential.
        cells = ops.where(present[..., None], cells, 0.0)
        nearest = _nearest_cell(cells)
        centres = nearest if self.rounded else cells
        scale = -0.5 / self.sigma**2
        profiles = []
        for axis, size in ((1, self.heatmap_size[0]), (0, self.heatmap_size[1])):
            positions = ops.arange(size, dtype="float32")[None, :, None]
            profile = ops.exp(scale * ops.square(positions - centres[:, None, :, axis]))
            if self._bounded:
                distance = ops.abs(positions - nearest[:, None, :, axis])
                profile = profile * ops.cast(distance <= 3 * self.sigma, "float32")
            profiles.append(profile)
        down, across = profiles
        down = down * ops.cast(present, "float32")[:, None, :]
        return down[:, :, None, :] * across[:, None, :, :]

    def decode(
        self, heatmaps: KerasTensor, method: str = "dark"
    ) -> tuple[KerasTensor, KerasTensor]:
        """Finds the peak of each heatmap.

        argmax: the centre of the highest cell (the first one among equals).
        quarter: a quarter cell from there towards the higher neighbour, in each
            direction in which the cell has two neighbours of different height. For
            alignments other than `half_pixel` with HRNet's rule at the border.
        msra: the same with the rule of MMPose's MSRA codec at the border.
        dark: Zhang et al., "Distribution-Aware Coordinate Representation for Human
            Pose Estimation" (CVPR 2020). The map is smoothed by a Gaussian and
            rescaled to its original maximum; one Newton step on its logarithm goes from
            the highest cell to the peak. With `half_pixel` the step is limited at the
            border and on flat maps (`tfpose.codecs.peaks.dark_step`); with the others
            it equals that of DarkPose, TokenPose and MMPose.
        udp: MMPose's refinement for UDP, also a Newton step.

        Args:
            heatmaps: `[B, h, w, J]`, any float type.
            method: one of `DECODE_METHODS`.

        Returns:
            keypoints `[B, J, 2]` float32 (x, y), input pixels, and scores `[B, J]`
            float32: the maximum of each given map. A map whose maximum is not above 0
            shows no joint: its keypoint is (0, 0) with `half_pixel`; otherwise it is
            cell (0, 0) or, with MMPose's decoders msra and udp, cell (-1, -1), as in
            the published code.

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
        x, y, scores = peaks.highest_cell(heatmaps)
        cells = ops.stack([x, y], axis=-1)
        if method != "argmax":
            cells = cells + self._step(method, heatmaps, scores, x, y)
        present = (scores > 0)[..., None]
        if self.alignment == "half_pixel":
            return ops.where(present, self.to_pixels(cells), 0.0), scores
        absent_cell = -1.0 if method in ("msra", "udp") else 0.0
        return self.to_pixels(ops.where(present, cells, absent_cell)), scores

    def _step(
        self,
        method: str,
        heatmaps: KerasTensor,
        scores: KerasTensor,
        x: KerasTensor,
        y: KerasTensor,
    ) -> KerasTensor:
        own = self.alignment == "half_pixel"
        if method == "msra":
            return peaks.quarter_step(heatmaps, x, y, "mmpose")
        if method == "quarter":
            border = "own" if own else "official"
            return peaks.quarter_step(heatmaps, x, y, border)
        taps = peaks.gaussian_taps(self.blur_kernel_size)
        if method == "udp":
            return peaks.udp_step(heatmaps, scores, x, y, taps)
        if own:
            taps = peaks.gaussian_taps(self.blur_kernel_size, self.sigma)
            return peaks.dark_step(heatmaps, scores, x, y, taps)
        return peaks.official_dark_step(heatmaps, scores, x, y, taps)

    @property
    def blur_kernel_size(self) -> int:
        """Side of the smoothing kernel, odd cells: 11 for sigma 2, 17 for 3."""
        if self.blur_kernel is not None:
            return self.blur_kernel
        return 2 * max(1, int(2.8 * self.sigma)) + 1


def _nearest_cell(cells: KerasTensor) -> KerasTensor:
    """int(cell + 0.5) as in published code: truncated, so -1.2 becomes 0."""
    return ops.cast(ops.cast(cells + 0.5, "int32"), "float32")
