"""From a person's box to the net's input and back: affine maps between pixels.

Symbols: people P; input size `(H, W)`. A *region* is the upright or rotated
rectangle of the photo that the net sees: its centre in pixels (pixel centres at
integers, see `tfpose.codecs.heatmap`) and its size `(w, h)` in pixels. A *matrix* is
float64 `[..., 2, 3]` and maps photo pixels to input pixels:
`p' = m[:, :2] p + m[:, 2]`.
"""

import cv2
import numpy as np

__all__ = [
    "BOX_PADDING",
    "box_regions",
    "invert_matrices",
    "reduced_matrix",
    "reduction",
    "region_matrices",
    "transform_points",
    "warp",
]

BOX_PADDING = 1.25
"""Context around a box, as in SimpleBaseline and HRNet (scale = size / 200 * 1.25)."""


def box_regions(
    boxes: np.ndarray, input_size: tuple[int, int], padding: float = BOX_PADDING
) -> tuple[np.ndarray, np.ndarray]:
    """Regions of the input's aspect ratio that hold each box with some context.

    Args:
      boxes: `[P, 4]` x, y, w, h in pixels, x and y the left and top edge.
      input_size: (height, width) of the net's input.
      padding: factor on the sides after the shorter one was grown to the aspect.

    Returns:
      centres float64 `[P, 2]` and sizes float64 `[P, 2]` (w, h), in pixels.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    centres = boxes[:, :2] + boxes[:, 2:] / 2 - 0.5
    aspect = input_size[1] / input_size[0]
    width = np.maximum(boxes[:, 2], boxes[:, 3] * aspect)
    return centres, np.stack([width, width / aspect], axis=-1) * padding


def region_matrices(
    centres: np.ndarray,
    sizes: np.ndarray,
    input_size: tuple[int, int],
    rotation: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Matrices that bring each region upright into the input.

    Args:
      centres: `[P, 2]` pixels.
      sizes: `[P, 2]` (w, h) pixels; the width decides the scale.
      input_size: (height, width) of the net's input.
      rotation: `[P]` or scalar, degrees; positive turns the person clockwise in the
        input, as seen by a viewer.

    Returns:
      float64 `[P, 2, 3]`.
    """
    height, width = input_size
    scale = width / np.asarray(sizes, np.float64)[:, 0]
    angle = np.broadcast_to(np.deg2rad(rotation), scale.shape)
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.stack(
        [np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], axis=-2
    )
    target = np.array([(width - 1) / 2, (height - 1) / 2])
    shift = target - np.einsum("pij,pj->pi", linear, centres)
    return np.concatenate([linear, shift[..., None]], axis=-1)


def invert_matrices(matrices: np.ndarray) -> np.ndarray:
    """The inverse maps, `[..., 2, 3]`, from input pixels back to photo pixels."""
    linear = np.linalg.inv(matrices[..., :2])
    shift = -np.einsum("...ij,...j->...i", linear, matrices[..., 2])
    return np.concatenate([linear, shift[..., None]], axis=-1)


def transform_points(matrices: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points `[..., K, 2]` under the maps `[..., 2, 3]`, float64 `[..., K, 2]`."""
    points = np.asarray(points, np.float64)
    moved = np.einsum("...ij,...kj->...ki", matrices[..., :2], points)
    return moved + matrices[..., None, :, 2]


def reduction(matrix: np.ndarray) -> int:
    """Whole factor by which a photo can shrink before a map that shrinks it more.

    The largest of 1, 2, 4 and 8 that leaves the map something to shrink, so nothing
    of the result's resolution is lost.
    """
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    return next(factor for factor in (8, 4, 2, 1) if factor * scale <= 1 or factor == 1)


def reduced_matrix(matrix: np.ndarray, factor: int) -> np.ndarray:
    """The map from pixels of a photo that was shrunk by a whole factor before."""
    # Pixel k of the small photo is the middle of the full one's block k.
    middle = (factor - 1) / 2
    shift = matrix[:, :2] @ np.array([middle, middle]) + matrix[:, 2]
    return np.column_stack([matrix[:, :2] * factor, shift])


def warp(
    image: np.ndarray, matrix: np.ndarray, input_size: tuple[int, int]
) -> np.ndarray:
    """The image under the map, uint8 `[H, W, 3]`, black outside it.

    Bilinear. A map that shrinks to a half or less would skip pixels, so blocks of 2,
    4 or 8 pixels are averaged first.
    """
    factor = reduction(matrix)
    if factor > 1:
        rows, columns = (-(-side // factor) for side in image.shape[:2])
        # The last block may reach over the edge: what is missing repeats the edge.
        bottom = rows * factor - image.shape[0]
        right = columns * factor - image.shape[1]
        if bottom or right:
            image = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
        image = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA)
        matrix = reduced_matrix(matrix, factor)
    return cv2.warpAffine(
        image, matrix, (input_size[1], input_size[0]), flags=cv2.INTER_LINEAR
    )
