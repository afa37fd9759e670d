"""The heatmap bottleneck: maps to points, and points to Gaussians (supplement, A.1)."""

from typing import Any

import numpy as np
from keras import ops

__all__ = ["points_of_maps", "render_points"]


def points_of_maps(maps: Any) -> Any:
    """Each map's expected position under a softmax over all its cells (equation 1).

    Args:
        maps: `[B, h, w, N]`, logits.

    Returns:
        `[B, N, 2]` (x, y), each from -0.5 to 0.5: from the first cell's edge to the
        last one's, so that it means the same at any resolution.
    """
    _, height, width, count = maps.shape
    shares = ops.softmax(ops.reshape(maps, (-1, height * width, count)), axis=1)
    x, y = (_middles(size) for size in (width, height))
    cells = np.stack([np.tile(x, height), np.repeat(y, width)], axis=-1)
    return ops.einsum("bcn,cd->bnd", shares, cells)


def render_points(points: Any, size: tuple[int, int], sigma: float) -> Any:
    """A Gaussian of height 1 about each point (equation 2).

    Args:
        points: `[B, N, 2]`, as of `points_of_maps`.
        size: (height, width) of the maps, cells.
        sigma: standard deviation, cells.

    Returns:
        `[B, height, width, N]`.
    """
    # No slices, not even for a new axis: devices know no gradient of theirs.
    along_x, along_y = (
        ops.exp(
            -0.5
            * ops.square(
                (ops.swapaxes(places, 1, 2) - _middles(cells)[None, :, None])
                * (cells / sigma)
            )
        )
        for places, cells in zip(
            ops.split(points, 2, axis=-1), (size[1], size[0]), strict=True
        )
    )
    return ops.expand_dims(along_y, 2) * ops.expand_dims(along_x, 1)


def _middles(cells: int) -> np.ndarray:
    """Middles of the cells of one axis, which is 1 long and centred on 0."""
    return ((np.arange(cells) + 0.5) / cells - 0.5).astype(np.float32)
