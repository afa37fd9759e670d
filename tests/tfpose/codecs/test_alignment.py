"""Named alignments: what each maps where, and the targets drawn in them."""

import numpy as np
import pytest

from tfpose.codecs.alignment import ALIGNMENTS, cell_map
from tfpose.codecs.heatmap import HeatmapCodec
from tfpose.errors import InputError
from tfpose.top_down.crop import (
    box_regions,
    invert_matrices,
    mirror_matrices,
    region_matrices,
    transform_points,
)

SIZE, CELLS = (256, 192), (64, 48)
BOX = np.array([[40.0, 30.0, 100.0, 160.0]])


def _photo_points(alignment: str, cells: np.ndarray) -> np.ndarray:
    """Cells of the heatmap of `BOX` in the photo."""
    centres, sizes = box_regions(BOX, SIZE, alignment=alignment)
    matrices = region_matrices(centres, sizes, SIZE, alignment=alignment)
    pixels = HeatmapCodec(SIZE, alignment=alignment).to_pixels(cells)
    return transform_points(invert_matrices(matrices), pixels[None])[0]


# The box grows to 120 x 160 and with padding to 150 x 200.
EXPECTED = {
    # The region's edges are those of the cells: 150 / 48 px a cell, from its middle.
    "half_pixel": lambda c: [89.5, 109.5] + (c - [23.5, 31.5]) * 150 / 48,
    "official": lambda c: [90, 110] + (c - [24, 32]) * 150 / 48,
    "tokenpose": lambda c: [89.5, 109.5] + (c - [23.5, 31.5]) * 149 / 47,
    "udp": lambda c: [90, 110] + (c - [23.5, 31.5]) * [150 / 47, 200 / 63],
}


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_cells_are_where_the_published_code_has_them(alignment):
    cells = np.array([[0.0, 0.0], [24.0, 32.0], [47.0, 63.0], [10.3, 50.7]])
    expected = EXPECTED[alignment](cells)
    assert np.allclose(_photo_points(alignment, cells), expected, atol=1e-9)


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_a_mirrored_photo_gives_the_mirrored_crop(alignment):
    """Training on a mirrored photo and mirroring the crop are the same map."""
    photo_width = 500
    points = np.array([[50.0, 60.0], [120.0, 170.0]])
    regions = box_regions(BOX, SIZE, alignment=alignment)
    matrices = region_matrices(*regions, SIZE, 20.0, alignment)
    mirrored = transform_points(mirror_matrices(matrices, SIZE, alignment), points)
    # What published data sets do: mirror points and centre about the photo's middle.
    centres = regions[0].copy()
    centres[:, 0] = photo_width - 1 - centres[:, 0]
    there = points.copy()
    there[:, 0] = photo_width - 1 - there[:, 0]
    again = region_matrices(centres, regions[1], SIZE, -20.0, alignment)
    assert np.allclose(mirrored, transform_points(again, there))


def _published_target(mu, sigma, size, udp):
    """HRNet's loop: a 6 sigma + 1 patch about int(mu + 0.5), cut at the border."""
    rows, columns = size
    heatmap = np.zeros(size)
    nearest = [int(value + 0.5) for value in mu]
    reach = 3 * sigma
    if nearest[0] - reach >= columns or nearest[1] - reach >= rows:
        return heatmap, 0
    if nearest[0] + reach + 1 < 0 or nearest[1] + reach + 1 < 0:
        return heatmap, 0
    centre = mu if udp else nearest
    for y in range(rows):
        for x in range(columns):
            if max(abs(x - nearest[0]), abs(y - nearest[1])) <= reach:
                square = (x - centre[0]) ** 2 + (y - centre[1]) ** 2
                heatmap[y, x] = np.exp(-square / (2 * sigma**2))
    return heatmap, 1


@pytest.mark.parametrize(
    ("alignment", "rounded", "sigma"),
    [("official", True, 2), ("official", True, 3), ("udp", False, 2)],
)
def test_published_targets_and_their_weights(alignment, rounded, sigma):
    codec = HeatmapCodec((64, 48), 4, sigma, alignment, rounded=rounded)
    scale, offset = cell_map(alignment, (64, 48), (16, 12))
    rng = np.random.default_rng(0)
    cells = rng.uniform(-9, 24, (1, 80, 2))
    cells[0, :6] = [[5.5, 5.5], [-0.5, 3.0], [3.0, -0.7], [-7.4, 5], [18, 5], [4, 22.4]]
    keypoints = (cells * scale + offset).astype(np.float32)
    drawn = np.asarray(codec.encode(keypoints, np.ones((1, 80))))[0]
    weights = np.asarray(codec.reaches(keypoints))[0]
    exact = np.asarray(codec.to_cells(keypoints.astype(np.float64)))[0]
    assert 0 < weights.sum() < 80
    for joint in range(80):
        expected, weight = _published_target(exact[joint], sigma, (16, 12), not rounded)
        assert weights[joint] == weight, exact[joint]
        found = drawn[..., joint] * weight
        assert np.abs(found - expected).max() < 1e-5, exact[joint]


def test_own_targets_reach_three_sigma():
    codec = HeatmapCodec((64, 48), sigma=2.0)
    points = np.array([[[-24, 5], [-25, 5], [71, 5], [72, 5], [9, 88]]], "float32")
    assert np.asarray(codec.reaches(points)).tolist() == [[1, 0, 1, 0, 0]]


def test_unknown_alignments_are_refused():
    for call in (
        lambda: box_regions(BOX, SIZE, alignment="biased"),
        lambda: region_matrices([[0, 0]], [[9, 9]], SIZE, alignment="biased"),
        lambda: HeatmapCodec(SIZE, alignment="biased"),
    ):
        with pytest.raises(InputError, match="alignment is 'biased', expected one of"):
            call()
