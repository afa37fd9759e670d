"""Pictures of puzzles show what they say."""

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
    whole = puzzle.mosaic_size(size, grid)
    height, width = whole
    y, x = np.mgrid[:height, :width]
    image = np.stack([255 * x / width, 255 * y / height, 0 * x + 90], -1)
    image = image.astype(np.uint8)
    orders = puzzle.draw_orders(np.random.default_rng(3), 1, grid)
    centres = puzzle.cell_centres(size, grid)[puzzle.patch_cells(orders)]
    cells = puzzle.nearest_cells(centres, size, grid)
    blank = np.zeros((1, 8, 8, grid**2))
    picture = draw_puzzle([image], orders, blank, blank, cells, side=height)
    original, shuffled, _, _, again = _tiles(picture, height, width)
    assert (original == image).all()
    assert (again == image).all()
    assert np.abs(shuffled.astype(int) - image).mean() > 30


def _tiles(picture, height, width):
    """The five tiles of a sheet of one row, found by its light paper and gaps."""
    paper = picture[-1, 0]
    columns = ~(np.abs(picture.astype(int) - paper) < 3).all(axis=(0, 2))
    starts = np.flatnonzero(np.diff(columns.astype(int), prepend=0) == 1)
    rows = np.flatnonzero((picture[:, starts[0] + 1] != paper).any(axis=-1))
    top = rows[-1] + 1
    assert len(starts) == 5
    return [picture[top - height : top, start : start + width] for start in starts]
