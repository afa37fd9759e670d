"""Bad segmentations are named in the report, and their people stay."""

import json

import pytest

from data_pipelines.readers.coco_format import read_coco

SQUARE = [3, 4, 43.5, 4, 43.5, 30.25, 3, 30.25]
SIZE = [60, 80]


def read(small_set, segmentation, image_dir="images"):
    """People of whom the first has that segmentation and the second a good one."""
    path = small_set / "train.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["segmentation"] = segmentation
    content["annotations"][1]["segmentation"] = [SQUARE]
    path.write_text(json.dumps(content))
    return read_coco(path, image_dir and small_set / image_dir)


@pytest.mark.parametrize(
    ("segmentation", "reason", "detail"),
    [
        ([SQUARE[:7]], "polygon with an odd number of coordinates", "7 coordinates"),
        ([SQUARE, SQUARE[:4]], "polygon with fewer than 3 points", "2"),
        ([[]], "polygon with fewer than 3 points", "0"),
        ([[float("nan"), *SQUARE[1:]]], "polygon is not finite", None),
        ([[float("inf"), *SQUARE[1:]]], "polygon is not finite", None),
        ([[None, *SQUARE[1:]]], "polygon's coordinates are not numbers", None),
        ([["3", *SQUARE[1:]]], "polygon's coordinates are not numbers", None),
        ([[10**400, *SQUARE[1:]]], "polygon's coordinates are not numbers", None),
        ([[[3, 4], *SQUARE[1:]]], "polygon's coordinates are not numbers", None),
        ([[1e9, *SQUARE[1:]]], "polygon far outside its image", "from 3.0 to 10000"),
        (SQUARE, "neither polygons nor run lengths", "a list of int"),
        ("no", "neither polygons nor run lengths", "a str"),
        (0, "neither polygons nor run lengths", "a int"),
        ({"size": SIZE}, "run lengths without counts or size", None),
        ({"counts": [4800]}, "run lengths without counts or size", None),
        (
            {"size": [80, 60], "counts": [4800]},
            "run lengths of another size than the image",
            "[80, 60], the image [60, 80]",
        ),
        (
            {"size": SIZE, "counts": [4000]},
            "run lengths do not fill the image",
            "of 4000 pixels, the image has 4800",
        ),
        (
            {"size": SIZE, "counts": [4801, -1]},
            "run lengths are not numbers from 0",
            None,
        ),
        (
            {"size": SIZE, "counts": [4800.0]},
            "run lengths are not numbers from 0",
            None,
        ),
        ({"size": SIZE, "counts": "~~"}, "run lengths are damaged", None),
        ({"size": SIZE, "counts": "P"}, "run lengths are damaged", None),
        ({"size": SIZE, "counts": "é"}, "run lengths are damaged", None),
        (
            {"size": SIZE, "counts": "11"},
            "run lengths do not fill the image",
            "of 2 pix",
        ),
    ],
)
def test_a_bad_one_is_named_and_its_person_stays(
    small_set, segmentation, reason, detail
):
    people, report = read(small_set, segmentation)
    assert len(people) == 12
    entry = report.skipped[0]
    assert entry["record"] == "segmentation" and entry["reason"] == reason
    assert entry["id"] == people.person_ids[0] and entry["file"] == "11.jpg"
    assert entry.get("detail", "").startswith(detail or "")
    assert report.counts() == {f"segmentation: {reason}": 1}
    assert f"1 x segmentation: {reason}" in report.summary()
    assert not people.segmentations[0] and people.segmentations[1]
    # The box stands in: x from 1.25 to 61.25 px, y from 2.5 to 52.5.
    mask = people.mask(0)
    assert mask[3:52, 2:61].all() and mask.sum() == 60 * 50


@pytest.mark.parametrize("nothing", [None, [], {}])
def test_no_segmentation_is_no_fault(small_set, nothing):
    people, report = read(small_set, nothing)
    assert not report.skipped and not people.segmentations[0]


def test_a_file_without_any_has_no_column(small_set):
    people, _ = read_coco(small_set / "train.json", small_set / "images")
    assert people.segmentations is None


def test_without_a_size_there_is_no_mask(small_set):
    path = small_set / "train.json"
    content = json.loads(path.read_text())
    for image in content["images"]:
        del image["width"]
    path.write_text(json.dumps(content))
    people, report = read(small_set, [SQUARE], image_dir=None)
    assert people.segmentations is None
    assert report.notes["segmentation left out, image size unknown"] == 2
    assert not report.skipped
