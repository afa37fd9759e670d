"""Heatmaps carried from one view of a person to another, and joints cut out of a view.

Xie et al., "An Empirical Study of the Collapsing Problem in Semi-Supervised 2D Human
Pose Estimation", ICCV 2021 (arXiv:2011.12498). `keras.ops` only, static shapes.
"""

from typing import Any

import numpy as np
from keras import ops

from tfpose.codecs.heatmap import HeatmapCodec
from tfpose.codecs.sampling import sample_cells

__all__ = ["carry_heatmaps", "cut_joints"]


def carry_heatmaps(heatmaps: Any, matrices: Any, codec: HeatmapCodec) -> Any:
    """Heatmaps of one view as another view of the same photo would have them.

    Args:
        heatmaps: `[B, h, w, J]` of the first view.
        matrices: `[B, 2, 3]`, from pixels of the second view to those of the first.
        codec: says which pixels the cells are.

    Returns:
        Heatmaps `[B, h, w, J]` of the second view, bilinear, 0 beyond the first view's
        cells; and `[B, h, w, 1]`, 1 where the first view has all that they rest on,
        less at its borders, 0 beyond.
    """
    height, width, joints = heatmaps.shape[1:]
    cells = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
    points = ops.cast(codec.to_pixels(cells.reshape(1, -1, 2)), "float32")
    linear, shift = matrices[:, :, :2], matrices[:, None, :, 2]
    points = ops.matmul(points, ops.swapaxes(linear, 1, 2)) + shift
    places = ops.flip(codec.to_cells(points), axis=-1)
    seen = sample_cells(ops.ones_like(heatmaps[..., :1]), places)
    return (
        ops.reshape(sample_cells(heatmaps, places), (-1, height, width, joints)),
        ops.reshape(seen, (-1, height, width, 1)),
    )


def cut_joints(images: Any, points: Any, chosen: Any, side: float) -> Any:
    """Images with black squares about chosen joints.

    Args:
        images: `[B, H, W, 3]`.
        points: `[B, J, 2]` (x, y), pixels.
        chosen: bool `[B, J]`.
        side: of the squares, pixels.
    """
    across, down = (
        ops.cast(
            ops.abs(np.arange(size, dtype="float32") - points[..., axis, None])
            <= side / 2,
            "float32",
        )
        for axis, size in ((0, images.shape[2]), (1, images.shape[1]))
    )
    across = across * ops.cast(chosen, "float32")[..., None]
    # `[B, H, W]`: squares that a pixel is in.
    covered = ops.matmul(ops.swapaxes(down, 1, 2), across)
    return images * ops.cast(covered == 0, images.dtype)[..., None]
