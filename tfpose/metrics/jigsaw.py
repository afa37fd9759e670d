"""Precision of heatmap-style jigsaw puzzles (Zhang et al., HSJP, section 3).

The net has one heatmap per patch. A patch is correct if the peak of its heatmap is
nearer than epsilon to the centre of the cell that the patch is in. The paper's
precision P counts an image only if all of its patches are correct. The paper gives no
epsilon; half a patch, the border between two cells, is used here.
"""

import dataclasses
from typing import Any

import numpy as np
from keras import ops

from tfpose.errors import InputError

__all__ = ["JigsawPrecision", "jigsaw_precision", "jigsaw_scores"]

KerasTensor = Any


@dataclasses.dataclass(frozen=True)
class JigsawPrecision:
    """Result of `jigsaw_precision`; shares are in 0..1, NaN if nothing is counted."""

    precision: float
    """The paper's P: share of images of which every patch is correct."""
    patch_accuracy: float
    """Share of correct patches, over all images."""
    images: int
    patches: int
    epsilon: float
    """Pixels."""


def jigsaw_scores(
    predicted: KerasTensor,
    centres: KerasTensor,
    epsilon: float,
    mask: KerasTensor | None = None,
) -> tuple[KerasTensor, KerasTensor]:
    """Which images and patches are correct; in `keras.ops`, for a training step.

    Args:
        predicted: `[B, N*N, 2]` (x, y) of the peaks, pixels.
        centres: `[B, N*N, 2]` (x, y) of the patches after shuffling, pixels.
        epsilon: pixels; a peak must be nearer than this.
        mask: `[B, N*N]`, 0 for patches that are outside of the image and not counted.

    Returns:
        solved `[B]` float32: 1 where every counted patch is correct (0 if none is
        counted); correct `[B, N*N]` float32: 1 where the patch is correct and counted.
    """
    offsets = ops.cast(predicted, "float32") - ops.cast(centres, "float32")
    squared = ops.sum(ops.square(offsets), axis=-1)
    correct = ops.cast(squared < epsilon**2, "float32")
    counted = ops.ones_like(correct)
    if mask is not None:
        counted = ops.cast(ops.cast(mask, "float32") > 0, "float32")
    correct = correct * counted
    number = ops.sum(counted, axis=-1)
    solved = ops.logical_and(ops.sum(correct, axis=-1) >= number, number > 0)
    return ops.cast(solved, "float32"), correct


def jigsaw_precision(
    predicted: np.ndarray,
    centres: np.ndarray,
    patch_size: float,
    mask: np.ndarray | None = None,
    epsilon: float | None = None,
) -> JigsawPrecision:
    """Precision P and per-patch accuracy over a set of images.

    Args:
        predicted: `[B, N*N, 2]` (x, y) of the peaks, pixels.
        centres: `[B, N*N, 2]` (x, y) of the patches after shuffling, pixels.
        patch_size: side of a patch, pixels (224 / N in the paper).
        mask: `[B, N*N]`, 0 for patches that are not counted; None counts all.
        epsilon: pixels; half of `patch_size` if None.

    Raises:
        InputError: shapes do not fit, or epsilon is not above 0.
    """
    predicted, centres = np.asarray(predicted), np.asarray(centres)
    if centres.ndim != 3 or centres.shape[-1] != 2:
        raise InputError(f"centres have shape {centres.shape}, expected [B, N*N, 2]")
    if predicted.shape != centres.shape:
        raise InputError(
            f"predicted has shape {predicted.shape}, expected {centres.shape}"
        )
    if mask is not None and np.shape(mask) != centres.shape[:2]:
        raise InputError(
            f"mask has shape {np.shape(mask)}, expected {centres.shape[:2]}"
        )
    epsilon = patch_size / 2 if epsilon is None else epsilon
    if not epsilon > 0:
        raise InputError(f"epsilon is {epsilon} pixels, expected above 0")
    solved, correct = jigsaw_scores(predicted, centres, epsilon, mask)
    counted = np.ones(centres.shape[:2]) if mask is None else np.asarray(mask) > 0
    images, patches = int(counted.any(axis=1).sum()), int(counted.sum())
    return JigsawPrecision(
        precision=float(np.sum(solved)) / images if images else float("nan"),
        patch_accuracy=float(np.sum(correct)) / patches if patches else float("nan"),
        images=images,
        patches=patches,
        epsilon=float(epsilon),
    )
