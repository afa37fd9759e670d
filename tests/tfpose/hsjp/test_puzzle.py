"""Cutting, shuffling and putting together, against the paper's definitions."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfpose.codecs.heatmap import HeatmapCodec
from tfpose.errors import InputError
from tfpose.hsjp import puzzle

GRIDS = range(puzzle.MIN_GRID, puzzle.MAX_GRID + 1)


@pytest.mark.parametrize(
    ("grid", "side"),
    [(2, 112), (3, 75), (4, 56), (5, 45), (6, 38), (7, 32), (8, 28)],
)
def test_patches_of_224_pixels(grid, side):
    assert puzzle.mosaic_size((224, 224), grid) == (grid * side, grid * side)


@given(st.integers(2, 8), st.integers(32, 300), st.integers(32, 300))
def test_mosaic_is_the_least_that_holds_the_image(grid, height, width):
    for side, whole in zip(
        (height, width), puzzle.mosaic_size((height, width), grid), strict=True
    ):
        assert whole % grid == 0
        assert side <= whole < side + grid


def test_shuffle_is_uniform():
    count = 24_000
    orders = puzzle.draw_orders(np.random.default_rng(5), count, 2)
    names, counts = np.unique(orders, axis=0, return_counts=True)
    assert set(map(tuple, names)) == set(itertools.permutations(range(4)))
    expected = count / 24
    # 23 degrees of freedom; 49.7 is exceeded once in a thousand.
    assert ((counts - expected) ** 2 / expected).sum() < 49.7


@pytest.mark.parametrize("grid", GRIDS)
def test_every_patch_comes_to_every_cell(grid):
    orders = puzzle.draw_orders(np.random.default_rng(1), 4000, grid)
    assert (np.sort(orders, axis=1) == np.arange(grid**2)).all()
    first = np.bincount(orders[:, 0], minlength=grid**2) * grid**2 / 4000
    last = np.bincount(orders[:, -1], minlength=grid**2) * grid**2 / 4000
    assert 0.4 < first.min() and first.max() < 1.7
    assert 0.4 < last.min() and last.max() < 1.7


@given(st.integers(2, 8), st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32))
def test_assembling_undoes_shuffling(grid, height, width, seed):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (grid * height, grid * width, 3), dtype=np.uint8)
    order = puzzle.draw_orders(rng, 1, grid)[0]
    mosaic = puzzle.shuffle_patches(image, order)
    assert (puzzle.assemble(mosaic, puzzle.patch_cells(order)) == image).all()


def test_cell_holds_the_patch_that_its_order_names():
    image = np.repeat(np.repeat(np.arange(9).reshape(3, 3), 2, 0), 4, 1)[..., None]
    order = np.array([4, 0, 1, 2, 3, 8, 7, 6, 5])
    mosaic = puzzle.shuffle_patches(image, order)
    assert (mosaic[::2, ::4, 0].ravel() == order).all()
    assert (order[puzzle.patch_cells(order)] == np.arange(9)).all()


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("size", [(224, 224), (64, 48), (100, 90)])
def test_centres_are_the_papers_less_half_a_pixel(grid, size):
    height, width = size
    centres = puzzle.cell_centres(size, grid)
    for cell, (x, y) in enumerate(centres):
        row, column = divmod(cell, grid)
        assert x == pytest.approx((2 * column + 1) * width / (2 * grid) - 0.5, abs=1e-4)
        assert y == pytest.approx((2 * row + 1) * height / (2 * grid) - 0.5, abs=1e-4)
    assert (puzzle.nearest_cells(centres, size, grid) == np.arange(grid**2)).all()


def test_points_belong_to_the_cell_that_holds_them():
    size, grid = (64, 48), 2
    points = [(-0.5, -0.5), (23.4, 31.4), (23.6, 31.4), (23.4, 31.6), (-99, 99)]
    assert puzzle.nearest_cells(points, size, grid).tolist() == [0, 0, 1, 2, 2]


@pytest.mark.parametrize("grid", GRIDS)
def test_sigma_at_its_bound_is_refused(grid):
    bound = 224 / (6 * grid)
    puzzle.check_puzzle((224, 224), grid, bound * 0.999)
    for sigma in (bound, bound * 1.5, 0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="sigma: .*3-sigma"):
            puzzle.check_puzzle((224, 224), grid, sigma)


def test_the_shorter_side_bounds_sigma():
    assert puzzle.sigma_bound((256, 192), 4) == 8


@pytest.mark.parametrize("grid", [-1, 0, 1, 9])
def test_other_grids_are_refused(grid):
    with pytest.raises(InputError, match=f"from 2 to 8, got N = {grid}"):
        puzzle.check_puzzle((224, 224), grid, 1.0)


@pytest.mark.parametrize(("grid", "share"), [(2, 0.9), (3, 0.9), (3, 0.5)])
def test_plateau_is_what_the_best_constant_reaches(grid, share):
    """Mean over all shuffles of a channel's error, for the best constant heatmaps."""
    size = (64, 64)
    codec = HeatmapCodec(size, 4, share * puzzle.sigma_bound(size, grid) / 4)
    centres = puzzle.cell_centres(size, grid)[None]
    # Channel k is the target of a patch that lies in cell k; each is as likely.
    targets = np.asarray(codec.encode(centres, np.ones((1, grid**2))))[0]
    best = targets.mean(axis=-1, keepdims=True)
    brute_force = ((targets - best) ** 2).mean()
    energy = (targets**2).mean()
    assert puzzle.plateau_loss(energy, grid) == pytest.approx(brute_force, rel=0.002)
