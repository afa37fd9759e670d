"""Whether 2D labels of a whole file make sense together.

Shares of the picture where pixels are expected, or boxes by two corners, train without
a complaint; each breaks one of these.
"""

import numpy as np

from tfpose.errors import InputError

__all__ = ["check_boxes", "check_keypoints", "expect_pixels", "read_as_corners"]

# No labelled person is of so few pixels.
_SHARE = 1.5
# How far from its box a keypoint may lie, in sides of the box.
_MARGIN = 0.5
# Boxes reach over the edge by rounding, and some by drawing; px, and share of a file.
_OVERHANG = 2.0
_MANY = 0.1


def expect_pixels(points: np.ndarray, where: str) -> None:
    """Refuses keypoints that are shares of the picture.

    Args:
        points: `[N, 2]`, all labelled ones of a file.
        where: names the file.

    Raises:
        InputError: all of them lie between 0 and about 1.
    """
    if len(points) > 1 and (np.abs(points) <= _SHARE).all():
        low, high = points.min(), points.max()
        raise InputError(
            f"{where}: all keypoints are between {low:.3g} and {high:.3g}, like shares "
            "of the picture's sides; expected pixels"
        )


def check_keypoints(boxes: np.ndarray, keypoints: np.ndarray, where: str) -> None:
    """Refuses a file in which most people's keypoints are far from their boxes.

    Args:
        boxes: `[P, 4]` x, y, w, h px.
        keypoints: `[P, J, 3]`, (x, y, v) px; those with v above 0 are looked at.
        where: names the file.

    Raises:
        InputError: says how many, and what may be the reason.
    """
    labelled = keypoints[..., 2] > 0
    expect_pixels(keypoints[labelled][:, :2], where)
    known = labelled.any(axis=1)
    far = _far_share(boxes, keypoints, labelled)[known] > 0.5
    if not far.size or far.mean() <= 0.5:
        return
    swapped = keypoints[..., [1, 0, 2]]
    hint = ""
    if (_far_share(boxes, swapped, labelled)[known] > 0.5).mean() < 0.1:
        hint = "; with x and y exchanged they would be"
    raise InputError(
        f"{where}: the keypoints of {far.sum()} of {far.size} people are not in their "
        f"boxes (x, y, w, h){hint}"
    )


def _far_share(
    boxes: np.ndarray, keypoints: np.ndarray, labelled: np.ndarray
) -> np.ndarray:
    """Of each person, the share of labelled joints that are far from the box."""
    margin = _MARGIN * boxes[:, None, 2:]
    low, high = boxes[:, None, :2], boxes[:, None, :2] + boxes[:, None, 2:]
    points = keypoints[..., :2]
    near = ((points >= low - margin) & (points <= high + margin)).all(axis=2)
    return (labelled & ~near).sum(axis=1) / labelled.sum(axis=1).clip(1)


def check_boxes(boxes: np.ndarray, sizes: np.ndarray, where: str) -> None:
    """Refuses a file whose boxes are two corners each.

    Args:
        boxes: `[P, 4]`, taken for x, y, w, h px, before they are clipped.
        sizes: `[P, 2]`, (height, width) px of each one's picture.
        where: names the file.

    Raises:
        InputError: many reach over their picture's edges, and as corners none would.
    """
    over, corners = read_as_corners(boxes, sizes)
    if over.sum() > 2 and over.mean() > _MANY and corners.mean() > 0.95:
        raise InputError(
            f"{where}: {over.sum()} of {len(boxes)} boxes reach over their picture's "
            "edges, and as x1, y1, x2, y2 none would; expected x, y, w, h"
        )


def read_as_corners(
    boxes: np.ndarray, sizes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which boxes reach over the edge as x, y, w, h, and which would fit as corners.

    Args:
        boxes: `[P, 4]` px.
        sizes: `[P, 2]` or `[2]`, (height, width) px of the pictures.

    Returns:
        Two bool `[P]`.
    """
    limits = np.asarray(sizes)[..., ::-1]
    start, end = boxes[:, :2], boxes[:, 2:]
    over = (start + end > limits + _OVERHANG).any(axis=1)
    fits = (start < end) & (end <= limits + _OVERHANG) & (start >= -_OVERHANG)
    return np.asarray(over), np.asarray(fits.all(axis=1))
