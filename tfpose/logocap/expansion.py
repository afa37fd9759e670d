"""Keypoint expansion maps: what is around each joint of each pose.

The local map is a grid of places, as wide as people differ in labelling that joint,
with the net's features at them. The global map is a window of the joint's heatmap. Both
are read with bilinear interpolation, as the published code does it, on borders, too:
left of or above a map its first cell goes on; right of or below it the value falls to 0
at the last cell and is back after one more.

Symbols: B pictures, S slots for people, J joints, r radius of the local map, R radius
of the window.
"""

from typing import Any

import numpy as np
from keras import ops

from tfpose.errors import InputError
from tfpose.skeletons import Skeleton

__all__ = [
    "expand_poses",
    "gaussian_window",
    "joint_scales",
    "sample_features",
    "sample_windows",
]


def joint_scales(skeleton: Skeleton) -> np.ndarray:
    """Pixels from place to place in the local map of each joint, `[J]`, at least 1.

    Raises:
        InputError: the skeleton has no OKS sigmas.
    """
    if skeleton.sigmas is None:
        raise InputError(
            f"skeleton {skeleton.name!r} has no OKS sigmas, which LOGO-CAP needs: they "
            "scale what it sees around each joint"
        )
    sigmas = np.asarray(skeleton.sigmas, np.float32)
    return sigmas / sigmas.min()


def expand_poses(keypoints: Any, scales: np.ndarray, radius: int = 5) -> Any:
    """The places around each joint, `[B, S, 2r + 1, 2r + 1, J, 2]`, row and column.

    Args:
        keypoints: `[B, S, J, 2]` (x, y), pixels.
        scales: `[J]`, pixels from place to place.
        radius: int. r.
    """
    steps = np.arange(-radius, radius + 1, dtype=np.float32)
    grid = np.stack(np.meshgrid(steps, steps), axis=-1)[:, :, None] * scales[:, None]
    return keypoints[:, :, None, None] + grid


def sample_features(features: Any, expansion: Any, stride: int) -> Any:
    """Features at the places of local maps, `[B, S, 2r + 1, 2r + 1, J, F]`.

    Args:
        features: `[B, h, w, F]`.
        expansion: see `expand_poses`. A place x is read at cell x / stride, as
            published, not at (x + 0.5) / stride - 0.5.
        stride: int. Pixels per cell.
    """
    height, width, channels = features.shape[1:]
    flat = ops.reshape(features, (-1, channels))
    batch = ops.arange(ops.shape(features)[0], dtype="int32")
    batch = ops.reshape(batch, (-1, 1, 1, 1, 1)) * height
    columns = _neighbours(expansion[..., 0] / stride, width)
    rows = _neighbours(expansion[..., 1] / stride, height)
    total = 0.0
    for row, row_weight in rows:
        first = (batch + ops.cast(row, "int32")) * width
        for column, column_weight in columns:
            found = _rows(flat, first + ops.cast(column, "int32"))
            total = total + found * (row_weight * column_weight)[..., None]
    return total


def gaussian_window(radius: int, sigma: float) -> np.ndarray:
    """A Gaussian `[2R + 1, 2R + 1]`, 1 in the middle."""
    steps = np.arange(-radius, radius + 1, dtype=np.float32)
    return np.exp(-(steps[:, None] ** 2 + steps**2) / np.float32(2 * sigma**2))


def sample_windows(heatmaps: Any, keypoints: Any, radius: int, stride: int) -> Any:
    """Windows of the joints' heatmaps about keypoints, `[B, S, J, 2R + 1, 2R + 1]`.

    Values are a pixel of the input apart: bilinear in the heatmaps that are themselves
    upsampled bilinearly to the input's size. Both interpolations are linear in rows
    and in columns, so they are two small matrices for each window, and the upsampled
    heatmaps, of which windows are a small part, are never computed.

    Args:
        heatmaps: `[B, h, w, J]`.
        keypoints: `[B, S, J, 2]` (x, y), pixels of the input.
        radius: int. R, pixels of the input.
        stride: int. Pixels of the input per cell.
    """
    height, width, joints = heatmaps.shape[1:]
    slots = keypoints.shape[1]
    side = 2 * radius + 1
    steps = np.arange(-radius, radius + 1, dtype=np.float32)
    # Cells that the window's pixels and their right neighbours lie between.
    reach = (side + 1) // stride + 3
    columns, to_columns = _interpolation(
        keypoints[..., :1] + steps, width, min(reach, width), stride
    )
    rows, to_rows = _interpolation(
        keypoints[..., 1:] + steps, height, min(reach, height), stride
    )
    batch = ops.arange(ops.shape(heatmaps)[0], dtype="int32")
    batch = ops.reshape(batch, (-1, 1, 1, 1)) * height
    index = (batch + rows)[..., :, None] * width + columns[..., None, :]
    own = np.arange(joints, dtype=np.int32)[:, None, None]
    found = _rows(ops.reshape(heatmaps, (-1,)), index * joints + own)
    windows = to_rows @ found @ ops.swapaxes(to_columns, -1, -2)
    return ops.reshape(windows, (-1, slots, joints, side, side))


def _rows(values: Any, index: Any) -> Any:
    """Rows of `values` at `index` `[B, ...]`, `[B, ..., *values.shape[1:]]`.

    Taken by a flat index: LiteRT compares one of five axes with zeros by a constant of
    its size, which for 30 people is 1.7 MB.
    """
    found = ops.take(values, ops.reshape(index, (-1,)), axis=0)
    return ops.reshape(found, (-1, *index.shape[1:], *values.shape[1:]))


def _neighbours(places: Any, size: int) -> list[tuple[Any, Any]]:
    """The two cells next to each place on an axis of `size` cells, with weights."""
    low = ops.clip(ops.floor(places), 0, size - 1)
    high = ops.minimum(low + 1, size - 1)
    return [
        (low, ops.clip(high - places, 0, 1)),
        (high, ops.clip(places - low, 0, 1)),
    ]


def _interpolation(places: Any, size: int, reach: int, stride: int) -> tuple[Any, Any]:
    """A stretch of cells, and the matrix from their values to those at some places.

    Args:
        places: `[..., n]` ascending, pixels.
        size: cells of the axis.
        reach: cells of the stretch.
        stride: pixels per cell.

    Returns:
        The cells' numbers `[..., reach]` int32, and weights `[..., n, reach]`.
    """
    ends = [
        (ops.clip((pixel + 0.5) / stride - 0.5, 0, size - 1), weight)
        for pixel, weight in _neighbours(places, size * stride)
    ]
    first = ops.clip(ops.floor(ends[0][0][..., :1]), 0, size - reach)
    cells = first + np.arange(reach, dtype=np.float32)
    matrix = 0.0
    for cell, weight in ends:
        near = ops.relu(1 - ops.abs(cell[..., None] - cells[..., None, :]))
        matrix = matrix + near * weight[..., None]
    return ops.cast(cells, "int32"), matrix
