"""Regions kept compact are, pixel for pixel, what pycocotools makes of the file."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from data_pipelines.readers.coco_format import read_coco
from data_pipelines.segmentation import (
    Segmentation,
    Segmentations,
    run_lengths,
    shrink_mask,
)


@pytest.mark.parametrize(
    ("labels", "images", "count"),
    [
        ("coco/train.json", "coco/images", 244),
        ("formats/coco/test_coco.json", "formats/coco", 14),
        ("formats/ochuman/test_ochuman.json", "formats/ochuman", 5),
    ],
)
def test_masks_are_those_of_pycocotools(shared_data, capsys, labels, images, count):
    """Polygons, run lengths as numbers (crowds) and run lengths as text."""
    people, report = read_coco(shared_data / labels, shared_data / images)
    coco = COCO(str(shared_data / labels))
    capsys.readouterr()
    assert not report.skipped
    found = 0
    for row, person_id in enumerate(people.person_ids.tolist()):
        note = coco.anns[person_id]
        assert bool(people.segmentations[row]) == bool(note.get("segmentation"))
        if people.segmentations[row]:
            found += 1
            expected = coco.annToMask(note).astype(bool)
            np.testing.assert_array_equal(people.mask(row), expected)
    assert found == count


def test_a_coordinate_between_pixels_falls_as_in_the_file():
    """float32 alone would move it: 5 * 353.3 + 0.5 is 1767 of float64 only."""
    polygon = [10.0, 353.3, 90.0, 353.3, 90.0, 400.0, 10.0, 400.0]
    size = (480, 120)
    expected = coco_mask.decode(coco_mask.frPyObjects([polygon], *size))[..., 0]
    rounded = np.array(polygon, np.float32)
    region = Segmentation(polygons=(rounded.reshape(-1, 2),))
    np.testing.assert_array_equal(region.mask(size), expected)
    blunt = [rounded.astype(float).tolist()]
    assert 5 * blunt[0][1] + 0.5 < 1767 == int(5 * polygon[1] + 0.5)


def blobs(rng, size):
    """Random masks with many runs, with few, empty and full."""
    noise = rng.random(size) < 0.5
    square = np.zeros(size, bool)
    square[3:30, 5:9] = True
    return [noise, square, np.zeros(size, bool), np.ones(size, bool)]


def test_run_lengths_are_those_of_the_text():
    rng = np.random.default_rng(0)
    for mask in blobs(rng, (37, 23)) + blobs(rng, (900, 700)):
        region = Segmentation.of_mask(mask)
        flat = np.concatenate([[False], mask.ravel(order="F")])
        starts = np.flatnonzero(flat[1:] != flat[:-1])
        expected = np.diff(np.concatenate([[0], starts, [mask.size]]))
        np.testing.assert_array_equal(run_lengths(region.rle), expected)
        np.testing.assert_array_equal(region.mask(mask.shape), mask)


@pytest.mark.parametrize("text", [b"", b"~", b"/", b"00P", b"P" * 9 + b"0"])
def test_other_text_is_refused(text):
    with pytest.raises(ValueError, match="not compressed run lengths"):
        run_lengths(text)


def regions():
    rng = np.random.default_rng(1)
    polygons = [rng.uniform(0, 50, (n, 2)).astype(np.float32) for n in (3, 7, 4)]
    mask = rng.random((60, 50)) < 0.3
    return [
        Segmentation(polygons=tuple(polygons[:2])),
        Segmentation(),
        Segmentation.of_mask(mask),
        Segmentation(polygons=tuple(polygons[2:])),
    ]


def assert_same(found, expected):
    assert found.rle == expected.rle and bool(found) == bool(expected)
    assert len(found.polygons) == len(expected.polygons)
    for a, b in zip(found.polygons, expected.polygons, strict=True):
        np.testing.assert_array_equal(a, b)


def test_gathered_and_taken_they_stay_the_same():
    expected = regions()
    gathered = Segmentations.of(expected)
    assert len(gathered) == 4
    for rows in ([0, 1, 2, 3], [3, 0], [2, 2, 1], []):
        taken = gathered.take(np.array(rows, np.int64))
        again = Segmentations(**taken.arrays)
        assert len(taken) == len(rows)
        for place, row in enumerate(rows):
            assert_same(taken[place], expected[row])
            assert_same(again[place], expected[row])


@pytest.mark.parametrize("name", Segmentations.of([]).arrays)
def test_arrays_that_do_not_fit_are_refused(name):
    arrays = Segmentations.of(regions()).arrays
    with pytest.raises(ValueError, match="must be"):
        Segmentations(**arrays | {name: arrays[name][:-1]})
    with pytest.raises(ValueError, match=f"{name} must be"):
        Segmentations(**arrays | {name: arrays[name].astype(np.float64)})


def test_resized_regions_cover_the_same_part_of_the_image():
    size, new = (300, 400), (75, 100)
    corners = np.array([[40, 60], [200, 40], [360, 200], [120, 260]], np.float32)
    polygon = Segmentation(polygons=(corners,))
    whole = polygon.mask(size)
    for region in (polygon, Segmentation.of_mask(whole)):
        small = region.resized(size, new)
        assert bool(small.polygons) == bool(region.polygons)
        grown = np.kron(small.mask(new), np.ones((4, 4), bool))
        assert (grown & whole).sum() / (grown | whole).sum() > 0.97


def test_a_cell_is_masked_where_most_of_its_pixels_are():
    mask = np.zeros((5, 7), bool)
    mask[0:2, 0:2] = True  # all 4 of a cell
    mask[0:1, 2:4] = True  # half of one
    mask[4, 6] = True  # the only pixel of the last one
    mask[2, 0:2] = mask[3, 0] = True  # 3 of 4
    expected = np.zeros((3, 4), bool)
    expected[0, 0] = expected[1, 0] = expected[2, 3] = True
    np.testing.assert_array_equal(shrink_mask(mask, 2), expected)
    np.testing.assert_array_equal(shrink_mask(mask, 1), mask)
