"""Pictures of 3D poses."""

from collections.abc import Collection

import cv2
import numpy as np

from tfpose.drawing import draw_pose
from tfpose.skeletons import Skeleton

__all__ = ["draw_positions"]

_PAPER = 250
_FLOOR = (205, 205, 210)
_MARGIN = 0.08


def draw_positions(
    positions: np.ndarray,
    skeleton: Skeleton,
    azimuth: float = 0.0,
    size: int = 160,
    height: float = 2.2,
    uncertain: Collection[str] = (),
) -> np.ndarray:
    """Draws a 3D pose in orthographic projection, with a line for the floor.

    Args:
        positions: `[J, 3]`, metres, x right, y down, z forward; root-relative or not.
        skeleton: joints and limbs.
        azimuth: degrees of the viewpoint around the body, to the right: 0 is the
            camera's view, 90 is the view from the image's right side.
        size: side of the picture in pixels.
        height: side of the picture in metres; the body is centred.
        uncertain: names of joints that are drawn as rings, with thin limbs.

    Returns:
        uint8 `[size, size, 3]` RGB.
    """
    angle = np.deg2rad(azimuth)
    centred = np.asarray(positions, np.float64)
    centred = centred - (centred.min(axis=0) + centred.max(axis=0)) / 2
    right = np.cos(angle) * centred[:, 0] + np.sin(angle) * centred[:, 2]
    scale = size * (1 - 2 * _MARGIN) / height
    points = np.column_stack([right, centred[:, 1]]) * scale + (size - 1) / 2
    picture = np.full((size, size, 3), _PAPER, np.uint8)
    floor = round(min(points[:, 1].max() + 3, size - 2))
    cv2.line(picture, (0, floor), (size - 1, floor), _FLOOR, 1, cv2.LINE_AA)
    return draw_pose(picture, points, skeleton, uncertain)
