"""Pictures of different sizes as tiles of one size, for contact sheets."""

import cv2
import numpy as np

__all__ = ["tile"]


def tile(picture: np.ndarray, side: int) -> np.ndarray:
    """A picture `[H, W, 3]` in the upper left of a black square, as large as fits."""
    scale = side / max(picture.shape[:2])
    picture = cv2.resize(picture, None, fx=scale, fy=scale)
    bottom, right = (side - length for length in picture.shape[:2])
    return cv2.copyMakeBorder(picture, 0, bottom, 0, right, cv2.BORDER_CONSTANT)
