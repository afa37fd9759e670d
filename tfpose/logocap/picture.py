"""How a picture of any size becomes the net's input, and points come back."""

import dataclasses

import cv2
import numpy as np

__all__ = ["Placement"]

_MULTIPLE = 64
# Sides of a longer picture's input, at most; then its shorter side is less than asked.
_LONGEST = 6


@dataclasses.dataclass(frozen=True)
class Placement:
    """A picture scaled into the middle of the net's input; what is left is black.

    Attributes:
        size: (height, width) of the input.
        scale: input pixels per picture pixel.
        shift: (x, y) of the picture's first pixel, input pixels.
    """

    size: tuple[int, int]
    scale: float
    shift: tuple[float, float]

    @classmethod
    def of(cls, height: int, width: int, short_side: int) -> "Placement":
        """As the published code places pictures.

        The shorter side becomes `short_side` rounded up to a multiple of 64, the longer
        one what the aspect ratio says, rounded up, too. The picture's middle, of whole
        pixels, is at the input's.

        Args:
            height: of the picture, pixels.
            width: of the picture, pixels.
            short_side: pixels.
        """
        short, long = min(height, width), max(height, width)
        first = _round_up(short_side)
        second = _round_up(first / short * long)
        scale = first / short
        if second > _LONGEST * first:
            second = _LONGEST * first
            scale = second / long
        size = (first, second) if height <= width else (second, first)
        return cls._in_the_middle(height, width, size, scale)

    @classmethod
    def into(cls, height: int, width: int, size: tuple[int, int]) -> "Placement":
        """All of a picture, as large as an input of a fixed (height, width) has room.

        Args:
            height: of the picture, pixels.
            width: of the picture, pixels.
            size: (height, width) of the input, pixels.
        """
        scale = min(size[0] / height, size[1] / width)
        return cls._in_the_middle(height, width, size, scale)

    @classmethod
    def _in_the_middle(
        cls, height: int, width: int, size: tuple[int, int], scale: float
    ) -> "Placement":
        middle = int(width / 2 + 0.5), int(height / 2 + 0.5)
        shift = (size[1] / 2 - scale * middle[0], size[0] / 2 - scale * middle[1])
        return cls(size, scale, shift)

    def place(self, image: np.ndarray) -> np.ndarray:
        """The input uint8 `[H, W, 3]` of a picture uint8 `[h, w, 3]`; bilinear."""
        matrix = np.array(
            [[self.scale, 0, self.shift[0]], [0, self.scale, self.shift[1]]]
        )
        return cv2.warpAffine(image, matrix, self.size[::-1])

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """Points `[..., 2]` (x, y) of the input as float64 pixels of the picture."""
        return (points.astype(np.float64) - self.shift) / self.scale


def _round_up(side: float) -> int:
    return int((side + _MULTIPLE - 1) // _MULTIPLE * _MULTIPLE)
