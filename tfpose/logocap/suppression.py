"""Suppression of poses that lie on each other, as DEKR's and LOGO-CAP's code do it."""

import numpy as np

__all__ = ["DISTANCE", "SHARE", "read_slots", "suppress_near"]

DISTANCE = 0.05
"""Joints are near each other within this share of a pose's diagonal, as published."""

SHARE = 1 / 2
"""Poses are of one heap of which more than this share of the joints is near, as
published: more than 8 of COCO's 17, more than 7 of CrowdPose's 14."""


def suppress_near(
    keypoints: np.ndarray,
    scores: np.ndarray,
    distance: float = DISTANCE,
    share: float = SHARE,
) -> np.ndarray:
    """Keeps the best pose of each heap of poses.

    The poses that are near a pose are its heap: more than a share of their joints is
    nearer to the same joint of it than a share of its diagonal. Heaps are looked at in
    the order of `keypoints`.

    Args:
        keypoints: `[P, J, 2]`, any units.
        scores: `[P]`.
        distance: share of the diagonal of the box around a pose's joints.
        share: of the joints.

    Returns:
        int64 indices of the kept poses, in the order in which they were chosen. A pose
        whose joints are all in one place is near none, not even itself, and is dropped.
    """
    points = np.asarray(keypoints, np.float64)
    diagonals = np.linalg.norm(np.ptp(points, axis=1), axis=-1)
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    close = (apart < distance * diagonals[:, None, None]).mean(axis=-1)
    # A mean of J truths is a multiple of 1 / J; rounding must not decide.
    near = close > share + 1e-9
    kept: list[int] = []
    gone = np.zeros(len(points), bool)
    for pose, heap in enumerate(near):
        if gone[pose] or not heap.any():
            continue
        members = np.flatnonzero(heap)
        best = members[np.argmax(scores[members])]
        if not gone[best]:
            kept.append(int(best))
            gone |= heap
    return np.array(kept, np.int64)


def read_slots(
    poses: np.ndarray, scores: np.ndarray, ranks: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The people in the slots of one picture, those that lie on each other once.

    Args:
        poses: `[S, J, 3]` (x, y, score of the joint).
        scores: `[S]`; 0 for a slot without a person.
        ranks: `[S]`, the highest of poses on each other is kept; `scores` if None.

    Returns:
        Poses `[P, J, 3]` and scores `[P]`; see `suppress_near`.
    """
    filled = scores > 0
    ranks = scores if ranks is None else ranks
    poses, scores, ranks = poses[filled], scores[filled], ranks[filled]
    kept = suppress_near(poses[..., :2], ranks)
    return poses[kept], scores[kept]
