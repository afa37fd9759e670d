"""Pictures of jigsaw puzzles and of a net's predictions for them."""

from collections.abc import Sequence

import cv2
import numpy as np

from tfpose.drawing import grid as contact_sheet
from tfpose.hsjp.puzzle import assemble, shuffle_patches

__all__ = ["colour_channels", "draw_puzzle"]

_TITLES = ("image", "mosaic", "target heatmaps", "predicted heatmaps", "put together")


def colour_channels(heatmaps: np.ndarray) -> np.ndarray:
    """All channels in one picture: a hue per patch, the value as brightness.

    Neighbouring patch indices have similar hues.

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
    people: Sequence[np.ndarray],
    orders: np.ndarray,
    targets: np.ndarray,
    predictions: np.ndarray,
    cells: np.ndarray,
    side: int = 160,
) -> np.ndarray:
    """Draws a row per puzzle: image, mosaic, heatmaps and the predicted image.

    The heatmaps are the target's and the predicted ones. The last tile is the image put
    together from the predicted cell of each patch.

    Args:
        people: R unshuffled images, uint8 `[H', W', 3]`, whose sides N divides.
        orders: `[R, N**2]`, which patch lies in which cell of the mosaic.
        targets: `[R, h, w, N**2]` heatmaps in 0..1.
        predictions: `[R, h, w, N**2]` heatmaps.
        cells: `[R, N**2]`, the predicted cell of each patch.
        side: height of each tile in pixels.

    Returns:
        uint8 RGB picture.
    """
    tiles = []
    for row, person in enumerate(people):
        mosaic = shuffle_patches(person, orders[row])
        pictures = [
            person,
            mosaic,
            colour_channels(targets[row]),
            colour_channels(predictions[row]),
            assemble(mosaic, cells[row]),
        ]
        size = (side * person.shape[1] // person.shape[0], side)
        tiles += [cv2.resize(p, size, interpolation=cv2.INTER_LINEAR) for p in pictures]
    titles = [*_TITLES, *[""] * (len(tiles) - len(_TITLES))]
    return contact_sheet(tiles, columns=len(_TITLES), titles=titles)
