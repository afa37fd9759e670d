"""Pixel alignments: how points of photo, input and heatmap correspond.

`half_pixel` is this project's alignment, defined in `tfpose.codecs.heatmap`. Published
weights were trained with one of three others and reach their published accuracy only
with theirs:

- `official`: HRNet, SimpleBaseline, MMPose without UDP. A pixel's index is its
  coordinate: the middle of a box, (x + w / 2, y + h / 2), maps to (W / 2, H / 2), the
  scale is W / w, and cell h of a heatmap is the input point h * s. Training mirrors the
  input at W / 2 but evaluation mirrors its array, so a flip test needs a shift of one
  cell (arXiv:1911.07524, section 3.2, is about the cost of this).
- `tokenpose`: TokenPose, and the DarkPose code that it is based on. Lengths are
  measured between the centres of the first and the last pixel: the scale is (W - 1) /
  (w - 1) from the region to the input and from the input to the heatmap, both about the
  middle.
- `udp`: UDP (Huang et al., CVPR 2020, arXiv:1911.07524) as in MMPose. Input and heatmap
  have the lengths W - 1 and w - 1, a region has the length w. x and y are scaled
  separately, each by its own sides.

Regions and sizes are those of `tfpose.top_down.crop`.
"""

import numpy as np

from tfpose.errors import InputError

__all__ = [
    "ALIGNMENTS",
    "box_offset",
    "cell_map",
    "check_alignment",
    "input_middle",
    "mirror_sum",
    "region_scales",
]

ALIGNMENTS = ("half_pixel", "official", "tokenpose", "udp")


def check_alignment(alignment: str) -> None:
    """Raises InputError for a name that is not in `ALIGNMENTS`."""
    if alignment not in ALIGNMENTS:
        raise InputError(f"alignment is {alignment!r}, expected one of {ALIGNMENTS}")


def cell_map(
    alignment: str, input_size: tuple[int, int], heatmap_size: tuple[int, int]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Scale and offset, each (x, y), of `input point = cell * scale + offset`.

    Args:
        alignment: one of `ALIGNMENTS`.
        input_size: (H, W), pixels.
        heatmap_size: (h, w), cells; at least 2 for `tokenpose` and `udp`.

    Returns:
        scale in input pixels per cell and offset in input pixels.
    """
    height, width = input_size
    rows, columns = heatmap_size
    if alignment == "tokenpose":
        scale = (width - 1) / (columns - 1)
        return (scale, scale), (0.0, (height - 1) / 2 - scale * (rows - 1) / 2)
    if alignment == "udp":
        return ((width - 1) / (columns - 1), (height - 1) / (rows - 1)), (0.0, 0.0)
    across, down = width / columns, height / rows
    if alignment == "official":
        return (across, down), (0.0, 0.0)
    return (across, down), ((across - 1) / 2, (down - 1) / 2)


def box_offset(alignment: str) -> float:
    """Offset in pixels from (x + w / 2, y + h / 2) to a box's centre."""
    return 0.0 if alignment in ("official", "udp") else -0.5


def input_middle(alignment: str, input_size: tuple[int, int]) -> np.ndarray:
    """Point (x, y) of the input, in pixels, that the centre of a region maps to."""
    height, width = input_size
    if alignment == "official":
        return np.array([width / 2, height / 2])
    return np.array([(width - 1) / 2, (height - 1) / 2])


def region_scales(
    alignment: str, sizes: np.ndarray, input_size: tuple[int, int]
) -> np.ndarray:
    """Scales `[P, 2]` (x, y) of regions of sizes `[P, 2]` (w, h), photo pixels.

    A scale is in input pixels per photo pixel.
    """
    height, width = input_size
    sizes = np.asarray(sizes, np.float64)
    if alignment == "udp":
        return np.array([width - 1, height - 1]) / sizes
    if alignment == "tokenpose":
        across = (width - 1) / (sizes[:, 0] - 1)
    else:
        across = width / sizes[:, 0]
    return np.stack([across, across], axis=-1)


def mirror_sum(alignment: str, width: int) -> int:
    """Sum of x and its mirror image, pixels, when training mirrors an input."""
    return width if alignment == "official" else width - 1
