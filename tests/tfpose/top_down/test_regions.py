"""What a net sees of people in real photos, and the way back."""

import json

import numpy as np
import pytest

from data_pipelines.images import decode_image
from tfpose.codecs.alignment import ALIGNMENTS
from tfpose.top_down.crop import (
    box_regions,
    invert_matrices,
    region_matrices,
    transform_points,
    warp,
)
from tfpose.top_down.regions import Regions, averages_pixels

SIZE = (64, 48)


@pytest.fixture(scope="module")
def photo(shared_data):
    """A real photo, and the boxes of its people."""
    document = json.loads((shared_data / "coco" / "train.json").read_text())
    image = max(
        document["images"],
        key=lambda image: sum(
            person["image_id"] == image["id"] for person in document["annotations"]
        ),
    )
    boxes = [p["bbox"] for p in document["annotations"] if p["image_id"] == image["id"]]
    path = next((shared_data / "coco").rglob(image["file_name"].split("/")[-1]))
    return decode_image(path.read_bytes()), np.array(boxes)


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_crops_are_the_regions_and_points_come_back(photo, alignment):
    image, boxes = photo
    assert len(boxes) > 2
    regions = Regions.of_boxes(boxes, SIZE, alignment)
    centres, sizes = box_regions(boxes, SIZE, alignment=alignment)
    matrices = region_matrices(centres, sizes, SIZE, alignment=alignment)
    np.testing.assert_array_equal(regions.matrices, matrices)
    crops = regions.crop(image)
    assert len(crops) == len(regions) == len(boxes)
    antialias = alignment == "half_pixel"
    assert averages_pixels(alignment) == antialias
    for crop, matrix in zip(crops, matrices, strict=True):
        np.testing.assert_array_equal(crop, warp(image, matrix, SIZE, antialias))
    points = np.random.default_rng(0).uniform(0, 48, (len(boxes), 5, 2))
    back = regions.to_picture(points)
    np.testing.assert_array_equal(
        back, transform_points(invert_matrices(matrices), points)
    )
    assert np.allclose(transform_points(matrices, back), points)


def test_middles_and_padding_can_be_given(photo):
    _, boxes = photo
    centres = np.full((len(boxes), 2), 30, np.float32)
    regions = Regions.of_boxes(boxes, SIZE, padding=1.0, centres=centres)
    np.testing.assert_array_equal(regions.centres, centres)
    plain = Regions.of_boxes(boxes, SIZE)
    assert np.allclose(regions.sizes * 1.25, plain.sizes)
    middle = (np.array(SIZE[::-1]) - 1) / 2
    seen = transform_points(regions.matrices, centres[:, None].astype(float))
    assert np.allclose(seen[:, 0], middle)


def test_nobody(photo):
    image, _ = photo
    regions = Regions.of_boxes(np.zeros((0, 4)), SIZE)
    assert regions.crop(image) == []
    assert regions.to_picture(np.zeros((0, 7, 2))).shape == (0, 7, 2)
