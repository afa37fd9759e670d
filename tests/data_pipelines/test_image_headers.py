"""Sizes are found without reading photos, and are those of decoding."""

import cv2
import numpy as np
import pytest

from data_pipelines.image_headers import image_records, stored_jpeg_size
from data_pipelines.images import decode_image


@pytest.mark.parametrize("options", [[], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]])
def test_size_of_a_jpeg(tmp_path, options):
    path = tmp_path / "a.jpg"
    cv2.imwrite(str(path), np.zeros((31, 47, 3), np.uint8), options)
    assert stored_jpeg_size(path) == (31, 47)
    data = path.read_bytes()
    # Fill bytes before a marker are allowed; a long comment may come first.
    comment = b"\xff\xff\xff\xfe\xff\x00" + b"x" * (0xFF00 - 2)
    path.write_bytes(data[:2] + comment + data[2:])
    assert stored_jpeg_size(path) == (31, 47)
    for end in (0, 1, 3, 30, data.find(b"\xff\xc0") + 2):
        path.write_bytes(data[:end])
        assert stored_jpeg_size(path) is None or end > 100


def test_other_files_declare_no_size(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((5, 6, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "b.jpg"), np.zeros((5, 6, 3), np.uint8))
    files = [(1, "a.png"), (2, "b.jpg"), (3, "c.jpg")]
    records = image_records(files, str(tmp_path))
    assert [record["id"] for record in records] == [1, 2, 3]
    assert [record.get("height") for record in records] == [None, 5, None]
    assert [record.get("width") for record in records] == [None, 6, None]


def test_sizes_of_real_photos(shared_data):
    paths = sorted((shared_data / "formats" / "mpii").glob("*.jpg"))
    paths += sorted((shared_data / "coco" / "images").glob("*.jpg"))[:10]
    assert len(paths) >= 15
    for path in paths:
        size = stored_jpeg_size(path)
        assert decode_image(path.read_bytes(), size).shape[:2] == size
