"""Pictures of puzzles show what they say."""

import cv2
import numpy as np
import pytest

from tfpose.hsjp import puzzle
from tfpose.hsjp.picture import colour_channels, draw_puzzle


@pytest.mark.parametrize("grid", [2, 6, 8])
def test_each_channel_has_its_colour(grid):
    channels = grid * grid
    heatmaps = np.eye(channels)[None]
    colours = colour_channels(heatmaps)[0]
    assert len(np.unique(colours, axis=0)) == channels
    half = colour_channels(heatmaps * 0.5)[0]
    assert np.abs(half - colours / 2.0).max() <= 1
    assert not colour_channels(np.zeros((4, 4, channels))).any()
    assert (colour_channels(heatmaps * 7 - 3 * (heatmaps == 0)) == colours).all()


@pytest.mark.parametrize(
    ("grid", "size"), [(3, (96, 96)), (3, (64, 64)), (2, (64, 48))]
)
def test_right_points_put_the_image_together(grid, size):
    height, width = size
    y, x = np.mgrid[:height, :width]
    image = np.stack([255 * x / width, 255 * y / height, 0 * x + 90], -1)
    image = image.astype(np.uint8)
    order = puzzle.draw_orders(np.random.default_rng(3), 1, grid)[0]
    whole = puzzle.mosaic_size(size, grid)
    mosaic = puzzle.shuffle_patches(cv2.resize(image, whole[::-1]), order)
    mosaic = cv2.resize(mosaic, (width, height))
    points = puzzle.cell_centres(size, grid)[puzzle.patch_cells(order)]
    blank = np.zeros((1, 8, 8, grid**2))
    picture = draw_puzzle(
        [image], mosaic[None], blank, blank, points[None], grid, side=height
    )
    shown = _tiles(picture, width)
    assert len(shown) == 5
    original, shuffled, _, _, again = (tile.astype(int) for tile in shown)
    assert np.abs(original - image).max() <= 2
    # Only the seams of a resized mosaic are blurred.
    assert np.abs(again - image).mean() < 5
    assert np.abs(shuffled - image).mean() > 30


def _tiles(picture, width):
    """The five tiles of a sheet of one row, found by its light paper and gaps."""
    paper = picture[-1, 0]
    columns = ~(np.abs(picture.astype(int) - paper) < 3).all(axis=(0, 2))
    starts = np.flatnonzero(np.diff(columns.astype(int), prepend=0) == 1)
    rows = np.flatnonzero((picture[:, starts[0] + 1] != paper).any(axis=-1))
    top = rows[-1] + 1
    height = {96: 96, 64: 64, 48: 64}[width]
    return [picture[top - height : top, start : start + width] for start in starts]
