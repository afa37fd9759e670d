"""Boxes to regions to maps and back, and pixels under the maps."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfpose.top_down.crop import (
    box_regions,
    invert_matrices,
    reduced_matrix,
    reduction,
    region_matrices,
    transform_points,
    warp,
)


def _edges(centres, sizes):
    """Corners of upright regions, in pixel-centre coordinates."""
    return centres - sizes / 2, centres + sizes / 2


def test_whole_image_fills_the_input():
    centres, sizes = box_regions([[0, 0, 192, 256]], (256, 192), padding=1.0)
    assert np.allclose(region_matrices(centres, sizes, (256, 192))[0], np.eye(2, 3))
    half = region_matrices(centres, sizes, (128, 96))[0]
    # Resizing by s maps x to (x + 0.5) s - 0.5.
    assert np.allclose(transform_points(half, [[10, 20]]), [[4.75, 9.75]])


@given(st.floats(-50, 500), st.floats(-50, 500), st.floats(1, 400), st.floats(1, 400))
def test_region_has_the_aspect_and_holds_the_box(x, y, w, h):
    centres, sizes = box_regions([[x, y, w, h]], (256, 192))
    assert sizes[0, 0] / sizes[0, 1] == pytest.approx(0.75)
    # Sides are the larger of the two that the aspect allows, and a quarter more.
    assert max(w / sizes[0, 0], h / sizes[0, 1]) == pytest.approx(1 / 1.25)
    assert np.allclose(centres[0], [x + w / 2 - 0.5, y + h / 2 - 0.5])


@given(
    st.tuples(st.floats(0, 300), st.floats(0, 300)),
    st.floats(5, 500),
    st.floats(-180, 180),
)
def test_inverse_brings_points_back(centre, width, angle):
    sizes = [[width, width * 4 / 3]]
    matrices = region_matrices([centre], sizes, (256, 192), angle)
    points = np.array([[[0, 0], [95.5, 127.5], [191, 255], [-30, 400]]])
    there = transform_points(invert_matrices(matrices), points)
    assert np.allclose(transform_points(matrices, there), points, atol=1e-6)
    # The middle of the input is the middle of the region.
    assert np.allclose(there[0, 1], centre)


def test_upright_region_fills_the_input():
    centres, sizes = box_regions([[10, 20, 30, 90], [50, 5, 80, 20]], (256, 192))
    matrices = region_matrices(centres, sizes, (256, 192))
    low, high = _edges(centres, sizes)
    corners = transform_points(matrices, np.stack([low, high], axis=1))
    assert np.allclose(corners, [[[-0.5, -0.5], [191.5, 255.5]]] * 2)


def test_positive_rotation_is_clockwise_for_the_viewer():
    matrix = region_matrices([[50, 50]], [[96, 128]], (128, 96), 90.0)
    head_up = transform_points(matrix, [[[50, 20]]])[0, 0]
    assert np.allclose(head_up, [47.5 + 30, 63.5])


def test_no_boxes_are_no_matrices():
    matrices = region_matrices(*box_regions(np.zeros((0, 4)), (64, 64)), (64, 64))
    assert invert_matrices(matrices).shape == (0, 2, 3)


def _dot(size, point, sigma):
    y, x = np.mgrid[: size[0], : size[1]]
    dot = np.exp(-((x - point[0]) ** 2 + (y - point[1]) ** 2) / (2 * sigma**2))
    return np.repeat((255 * dot)[..., None], 3, -1).round().astype(np.uint8)


@pytest.mark.parametrize("angle", [0, 30, -100])
@pytest.mark.parametrize("scale", [0.4, 0.9, 1, 1.7, 2, 3.3, 4.5, 9])
def test_pixels_go_where_points_go(angle, scale):
    """Also where a strong shrink averages pixels before."""
    size = (64, 48)
    rng = np.random.default_rng(int(scale * 10) + angle % 360)
    point = np.array([301.0, 257.0]) + rng.uniform(-10, 10, 2)
    photo = _dot((511, 603), point, sigma=2.5 * max(scale, 1))
    centre = point + rng.uniform(-4, 4, 2) * scale
    matrix = region_matrices([centre], [[48 * scale, 64 * scale]], size, angle)[0]
    crop = warp(photo, matrix, size)[..., 0].astype(float) ** 2
    y, x = np.mgrid[: size[0], : size[1]]
    found = np.array([(x * crop).sum(), (y * crop).sum()]) / crop.sum()
    assert np.abs(found - transform_points(matrix, point[None])[0]).max() < 0.06


def test_strong_shrink_skips_no_pixels():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (512, 512, 3), dtype=np.uint8)
    matrix = region_matrices([[255.5, 255.5]], [[512, 512]], (64, 64))[0]
    crop = warp(noise, matrix, (64, 64)).astype(float)
    averaged = cv2.resize(noise, (64, 64), interpolation=cv2.INTER_AREA)
    assert np.abs(crop - averaged).max() <= 1


def test_without_antialias_it_is_a_plain_bilinear_warp():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (512, 512, 3), dtype=np.uint8)
    matrix = region_matrices([[250, 260]], [[400, 400]], (64, 64))[0]
    plain = cv2.warpAffine(noise, matrix, (64, 64), flags=cv2.INTER_LINEAR)
    assert np.array_equal(warp(noise, matrix, (64, 64), antialias=False), plain)
    assert not np.array_equal(warp(noise, matrix, (64, 64)), plain)


@given(st.floats(0.02, 3), st.floats(-180, 180))
def test_reduction_leaves_something_to_shrink(scale, angle):
    matrix = region_matrices([[40, 30]], [[64 / scale, 64 / scale]], (64, 64), angle)[0]
    factor = reduction(matrix)
    assert factor in (1, 2, 4, 8)
    assert factor == 1 or factor * scale <= 1 + 1e-9
    assert factor == 8 or 2 * factor * scale > 1 - 1e-9
    # Pixel k of the reduced photo is at (k + 0.5) factor - 0.5 of the full one.
    small = np.array([[3.0, 7.0]])
    full = (small + 0.5) * factor - 0.5
    there = transform_points(reduced_matrix(matrix, factor), small)
    assert np.allclose(there, transform_points(matrix, full))


def test_black_outside_the_photo():
    matrix = region_matrices([[0, 0]], [[40, 40]], (40, 40))[0]
    crop = warp(np.full((30, 30, 3), 255, np.uint8), matrix, (40, 40))
    assert not crop[:15, :15].any() and (crop[25:, 25:] == 255).all()
