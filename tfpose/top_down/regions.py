"""Regions of a picture that are cropped for a top-down net, and their inverse."""

import dataclasses

import numpy as np

from tfpose.top_down.crop import (
    BOX_PADDING,
    box_regions,
    invert_matrices,
    region_matrices,
    transform_points,
    warp,
)

__all__ = ["Regions", "averages_pixels"]


def averages_pixels(alignment: str) -> bool:
    """Whether crops average pixels before a strong reduction.

    Published weights were trained and tested without averaging.
    """
    return alignment == "half_pixel"


@dataclasses.dataclass(frozen=True, eq=False)
class Regions:
    """The upright regions of P people, of one picture or of many.

    Attributes:
        centres: float64 `[P, 2]` (x, y), pixels of the picture.
        sizes: float64 `[P, 2]` (w, h), pixels of the picture.
        matrices: float64 `[P, 2, 3]`, from picture pixels to input pixels.
        input_size: (height, width) of the net's input.
        alignment: one of `tfpose.codecs.alignment.ALIGNMENTS`.
    """

    centres: np.ndarray
    sizes: np.ndarray
    matrices: np.ndarray
    input_size: tuple[int, int]
    alignment: str

    @classmethod
    def of_boxes(
        cls,
        boxes: np.ndarray,
        input_size: tuple[int, int],
        alignment: str = "half_pixel",
        *,
        padding: float = BOX_PADDING,
        centres: np.ndarray | None = None,
    ) -> "Regions":
        """Regions of the input's aspect ratio around boxes.

        Args:
            boxes: `[P, 4]` (x, y, w, h), pixels.
            input_size: (height, width) of the net's input.
            alignment: one of `tfpose.codecs.alignment.ALIGNMENTS`.
            padding: factor on the sides, see `box_regions`.
            centres: `[P, 2]`, centres of the regions instead of the boxes' centres.

        Raises:
            InputError: an unknown alignment.
        """
        box_centres, sizes = box_regions(boxes, input_size, padding, alignment)
        used = box_centres if centres is None else centres.astype(np.float64)
        matrices = region_matrices(used, sizes, input_size, alignment=alignment)
        return cls(used, sizes, matrices, input_size, alignment)

    def __len__(self) -> int:
        return len(self.matrices)

    def crop(self, image: np.ndarray) -> list[np.ndarray]:
        """The net's input for each person: P arrays, uint8 `[H, W, 3]` RGB.

        Args:
            image: uint8 `[h, w, 3]` RGB, the picture of all regions.
        """
        antialias = averages_pixels(self.alignment)
        return [
            warp(image, matrix, self.input_size, antialias) for matrix in self.matrices
        ]

    def to_picture(self, keypoints: np.ndarray) -> np.ndarray:
        """Keypoints in input pixels, `[P, J, 2]`, as float64 in picture pixels."""
        return transform_points(invert_matrices(self.matrices), keypoints)
