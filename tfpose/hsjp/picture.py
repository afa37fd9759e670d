"""What a net makes of jigsaw puzzles, as a picture."""

from collections.abc import Sequence

import cv2
import numpy as np

from tfpose.drawing import grid as contact_sheet
from tfpose.hsjp.puzzle import assemble, mosaic_size, nearest_cells

__all__ = ["colour_channels", "draw_puzzle"]

_TITLES = ("image", "mosaic", "target heatmaps", "predicted heatmaps", "put together")


def colour_channels(heatmaps: np.ndarray) -> np.ndarray:
    """All channels in one picture: each patch has a hue, its value the brightness.

    Patches near each other in the image have hues near each other.

    Args:
      heatmaps: `[h, w, C]`, clipped to 0..1.

    Returns:
      uint8 RGB `[h, w, 3]`.
    """
    channels = heatmaps.shape[-1]
    hues = np.arange(channels) * 180 // channels
    palette = np.stack([hues, np.full(channels, 200), np.full(channels, 255)], axis=-1)
    colours = cv2.cvtColor(palette.astype(np.uint8)[None], cv2.COLOR_HSV2RGB)[0]
    values = np.clip(heatmaps, 0, 1)
    brightest = values.argmax(axis=-1)
    strength = values.max(axis=-1, keepdims=True)
    return (colours[brightest] * strength).astype(np.uint8)


def draw_puzzle(
    originals: Sequence[np.ndarray],
    mosaics: np.ndarray,
    targets: np.ndarray,
    predictions: np.ndarray,
    points: np.ndarray,
    grid: int,
    side: int = 160,
) -> np.ndarray:
    """A row per puzzle: image, mosaic, target and predicted heatmaps, and the image
    put together from where the net saw each patch.

    Args:
      originals: R unshuffled images, uint8 `[H', W', 3]`.
      mosaics: uint8 `[R, H, W, 3]`, not augmented.
      targets: `[R, h, w, N**2]` heatmaps in 0..1.
      predictions: `[R, h, w, N**2]` heatmaps.
      points: `[R, N**2, 2]` (x, y) in input pixels, the predicted centres.
      grid: N.
      side: height of each tile in pixels.

    Returns:
      uint8 RGB picture.
    """
    tiles = []
    height, width = mosaics.shape[1:3]
    whole_height, whole_width = mosaic_size((height, width), grid)
    for row, mosaic in enumerate(mosaics):
        cells = nearest_cells(points[row], (height, width), grid)
        whole = cv2.resize(mosaic, (whole_width, whole_height))
        pictures = [
            originals[row],
            mosaic,
            colour_channels(targets[row]),
            colour_channels(predictions[row]),
            assemble(whole, cells),
        ]
        size = (side * width // height, side)
        tiles += [cv2.resize(p, size, interpolation=cv2.INTER_LINEAR) for p in pictures]
    titles = [*_TITLES, *[""] * (len(tiles) - len(_TITLES))]
    return contact_sheet(tiles, columns=len(_TITLES), titles=titles)
