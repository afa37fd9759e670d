"""Where a picture lies in the net's input."""

import numpy as np
import pytest

from tfpose.logocap.picture import Placement


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [
        (480, 640, (512, 704)),
        (640, 480, (704, 512)),
        (512, 512, (512, 512)),
        (427, 640, (512, 768)),
        (1, 1, (512, 512)),
        (3000, 4000, (512, 704)),
    ],
)
def test_sides_are_multiples_of_64(height, width, size):
    assert Placement.of(height, width, 512).size == size
    assert Placement.of(height, width, 500).size == size


def test_a_strip_stays_within_bounds():
    placement = Placement.of(100, 10_000, 512)
    assert placement.size == (512, 3072)
    ends = np.array([[0.0, 50], [9999, 50]])
    there = ends * placement.scale + placement.shift
    assert (there >= -1).all() and (there <= [3072, 512]).all()


def test_a_picture_of_the_inputs_size_is_not_touched():
    image = np.random.default_rng(0).integers(0, 256, (128, 192, 3), np.uint8)
    placement = Placement.of(128, 192, 128)
    assert np.array_equal(placement.place(image), image)


@pytest.mark.parametrize(
    ("height", "width", "corner"),
    [(100, 300, (0, 32)), (300, 100, (75, 0)), (3000, 4000, (11, 0))],
)
def test_all_of_a_picture_is_in_an_input_of_a_fixed_size(height, width, corner):
    placement = Placement.into(height, width, (128, 192))
    assert placement.size == (128, 192)
    ends = np.array([[0.0, 0], [width, height]])
    low, high = ends * placement.scale + placement.shift
    assert np.allclose(low, corner, atol=1)
    assert np.allclose(high, np.array([192, 128]) - corner, atol=1)
    image = np.full((height, width, 3), 200, np.uint8)
    placed = placement.place(image)
    assert placed.shape == (128, 192, 3)
    assert (placed[64, 96] == 200).all() and placed.mean() < 201


def test_points_come_back_to_where_the_pixels_were():
    image = np.zeros((150, 230, 3), np.uint8)
    image[70:73, 180:183] = 255
    placement = Placement.of(150, 230, 320)
    placed = placement.place(image)[..., 0].astype(float)
    rows, columns = np.mgrid[: placed.shape[0], : placed.shape[1]]
    spot = np.array([(columns * placed).sum(), (rows * placed).sum()]) / placed.sum()
    assert np.allclose(placement.to_picture(spot), [181, 71], atol=0.1)
