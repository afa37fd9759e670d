"""Crops of photos do not depend on how much memory there is for them."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from data_pipelines.decoded import DecodedImages
from tfpose.errors import InputError
from tfpose.top_down.crop import region_matrices

SIZE = (16, 12)


@pytest.fixture
def people(people_on):
    rng = np.random.default_rng(0)
    return people_on(
        [rng.integers(0, 256, (40, 30 + row, 3), dtype=np.uint8) for row in range(5)]
    )


def _crops(images, scale):
    matrix = region_matrices([[15, 20]], [[12 * scale, 16 * scale]], SIZE)[0]
    return [images.crop(row, matrix, SIZE) for row in range(5)]


@pytest.mark.parametrize("scale", [0.5, 1, 2.5])
def test_budget_changes_no_pixel(people, scale):
    expected = _crops(DecodedImages(people), scale)
    for megabytes in (0.005, 1):
        images = DecodedImages(people, megabytes)
        for _ in range(2):
            for crop, other in zip(_crops(images, scale), expected, strict=True):
                assert (crop == other).all()


def test_photos_used_last_are_kept(people):
    reads = []
    read = people.images.read
    people.images.read = lambda row: reads.append(row) or read(row)
    matrix = region_matrices([[15, 20]], [[12, 16]], SIZE)[0]
    # The photos have 3,600, 3,720, 3,840, ... bytes: two fit.
    images = DecodedImages(people, 7700 / 2**20)
    for row in (0, 1, 0, 2, 0, 1, 2):
        images.crop(row, matrix, SIZE)
    assert reads == [0, 1, 2, 1, 2]


def test_what_fits_is_decoded_once(people):
    reads = []
    read = people.images.read
    people.images.read = lambda row: reads.append(row) or read(row)
    images = DecodedImages(people, 1)
    for _ in range(2):
        _crops(images, 1)
    assert reads == [0, 1, 2, 3, 4]


def test_many_threads_keep_to_the_budget(people):
    images = DecodedImages(people, 1)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: _crops(images, 1), range(16)))
    assert all((a == b).all() for f in found for a, b in zip(f, found[0], strict=True))
    total = sum(int(np.prod(size)) * 3 for size in people.image_sizes)
    assert images._left == 2**20 - total


def test_a_file_that_broke_is_named(people, tmp_path):
    (tmp_path / "3.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"3\.png: .*data_pipelines.prepare"):
        _crops(DecodedImages(people), 1)
