"""What a centre-offset net is to draw: heatmaps with centres, offsets, and weights.

The targets of DEKR (Geng et al., CVPR 2021, arXiv:2104.02300), which LOGO-CAP learns
from, too. A person is a point, the centre; the offsets at the centre lead to the
person's joints.

Symbols: B batch, P slots of people, J joints, (H, W) input size, (h, w) map size in
cells. `keras.ops` on static shapes, so targets are rendered inside a compiled step.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from keras import ops

from tfpose.codecs.alignment import cell_map
from tfpose.codecs.peaks import KerasTensor

__all__ = ["CentreCodec", "CentreTargets"]


class CentreTargets(NamedTuple):
    """Targets and weights of a batch, float32."""

    heatmaps: KerasTensor
    """`[B, h, w, J + 1]` in [0, 1]; the centres come last."""
    weights: KerasTensor
    """`[B, h, w, 1]`: of each cell in the loss of heatmaps; 0 where to ignore."""
    offsets: KerasTensor
    """`[B, h, w, J, 2]`, (x, y): cell minus keypoint, in cells."""
    offset_weights: KerasTensor
    """`[B, h, w, J]`: 0 where nobody is, else 1 / sqrt(area of the person)."""


@dataclasses.dataclass(frozen=True)
class CentreCodec:
    """Renders `CentreTargets` of people in fixed slots.

    * A heatmap has a Gaussian at each labelled keypoint inside the input; where two
      meet, the larger value. It ends between 3 sigma + 1 and 3 sigma + 2 cells away.
    * Cells in none of the squares that Gaussians fill have the weight `background`.
    * Offsets are painted in a square of 2 * `radius` cells around the centre's cell.
      Of two people who meet there the one in the later slot has the cell: give the
      larger person first, for the smaller one to win.

    Attributes:
        input_size: (H, W) pixels, multiples of `stride`.
        stride: input pixels per cell.
        sigma: of keypoints' Gaussians, cells.
        centre_sigma: of centres' Gaussians, cells.
        radius: of the offsets' square, cells.
        background: weight of cells where nobody is.
        released: as LOGO-CAP's released code has it. Cell c is then the input point
            c * stride, and not the middle of the pixels that the cell covers, but maps
            are mirrored like pixels; a centre's cell is that before it, not the
            nearest; and slots may be in any order, as the smaller person is to win by
            a rule that fails where one has a joint that the other lacks.
    """

    input_size: tuple[int, int]
    stride: int = 4
    sigma: float = 2.0
    centre_sigma: float = 4.0
    radius: int = 4
    background: float = 0.1
    released: bool = False

    @property
    def alignment(self) -> str:
        """Of input and map, see `tfpose.codecs.alignment`."""
        return "official" if self.released else "half_pixel"

    @property
    def map_size(self) -> tuple[int, int]:
        """(h, w), cells."""
        return self.input_size[0] // self.stride, self.input_size[1] // self.stride

    def to_cells(self, points: KerasTensor) -> KerasTensor:
        """Input pixels `[..., 2]`, (x, y), to cells, both with fractions."""
        scale, offset = cell_map(self.alignment, self.input_size, self.map_size)
        return (points - np.array(offset, "float32")) / np.array(scale, "float32")

    def labelled_inside(self, points: KerasTensor) -> KerasTensor:
        """Which points are labelled and in the input, float32 0 or 1.

        Args:
            points: `[..., 3]`: x, y in input pixels and visibility, 0 for none.
        """
        low = 0.0 if self.released else -0.5
        inside = points[..., 2] > 0
        for axis, size in ((0, self.input_size[1]), (1, self.input_size[0])):
            value = points[..., axis]
            inside = ops.logical_and(inside, value >= low)
            inside = ops.logical_and(inside, value < size + low)
        return ops.cast(inside, "float32")

    def __call__(
        self,
        keypoints: KerasTensor,
        centres: KerasTensor,
        areas: KerasTensor,
        ignored: KerasTensor,
        mirrored: KerasTensor,
    ) -> CentreTargets:
        """Renders a batch.

        Args:
            keypoints: `[B, P, J, 3]`: x, y in input pixels, finite, and visibility, 0
                for an absent joint; all 0 in an empty slot. Empty slots come last.
            centres: `[B, P, 3]`, likewise; visibility 0 for a person without a centre.
            areas: `[B, P]`, of people in square input pixels.
            ignored: `[B, h, w]`, not 0 in cells to leave out of heatmaps' loss.
            mirrored: `[B]`, 1 for inputs that are mirrored, else 0.
        """
        keypoints, centres, areas, mirrored = (
            ops.cast(value, "float32")
            for value in (keypoints, centres, areas, mirrored)
        )
        points = ops.concatenate([keypoints, centres[:, :, None]], axis=2)
        if self.released:
            # Cells are mirrored as whole ones, though they are their first pixels.
            shift = ops.stack([mirrored, 0 * mirrored, 0 * mirrored], axis=-1)
            points = points - (self.stride - 1) * shift[:, None, None]
        present = self.labelled_inside(points)
        cells = self.to_cells(points[..., :2])
        columns, rows = (
            self._boxes(cells[..., axis], present, axis) for axis in (0, 1)
        )
        # Squares are products of rows and columns, so their union is one product.
        squares = ops.einsum("bkh,bkw->bhw", rows, columns)
        weights = ops.where(squares > 0, 1.0, self.background)
        weights = ops.where(ops.cast(ignored, "float32") > 0, 0.0, weights)
        heatmaps, offsets, offset_weights = self._painted(
            cells, present, centres[..., 2], areas
        )
        return CentreTargets(heatmaps, weights[..., None], offsets, offset_weights)

    def _boxes(
        self, values: KerasTensor, present: KerasTensor, axis: int
    ) -> KerasTensor:
        """`[B, P * (J + 1), n]`: 1 in the columns or rows of each point's square."""
        _, people, kinds = values.shape
        inside = self._reach(values, axis) * present[..., None]
        return ops.reshape(inside, (-1, people * kinds, inside.shape[-1]))

    def _reach(self, values: KerasTensor, axis: int) -> KerasTensor:
        """`[..., J + 1, n]`: 1 in cells that the Gaussians `[..., J + 1]` fill."""
        reach = 3 * self._sigmas(values.shape[-1])
        first, stop = ops.floor(values - reach - 1), ops.ceil(values + reach + 2)
        cells = np.arange(self.map_size[1 - axis], dtype="float32")
        inside = ops.logical_and(cells >= first[..., None], cells < stop[..., None])
        return ops.cast(inside, "float32")

    def _sigmas(self, kinds: int) -> np.ndarray:
        return np.array([self.sigma] * (kinds - 1) + [self.centre_sigma], "float32")

    def _painted(
        self,
        cells: KerasTensor,
        present: KerasTensor,
        centred: KerasTensor,
        areas: KerasTensor,
    ) -> tuple[KerasTensor, KerasTensor, KerasTensor]:
        """Heatmaps, offsets and their weights, person by person.

        All people at once would need memory for a map of each person's joints.
        """
        batch = ops.shape(cells)[0]
        people, kinds = cells.shape[1:3]
        height, width = self.map_size
        centre_x, centre_y, there = self._centre_cells(cells[:, :, -1], centred)
        state = (
            ops.zeros((batch, height, width, kinds)),
            ops.zeros((batch, height, width, kinds - 1, 2)),
            ops.zeros((batch, height, width, kinds - 1)),
            ops.zeros((batch, height, width, 1)),
        )
        grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1)
        grid = grid[:, :, None].astype("float32")

        def paint(slot: KerasTensor, state: tuple) -> tuple:
            heatmaps, offsets, weights, tops = state
            points, shown = ops.take(cells, slot, 1), ops.take(present, slot, 1)
            heatmaps = ops.maximum(heatmaps, self._gaussians(points, shown))
            inside = ops.logical_and(
                self._near(ops.take(centre_y, slot, 1), height)[:, :, None],
                self._near(ops.take(centre_x, slot, 1), width)[:, None],
            )
            inside = ops.logical_and(inside, ops.take(there, slot, 1)[:, None, None])
            new = ops.logical_and(inside[..., None], shown[:, None, None, :-1] > 0)
            area = ops.take(areas, slot, 1)[:, None, None, None]
            if self.released:
                new = _released_rule(new, offsets, tops < area)
            offsets = ops.where(
                new[..., None], grid - points[:, None, None, :-1], offsets
            )
            weights = ops.where(new, 1 / ops.sqrt(ops.maximum(area, 1e-6)), weights)
            tops = ops.where(ops.any(new, axis=-1, keepdims=True), area, tops)
            return heatmaps, offsets, weights, tops

        # No further than the last filled slot of the batch.
        filled = ops.any(present > 0, axis=(0, 2))
        count = ops.max(ops.where(filled, np.arange(1, people + 1, dtype="int32"), 0))
        heatmaps, offsets, weights, _ = ops.fori_loop(0, count, paint, state)
        return heatmaps, offsets, weights

    def _gaussians(self, points: KerasTensor, shown: KerasTensor) -> KerasTensor:
        """`[B, h, w, J + 1]` of points `[B, J + 1, 2]`."""
        scales = -0.5 / self._sigmas(points.shape[1]) ** 2
        profiles = []
        for axis in (1, 0):
            cells = np.arange(self.map_size[1 - axis], dtype="float32")
            values = points[..., axis]
            distances = ops.square(cells - values[..., None])
            profile = ops.exp(scales[:, None] * distances) * self._reach(values, axis)
            profiles.append(ops.transpose(profile, (0, 2, 1)))
        down, across = profiles
        return (down * shown[:, None])[:, :, None] * across[:, None]

    def _centre_cells(
        self, centres: KerasTensor, centred: KerasTensor
    ) -> tuple[KerasTensor, KerasTensor, KerasTensor]:
        """Column and row `[B, P]` of centres, and whether they are on the map."""
        # Towards 0 when released, so a centre less than a cell outside counts, too.
        cells = centres if self.released else ops.floor(centres + 0.5)
        cells = ops.cast(ops.cast(cells, "int32"), "float32")
        there = centred > 0
        for axis in (0, 1):
            value, size = cells[..., axis], self.map_size[1 - axis]
            there = ops.logical_and(there, ops.logical_and(value >= 0, value < size))
        return cells[..., 0], cells[..., 1], there

    def _near(self, centre: KerasTensor, size: int) -> KerasTensor:
        """Bool `[B, size]`: cells of the offsets' square along an axis."""
        distance = np.arange(size, dtype="float32") - centre[:, None]
        return ops.logical_and(distance >= -self.radius, distance < self.radius)


def _released_rule(
    new: KerasTensor, offsets: KerasTensor, larger: KerasTensor
) -> KerasTensor:
    """Where the released code paints a person's joints, one joint after another.

    A joint that is painted there by a smaller person stays. But the cell has one note
    of its area, which the first joint that was free overwrites, so all joints after it
    are painted over.

    Args:
        new: bool `[B, h, w, J]`, the person's joints in the square.
        offsets: `[B, h, w, J, 2]` so far.
        larger: bool `[B, h, w, 1]`, whether the person is larger than the note says.
    """
    painted = ops.any(offsets != 0, axis=-1)
    free = ops.logical_and(new, ops.logical_not(painted))
    opened = ops.cumsum(ops.cast(free, "int32"), axis=-1) > 0
    allowed = ops.logical_or(opened, ops.logical_not(larger))
    return ops.logical_and(new, allowed)
