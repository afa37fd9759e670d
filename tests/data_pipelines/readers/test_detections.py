"""Boxes of a detector, from the file that published nets are compared on."""

import json

import numpy as np
import pytest

from data_pipelines.readers.detections import read_detections
from tfpose.errors import InputError

IMAGES = np.array([785, 40083, 196141, 197388])


@pytest.fixture
def published(shared_data):
    return shared_data / "formats" / "coco" / "test_coco_det_AP_H_56.json"


def test_published_file(published):
    found = read_detections(published, IMAGES)
    records = json.loads(published.read_text())
    assert len(found) == len(records) == 118
    assert found.image_ids.dtype == np.int64
    assert np.array_equal(found.boxes, [record["bbox"] for record in records])
    assert np.array_equal(found.scores, [record["score"] for record in records])
    assert found.source == (
        "118 of 118 detections with a score of at least 0 from "
        "test_coco_det_AP_H_56.json"
    )


def test_threshold_keeps_those_at_it(published):
    scores = np.array([r["score"] for r in json.loads(published.read_text())])
    threshold = float(np.sort(scores)[60])
    found = read_detections(published, IMAGES, threshold)
    assert np.array_equal(found.scores, scores[scores >= threshold])
    assert len(found) == 58 and found.source.startswith("58 of 118 detections")


def _file(tmp_path, *changes):
    record = {"image_id": 1, "category_id": 1, "bbox": [2, 3, 4, 5], "score": 0.5}
    records = [record, *({**record, **change} for change in changes)]
    records = [{k: v for k, v in r.items() if v is not ...} for r in records]
    path = tmp_path / "found.json"
    path.write_text(json.dumps(records))
    return path


def test_other_categories_are_not_people(tmp_path):
    # Nor do their images matter: they are no part of what is evaluated.
    path = _file(tmp_path, {"category_id": 3}, {"category_id": 18, "image_id": 99})
    found = read_detections(path, np.array([1]))
    assert len(found) == 1 and found.source.startswith("1 of 1 ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": 2}, "image_id 2 is not in the data set; .* same split"),
        ({"image_id": "1"}, "image_id is '1', expected an integer"),
        ({"bbox": [1, 2, 3]}, r"bbox is \[1, 2, 3\], expected four finite numbers"),
        ({"bbox": [1, 2, 3, float("inf")]}, "four finite numbers"),
        ({"bbox": [1, 2, 0, 4]}, "expected a width and height above 0"),
        ({"bbox": [1, 2, 4, -4]}, "expected a width and height above 0"),
        ({"score": None}, "score is None, expected a finite number"),
        ({"score": float("nan")}, "score is nan"),
        ({"score": ..., "bbox": ...}, "has no bbox and no score"),
    ],
)
def test_bad_records_are_named(tmp_path, change, message):
    path = _file(tmp_path, change)
    with pytest.raises(InputError, match=message) as error:
        read_detections(path, np.array([1]))
    assert str(error.value).startswith(f"{path}: record 1: ")
    assert "\n" not in str(error.value)


def test_other_files_are_refused(tmp_path, shared_data):
    labels = shared_data / "formats" / "coco" / "test_coco.json"
    with pytest.raises(InputError, match="found a dict at the top, expected a list"):
        read_detections(labels, IMAGES)
    path = _file(tmp_path)
    with pytest.raises(InputError, match="none of 1 boxes .* scores 0.6 or more"):
        read_detections(path, np.array([1]), 0.6)
    path.write_text("[]")
    with pytest.raises(InputError, match="none of 0 boxes of people among 0 records"):
        read_detections(path, np.array([1]))


def test_boxes_outside_their_image_are_left_out_and_counted(tmp_path):
    path = _file(
        tmp_path,
        {"bbox": [-4, 3, 4, 5]},
        {"bbox": [-4, 3, 4.5, 5]},
        {"bbox": [20, 3, 4, 5]},
        {"bbox": [3, 10, 4, 5]},
        {"bbox": [19, 9, 40, 50]},
    )
    found = read_detections(path, np.array([1]))
    assert len(found) == 6
    seen = found.within({1: (10, 20)})
    assert seen.boxes[:, 0].tolist() == [2, -4, 19]
    assert seen.source.endswith("; 3 wholly outside their image left out")
    assert found.within({1: (100, 200)}).source.endswith(
        "; 1 wholly outside their image left out"
    )
    with pytest.raises(InputError, match="all of them are outside"):
        found.within({1: (1, 1)})


def test_people_are_the_only_category_whatever_its_number(tmp_path):
    path = _file(tmp_path)
    records = json.loads(path.read_text())
    records[0]["category_id"] = 0.0
    path.write_text(json.dumps(records))
    assert len(read_detections(path, np.array([1]))) == 1


def test_counting_from_0_is_not_taken_for_coco(tmp_path):
    # Category 1 is a bicycle there.
    path = _file(tmp_path, {"category_id": 0})
    with pytest.raises(InputError, match="category_id 0 beside 1 others"):
        read_detections(path, np.array([1]))
