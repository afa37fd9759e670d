"""Silhouettes of people from their joints, so that they can be pasted elsewhere.

Limbs, trunk and head are drawn thick, as a first estimate, and GrabCut moves the
outline to where the colours change (Rother et al., SIGGRAPH 2004; OpenCV's).
"""

import cv2
import numpy as np

from tfpose.metrics.pck import torso_size
from tfpose.skeletons import get_skeleton

__all__ = ["silhouette"]

_SKELETON = get_skeleton("coco17")
_TRUNK = tuple(
    _SKELETON.index(name)
    for name in ("left_shoulder", "right_shoulder", "right_hip", "left_hip")
)
_NOSE = _SKELETON.index("nose")
_LEAST_JOINTS = 10
# Shares of the trunk's diagonal: half the width of limbs in the first estimate and of
# what is surely the person, the head, and how far from the limbs the person may reach.
_LIMB, _SURE, _HEAD, _REACH = 0.14, 0.05, 0.3, 0.5
# GrabCut sees the photo with the person this large, pixels.
_SIDE = 128
_ROUNDS = 3
# Of the first estimate that GrabCut may take away or add.
_LEAST_KEPT, _MOST_ADDED = 0.5, 1.8


def silhouette(photo: np.ndarray, labels: np.ndarray) -> list[list[float]]:
    """Polygons around a person, as COCO's `segmentation`.

    Args:
        photo: uint8 `[H, W, 3]`.
        labels: `[17, 3]` (x, y, visibility), COCO's joints, pixels.

    Returns:
        [x, y, x, y, ...] of each polygon; none of a person with fewer than 10 joints,
        without the trunk's, or whose outline is not found.
    """
    seen = labels[:, 2] > 0
    size = float(torso_size(labels[None], _SKELETON)[0])
    if seen.sum() < _LEAST_JOINTS or not seen[list(_TRUNK)].all() or not size > 1:
        return []
    low = (labels[seen, :2].min(axis=0) - size).clip(0).astype(int)
    high = np.ceil(labels[seen, :2].max(axis=0) + size).astype(int) + 1
    part = photo[low[1] : high[1], low[0] : high[0]]
    if min(part.shape[:2]) < 2:
        return []
    scale = min(1.0, _SIDE / max(part.shape[:2]))
    small = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    joints = labels.copy()
    joints[:, :2] = (labels[:, :2] - low + 0.5) * scale - 0.5
    size *= scale
    likely, sure, near = (
        _body(joints, small.shape[:2], share * size, head * size)
        for share, head in ((_LIMB, _HEAD), (_SURE, _SURE), (_REACH, _REACH))
    )
    states = np.where(near, cv2.GC_PR_BGD, cv2.GC_BGD).astype(np.uint8)
    states[likely] = cv2.GC_PR_FGD
    states[sure] = cv2.GC_FGD
    if (states == cv2.GC_BGD).sum() < 1 or (states == cv2.GC_FGD).sum() < 1:
        return []
    cv2.setRNGSeed(0)
    cv2.grabCut(
        small,
        states,
        None,
        np.zeros((1, 65)),
        np.zeros((1, 65)),
        _ROUNDS,
        cv2.GC_INIT_WITH_MASK,
    )
    found = (states == cv2.GC_FGD) | (states == cv2.GC_PR_FGD)
    if not _LEAST_KEPT <= found.sum() / likely.sum() <= _MOST_ADDED:
        return []
    outlines, _ = cv2.findContours(
        found.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_TC89_L1
    )
    polygons = [outline[:, 0] for outline in outlines if len(outline) >= 3]
    return [
        ((polygon + 0.5) / scale + low).round(1).reshape(-1).tolist()
        for polygon in polygons
        if cv2.contourArea(polygon) >= 0.02 * likely.sum()
    ]


def _body(
    joints: np.ndarray, shape: tuple[int, int], half_width: float, head: float
) -> np.ndarray:
    """Bool `[H, W]`: limbs that wide, the trunk, and a head of that radius."""
    mask = np.zeros(shape, np.uint8)
    points = np.rint(joints[:, :2]).astype(int)
    width = max(1, round(2 * half_width))
    for first, second in _SKELETON.limbs:
        if joints[first, 2] > 0 and joints[second, 2] > 0:
            cv2.line(mask, points[first].tolist(), points[second].tolist(), 1, width)
    cv2.fillConvexPoly(mask, cv2.convexHull(points[list(_TRUNK)]), 1)
    if joints[_NOSE, 2] > 0:
        cv2.circle(mask, points[_NOSE].tolist(), max(1, round(head)), 1, -1)
    return mask > 0
