"""The jigsaw puzzle: patches, their cells and centres, and the inverse.

Symbols: grid `N` (the puzzle has N x N cells), input size `(H, W)` in pixels, patch
index and cell index both row-major in `[0, N**2)`. A puzzle's `order` says which
patch lies in which cell: cell `k` of the mosaic holds patch `order[k]` of the image.
Pixel convention: see `tfpose.codecs.heatmap`.

Reference: arXiv 2012.07101, sections 3.1 to 3.3.
"""

import numpy as np

from tfpose.errors import InputError

__all__ = [
    "MAX_GRID",
    "MIN_GRID",
    "assemble",
    "cell_centres",
    "check_puzzle",
    "draw_orders",
    "mosaic_size",
    "nearest_cells",
    "patch_cells",
    "plateau_loss",
    "sigma_bound",
    "shuffle_patches",
]

MIN_GRID = 2
MAX_GRID = 8


def sigma_bound(input_size: tuple[int, int], grid: int) -> float:
    """The paper's 3-sigma rule: sigma must be below `size / (6 N)` input pixels.

    A Gaussian of that width just fits into its patch, so that its peak cannot be
    mistaken for a neighbour's (section 3.1). The shorter side is used.
    """
    return min(input_size) / (6 * grid)


def check_puzzle(input_size: tuple[int, int], grid: int, sigma: float) -> None:
    """Checks that the method defines such a puzzle.

    Args:
        input_size: (height, width) in pixels.
        grid: N, in 2..8 as in the paper's Table 3.
        sigma: standard deviation of the target Gaussians in input pixels.

    Raises:
        InputError: a value is out of range; names the value and its range.
    """
    if not MIN_GRID <= grid <= MAX_GRID:
        raise InputError(
            f"grid: the puzzle is cut into N x N patches with N from {MIN_GRID} to "
            f"{MAX_GRID}, got N = {grid}"
        )
    bound = sigma_bound(input_size, grid)
    if not 0 < sigma < bound:
        raise InputError(
            f"sigma: must be above 0 and below size / (6 N) = {bound:.3g} input pixels "
            f"for N = {grid} and input {input_size[0]}x{input_size[1]} (3-sigma rule), "
            f"got {sigma:.4g}"
        )


def mosaic_size(input_size: tuple[int, int], grid: int) -> tuple[int, int]:
    """(height, width) that N patches of side `ceil(size / N)` fill exactly.

    At 224 pixels and N = 6 a patch has 38 pixels and the mosaic 228. The image is
    cropped to this size, cut into equal patches, and then warped to the input size, so
    the centres are at `(2 m + 1) * size / (2 N)` for every N. (The paper does not say
    what happens to the 4 extra pixels.)
    """
    height, width = input_size
    return grid * -(-height // grid), grid * -(-width // grid)


def draw_orders(rng: np.random.Generator, count: int, grid: int) -> np.ndarray:
    """`count` uniform permutations by the Knuth-Durstenfeld shuffle.

    All puzzles are shuffled at once: step `i` swaps entry `i` of each row with an
    entry drawn uniformly from `0..i`.

    Returns:
        uint8 `[count, N**2]`; row `s` is the `order` of puzzle `s`.
    """
    cells = grid * grid
    orders = np.tile(np.arange(cells, dtype=np.uint8), (count, 1))
    rows = np.arange(count)
    for last in range(cells - 1, 0, -1):
        swapped = rng.integers(0, last + 1, size=count)
        last_entries = orders[:, last].copy()
        orders[:, last] = orders[rows, swapped]
        orders[rows, swapped] = last_entries
    return orders


def patch_cells(orders: np.ndarray) -> np.ndarray:
    """The cell in which each patch lies: the inverse of `orders` `[..., N**2]`."""
    return np.argsort(orders, axis=-1)


def cell_centres(input_size: tuple[int, int], grid: int) -> np.ndarray:
    """Centres of the cells, float32 `[N**2, 2]` (x, y) in input pixels.

    The paper's `(2 m + 1) * size / (2 N)` counts from the image's edge; with pixel
    centres at integers that is half a pixel less.
    """
    height, width = input_size
    steps = (2 * np.arange(grid) + 1) / (2 * grid)
    y, x = np.meshgrid(steps * height - 0.5, steps * width - 0.5, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=-1).astype(np.float32)


def _cut(image: np.ndarray, grid: int) -> np.ndarray:
    height, width = image.shape[0] // grid, image.shape[1] // grid
    patches = image.reshape(grid, height, grid, width, -1).swapaxes(1, 2)
    return patches.reshape(grid * grid, height, width, -1)


def _join(patches: np.ndarray, grid: int) -> np.ndarray:
    _, height, width, channels = patches.shape
    rows = patches.reshape(grid, grid, height, width, channels).swapaxes(1, 2)
    return rows.reshape(grid * height, grid * width, channels)


def shuffle_patches(image: np.ndarray, order: np.ndarray) -> np.ndarray:
    """The mosaic of an image's patches in another order.

    Args:
        image: `[H, W, C]`, whose sides N must divide.
        order: integers `[N**2]`; cell `k` of the result holds patch `order[k]`.
    """
    grid = int(round(len(order) ** 0.5))
    return _join(_cut(image, grid)[order], grid)


def assemble(mosaic: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The image put together from predicted cells of its patches.

    Args:
        mosaic: `[H, W, C]`, whose sides N must divide.
        cells: integers `[N**2]`; patch `i` is taken from cell `cells[i]`. With the
            ground truth, `patch_cells(order)`, this is the inverse of
            `shuffle_patches`. A cell may occur twice, as predictions may.
    """
    return shuffle_patches(mosaic, cells)


def nearest_cells(
    points: np.ndarray, input_size: tuple[int, int], grid: int
) -> np.ndarray:
    """Index of the cell whose area holds each point `[..., 2]` (x, y), clamped."""
    height, width = input_size
    scale = np.array([grid / width, grid / height])
    column_row = np.floor((np.asarray(points) + 0.5) * scale)
    column_row = np.clip(column_row, 0, grid - 1).astype(np.int64)
    return column_row[..., 1] * grid + column_row[..., 0]


def plateau_loss(target_energy: float, grid: int) -> float:
    """Loss of a net that predicts only the mean heatmap.

    Such a net predicts for every channel the average over all N**2 cells. Where the
    Gaussians hardly overlap (which the bound on sigma ensures) the loss is the targets'
    mean energy, mean(G**2), times `1 - 1 / N**2`.
    """
    return target_energy * (1 - 1 / grid**2)
