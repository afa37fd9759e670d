"""Non-maximum suppression of poses by OKS.

Overlapping boxes of a detector give several poses of one person. As in HRNet's and
MMPose's evaluation, overlap is measured by OKS between two predictions, over all joints
of any score, with the mean of their two areas.
"""

import numpy as np

from tfpose.errors import InputError
from tfpose.metrics.oks import PosePredictions
from tfpose.metrics.pairwise_oks import pairwise_oks
from tfpose.skeletons import Skeleton

__all__ = ["oks_nms"]


def oks_nms(
    predictions: PosePredictions,
    areas: np.ndarray,
    skeleton: Skeleton,
    threshold: float = 0.9,
) -> np.ndarray:
    """Greedy suppression, image by image, in descending order of person scores.

    Args:
        predictions: Q poses.
        areas: `[Q]`, square pixels. Published code takes the area of the net's input
            region, which includes the padding around the box.
        skeleton: the joints; needs sigmas.
        threshold: a pose whose OKS with a kept pose is larger is dropped; 1 keeps all.

    Returns:
        int64 row indices of the kept poses, ascending.

    Raises:
        InputError: no sigmas, areas that do not fit, or a threshold outside 0..1.
    """
    if skeleton.sigmas is None:
        raise InputError(
            f"skeleton {skeleton.name!r} has no OKS sigmas, which suppression by OKS "
            "needs"
        )
    if not 0 <= threshold <= 1:
        raise InputError(f"threshold is {threshold}, expected 0 to 1")
    image_ids = np.asarray(predictions.image_ids)
    areas = np.asarray(areas, np.float64)
    if areas.shape != image_ids.shape or not (areas > 0).all():
        raise InputError(
            f"areas have shape {areas.shape} and a least value of "
            f"{areas.min(initial=np.inf):g}, expected {image_ids.shape} above 0"
        )
    order = np.argsort(image_ids, kind="stable")
    limits = np.flatnonzero(np.diff(image_ids[order])) + 1
    kept = [
        rows[_greedy(predictions, areas, rows, skeleton, threshold)]
        for rows in np.split(order, limits)
        if len(rows)
    ]
    return np.sort(np.concatenate(kept)) if kept else np.zeros(0, np.int64)


def _greedy(
    predictions: PosePredictions,
    areas: np.ndarray,
    rows: np.ndarray,
    skeleton: Skeleton,
    threshold: float,
) -> list[int]:
    """Indices of the kept poses in `rows`, which are poses of one image."""
    points = np.asarray(predictions.keypoints, np.float64)[rows]
    scores = np.asarray(predictions.person_scores)[rows]
    sizes = areas[rows]
    # Equal scores are ordered as in published code, which reverses an ascending sort.
    remaining = np.argsort(scores)[::-1]
    kept = []
    while len(remaining):
        best, remaining = remaining[0], remaining[1:]
        kept.append(best)
        mean_areas = (sizes[remaining] + sizes[best]) / 2
        (oks,) = pairwise_oks(points[[best]], points[remaining], mean_areas, skeleton)
        remaining = remaining[oks <= threshold]
    return kept
