"""LOGO-CAP's four losses, and how poses get the people that they learn from.

Symbols: B batch, S slots of poses, P slots of people, J joints, k x k the window of the
local keypoint expansion, (h, w) map size. Losses that count poses or cells come as a
sum and a count, so that replicas can share both.
"""

from typing import Any, NamedTuple

import numpy as np
from keras import ops

from tfpose.codecs.centre_targets import CentreTargets
from tfpose.codecs.peaks import KerasTensor

__all__ = [
    "Assignment",
    "Part",
    "assign_people",
    "attraction_loss",
    "heatmap_loss",
    "offset_loss",
    "refined_loss",
    "with_first",
]

_SMOOTH = 1 / 9
_KEPT = 0.5


class Part(NamedTuple):
    """A loss as a sum, and what it is to be divided by."""

    total: KerasTensor
    count: KerasTensor


class Assignment(NamedTuple):
    """For each pose the person whom it learns from."""

    kept: KerasTensor
    """bool `[B, S]`: filled poses that some shift in the window brings to OKS 0.5."""
    weights: KerasTensor
    """`[B, S, J]`: what the best place in the window has more OKS than its middle; 0
    for poses that are not kept and joints that are not labelled."""
    similarity: KerasTensor
    """`[B, S, k, k, J]`: OKS of each place for the person's joint; 0 for joints that
    are not labelled."""
    keypoints: KerasTensor
    """`[B, S, J, 2]`, the person's, input pixels."""


def heatmap_loss(heatmaps: KerasTensor, targets: CentreTargets) -> KerasTensor:
    """Weighted squared error of heatmaps `[B, h, w, J + 1]`, the mean of all cells."""
    error = ops.cast(heatmaps, "float32") - targets.heatmaps
    return ops.mean(ops.square(error) * targets.weights)


def offset_loss(offsets: KerasTensor, targets: CentreTargets) -> Part:
    """Smooth L1 of offsets `[B, h, w, J, 2]`, weighted; counts painted coordinates."""
    error = ops.abs(ops.cast(offsets, "float32") - targets.offsets)
    smooth = ops.where(
        error < _SMOOTH, 0.5 * ops.square(error) / _SMOOTH, error - 0.5 * _SMOOTH
    )
    weights = targets.offset_weights[..., None]
    painted = ops.cast(targets.offset_weights > 0, "float32")
    return Part(ops.sum(smooth * weights), 2 * ops.sum(painted))


def assign_people(
    expansion: KerasTensor,
    filled: KerasTensor,
    keypoints: KerasTensor,
    labelled: KerasTensor,
    areas: KerasTensor,
    sigmas: np.ndarray,
) -> Assignment:
    """Gives each pose the person whom its window can come nearest to.

    Nearest is who has the greatest mean, over labelled joints, of the best OKS in the
    joint's window. Whether a pose is kept is decided by shifts of the whole pose.

    Args:
        expansion: `[B, S, k, k, J, 2]`, the places in each joint's window, (x, y) input
            pixels: x by column, y by row.
        filled: bool `[B, S]`, slots that hold a pose.
        keypoints: `[B, P, J, 2 or 3]`, of people, input pixels.
        labelled: `[B, P, J]`, 1 for joints that are labelled and in the input, else 0.
        areas: `[B, P]`, square input pixels.
        sigmas: `[J]`, the skeleton's for OKS.
    """
    points = ops.cast(keypoints[..., :2], "float32")
    expansion, labelled = (ops.cast(v, "float32") for v in (expansion, labelled))
    spread = 2 * np.square(2 * np.asarray(sigmas, "float32"))
    scale = 1 / ops.maximum(spread * ops.cast(areas, "float32")[..., None], 1e-6)
    # The window is a grid, and a Gaussian of both axes the product of two of one.
    grid = expansion[:, :, 0, :, :, 0], expansion[:, :, :, 0, :, 1]
    people, of_all = points[:, None, None], scale[:, None, None]
    # `[B, S, P, J]`, the best in each window.
    best = [
        ops.max(_likeness(grid[axis][:, :, :, None], people[..., axis], of_all), axis=2)
        for axis in (0, 1)
    ]
    of_people = _labelled_mean(best[0] * best[1], labelled[:, None])
    person = ops.argmax(of_people, axis=-1)
    own, shown = _of_person(points, person), _of_person(labelled, person)
    own_scale = _of_person(scale, person)[:, :, None]
    across, down = (
        _likeness(grid[axis], own[:, :, None, :, axis], own_scale) for axis in (0, 1)
    )
    similarity = down[:, :, :, None] * across[:, :, None] * shown[:, :, None, None]
    of_shifts = _labelled_mean(similarity, shown[:, :, None, None])
    kept = ops.logical_and(filled, ops.max(of_shifts, axis=(2, 3)) >= _KEPT)
    middle = similarity[:, :, similarity.shape[2] // 2, similarity.shape[3] // 2]
    gain = ops.max(similarity, axis=(2, 3)) - middle
    weights = gain * ops.cast(kept, "float32")[..., None]
    return Assignment(kept, weights, similarity, own)


def _likeness(places: KerasTensor, points: KerasTensor, scale: KerasTensor) -> Any:
    """One axis's factor of OKS."""
    return ops.exp(-ops.square(places - points) * scale)


def _labelled_mean(values: KerasTensor, labelled: KerasTensor) -> KerasTensor:
    """Mean over the labelled joints, the last axis; 0 without any."""
    count = ops.maximum(ops.sum(labelled, axis=-1), 1)
    return ops.sum(values * labelled, axis=-1) / count


def _of_person(values: KerasTensor, person: KerasTensor) -> KerasTensor:
    """`[B, S, ...]`: rows `person`, `[B, S]`, of values `[B, P, ...]`."""
    shape = (*person.shape[1:], *[1] * (len(values.shape) - 2))
    rows = ops.reshape(person, (-1, *shape))
    return ops.take_along_axis(values, rows, axis=1)


def attraction_loss(attraction: KerasTensor, assignment: Assignment) -> Part:
    """Squared error of attraction maps `[B, S, k, k, J]` to the OKS of each place.

    The mean over window and joints of each kept pose, weighted; counts poses.
    """
    error = ops.cast(attraction, "float32") - assignment.similarity
    error = ops.square(error) * assignment.weights[:, :, None, None]
    kept = ops.cast(assignment.kept, "float32")
    return Part(ops.sum(ops.mean(error, axis=(2, 3, 4))), ops.sum(kept))


def refined_loss(
    heatmaps: KerasTensor,
    start: KerasTensor,
    assignment: Assignment,
    counted: KerasTensor,
    sigma: float = 4.0,
) -> Part:
    """Squared error of refined heatmaps to a Gaussian at the person's joint.

    The mean over window and joints of each kept pose, weighted; counts poses.

    Args:
        heatmaps: `[B, S, n, n, J]`, each around a start keypoint, n odd, one cell per
            input pixel.
        start: `[B, S, J, 2]`, the start keypoints, input pixels.
        assignment: of the poses.
        counted: bool `[B, S]`, poses that the mean is over.
        sigma: of the Gaussian, input pixels.
    """
    size = heatmaps.shape[2]
    cells = np.arange(size, dtype="float32")[:, None] - size // 2
    gaps = start - assignment.keypoints
    across, down = (
        ops.exp(-0.5 / sigma**2 * ops.square(cells + gaps[:, :, None, :, axis]))
        for axis in (0, 1)
    )
    target = down[:, :, :, None] * across[:, :, None]
    error = ops.square(ops.cast(heatmaps, "float32") - target)
    error = ops.mean(error, axis=(2, 3)) * assignment.weights
    counted = ops.cast(counted, "float32")
    return Part(ops.sum(ops.mean(error, axis=-1)), ops.sum(counted))


def with_first(kept: KerasTensor) -> KerasTensor:
    """Kept poses `[B, S]`, and the first of a picture that has none.

    The released code has it that way: such a pose has no weight, but is counted, and is
    in the statistics of batch normalisation.
    """
    first = np.arange(kept.shape[1]) == 0
    none = ops.logical_not(ops.any(kept, axis=1, keepdims=True))
    return ops.logical_or(kept, ops.logical_and(none, first))
