"""Crops of people: affine maps between a person's box and the net's input.

Symbols: people P; input size `(H, W)`. A *region* is the upright or rotated rectangle
of the photo that is cropped for the net: its centre in pixels (pixel centres at
integers, see `tfpose.codecs.heatmap`) and its size `(w, h)` in pixels. A *matrix* is
float64 `[..., 2, 3]` and maps photo pixels to input pixels:
`p' = m[:, :2] p + m[:, 2]`. Both depend on the pixel alignment, by default `half_pixel`
(`tfpose.codecs.alignment`).
"""

import cv2
import numpy as np

from tfpose.codecs.alignment import (
    box_offset,
    check_alignment,
    input_middle,
    mirror_sum,
    region_scales,
)
from tfpose.errors import InputError

__all__ = [
    "BOX_PADDING",
    "box_regions",
    "chain_matrices",
    "invert_matrices",
    "mirror_matrices",
    "reduced_matrix",
    "reduction",
    "region_matrices",
    "transform_points",
    "warp",
]

BOX_PADDING = 1.25
"""Context around a box, as in SimpleBaseline and HRNet (scale = size / 200 * 1.25)."""


def box_regions(
    boxes: np.ndarray,
    input_size: tuple[int, int],
    padding: float = BOX_PADDING,
    alignment: str = "half_pixel",
) -> tuple[np.ndarray, np.ndarray]:
    """Regions of the input's aspect ratio that contain each box with some context.

    Args:
        boxes: `[P, 4]` x, y, w, h in pixels, x and y the left and top edge.
        input_size: (height, width) of the net's input.
        padding: factor on both sides, after the shorter one was enlarged to the input's
            aspect ratio.
        alignment: one of `tfpose.codecs.alignment.ALIGNMENTS`.

    Returns:
        centres float64 `[P, 2]` and sizes float64 `[P, 2]` (w, h), in pixels.

    Raises:
        InputError: an unknown alignment, or boxes of another shape.
    """
    check_alignment(alignment)
    boxes = np.asarray(boxes, np.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise InputError(
            f"boxes: expected [people, 4] of x, y, w, h, got {list(boxes.shape)}"
        )
    centres = boxes[:, :2] + boxes[:, 2:] / 2 + box_offset(alignment)
    aspect = input_size[1] / input_size[0]
    width = np.maximum(boxes[:, 2], boxes[:, 3] * aspect)
    return centres, np.stack([width, width / aspect], axis=-1) * padding


def region_matrices(
    centres: np.ndarray,
    sizes: np.ndarray,
    input_size: tuple[int, int],
    rotation: np.ndarray | float = 0.0,
    alignment: str = "half_pixel",
) -> np.ndarray:
    """Matrices that map each region upright to the input.

    Args:
        centres: `[P, 2]` (x, y), pixels.
        sizes: `[P, 2]` (w, h), pixels; the width gives the scale, except that `udp`
            scales x and y separately, each by its own side.
        input_size: (height, width) of the net's input.
        rotation: `[P]` or scalar, degrees; positive rotates the person clockwise in the
            displayed input. (HRNet's angles have the other sign, MMPose's for UDP the
            same.)
        alignment: one of `tfpose.codecs.alignment.ALIGNMENTS`.

    Returns:
        float64 `[P, 2, 3]`.

    Raises:
        InputError: an unknown alignment.
    """
    check_alignment(alignment)
    scales = region_scales(alignment, sizes, input_size)
    angle = np.broadcast_to(np.deg2rad(rotation), scales.shape[:1])
    cosine, sine = np.cos(angle), np.sin(angle)
    rotations = np.stack(
        [np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], axis=-2
    )
    linear = scales[..., None] * rotations
    target = input_middle(alignment, input_size)
    shift = target - np.einsum("pij,pj->pi", linear, centres)
    return np.concatenate([linear, shift[..., None]], axis=-1)


def mirror_matrices(
    matrices: np.ndarray, input_size: tuple[int, int], alignment: str = "half_pixel"
) -> np.ndarray:
    """The maps `[..., 2, 3]` followed by a horizontal flip of the input, for training.

    For every alignment the result is the same as with mirrored images and keypoints of
    the data set.
    """
    mirrored = matrices.copy()
    mirrored[..., 0, :] *= -1
    mirrored[..., 0, 2] += mirror_sum(alignment, input_size[1])
    return mirrored


def invert_matrices(matrices: np.ndarray) -> np.ndarray:
    """The inverse maps `[..., 2, 3]`, from input pixels to photo pixels."""
    linear = np.linalg.inv(matrices[..., :2])
    shift = -np.einsum("...ij,...j->...i", linear, matrices[..., 2])
    return np.concatenate([linear, shift[..., None]], axis=-1)


def chain_matrices(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The map `[2, 3]` that goes by the first, then by the second."""
    linear = second[:, :2]
    return np.column_stack([linear @ first[:, :2], linear @ first[:, 2] + second[:, 2]])


def transform_points(matrices: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Maps points `[..., K, 2]` by matrices `[..., 2, 3]`; float64 `[..., K, 2]`."""
    points = np.asarray(points, np.float64)
    linear = np.einsum("...ij,...kj->...ki", matrices[..., :2], points)
    return linear + matrices[..., None, :, 2]


def reduction(matrix: np.ndarray) -> int:
    """Integer factor by which a photo can be reduced before the map is applied.

    The largest of 1, 2, 4 and 8 after which the map still does not enlarge the photo,
    so the result loses no resolution.
    """
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    return next(factor for factor in (8, 4, 2, 1) if factor * scale <= 1 or factor == 1)


def reduced_matrix(matrix: np.ndarray, factor: int) -> np.ndarray:
    """The map from the pixels of a photo that was reduced by an integer factor."""
    # Pixel k of the reduced photo is the centre of block k of the full one.
    middle = (factor - 1) / 2
    shift = matrix[:, :2] @ np.array([middle, middle]) + matrix[:, 2]
    return np.column_stack([matrix[:, :2] * factor, shift])


def warp(
    image: np.ndarray,
    matrix: np.ndarray,
    input_size: tuple[int, int],
    antialias: bool = True,
) -> np.ndarray:
    """The image mapped to the input, uint8 `[H, W, 3]`, black outside of the image.

    Bilinear. A map that scales by a half or less would skip pixels, so blocks of 2, 4
    or 8 pixels are averaged first. Published weights were trained and tested without
    averaging (`antialias=False`).
    """
    factor = reduction(matrix) if antialias else 1
    if factor > 1:
        rows, columns = (-(-side // factor) for side in image.shape[:2])
        # The last block may reach over the edge, whose pixels are then repeated.
        bottom = rows * factor - image.shape[0]
        right = columns * factor - image.shape[1]
        if bottom or right:
            image = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
        image = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA)
        matrix = reduced_matrix(matrix, factor)
    return cv2.warpAffine(
        image, matrix, (input_size[1], input_size[0]), flags=cv2.INTER_LINEAR
    )
