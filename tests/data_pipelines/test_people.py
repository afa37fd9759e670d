"""The person table: columns that fit, rows, people and ignored pixels of an image."""

from dataclasses import replace

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from data_pipelines.images import FileImages
from data_pipelines.people import OPTIONAL_COLUMNS, PoseDataset
from data_pipelines.readers.coco_format import read_coco
from tfpose.skeletons import get_skeleton


@pytest.fixture
def people() -> PoseDataset:
    keypoints = np.zeros((3, 14, 3), np.float32)
    keypoints[1, :5, 2] = 2
    return PoseDataset(
        name="three",
        skeleton=get_skeleton("lsp14"),
        images=FileImages(["a.jpg", "b.jpg"]),
        image_ids=np.array([7, 8], np.int64),
        image_sizes=np.array([[10, 20], [30, 40]], np.int32),
        image_index=np.array([0, 1, 1], np.int32),
        person_ids=np.array([1, 2, 3], np.int64),
        boxes=np.ones((3, 4), np.float32),
        keypoints=keypoints,
        areas=np.ones(3, np.float32),
        crowd=np.zeros(3, np.bool_),
    )


def test_select_by_index_and_by_mask(people):
    assert len(people) == 3
    np.testing.assert_array_equal(people.num_labelled, [0, 5, 0])
    chosen = people.select(np.array([2, 0]))
    np.testing.assert_array_equal(chosen.person_ids, [3, 1])
    np.testing.assert_array_equal(chosen.image_index, [1, 0])
    assert len(chosen.image_ids) == 2 and chosen.images is people.images
    np.testing.assert_array_equal(
        people.select(people.num_labelled > 0).person_ids, [2]
    )
    assert len(people.select([])) == 0


@pytest.mark.parametrize("name", OPTIONAL_COLUMNS)
def test_optional_columns_are_there_or_not(people, name):
    assert getattr(people, name) is None and name not in people.columns
    assert getattr(people.select([1]), name) is None
    values = np.array([20, np.nan, 30], np.float32)
    values = np.broadcast_to(values, OPTIONAL_COLUMNS[name][::-1] + (3,)).T
    more = replace(people, **{name: values})
    assert list(more.columns) == [*people.columns, name]
    np.testing.assert_array_equal(more.select([2, 1]).columns[name], values[[2, 1]])
    for wrong, message in ((values.astype(float), "float32"), (values[:2], "2 rows")):
        with pytest.raises(ValueError, match=f"{name} .*{message}"):
            replace(people, **{name: wrong})


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("boxes", np.ones((3, 4)), "float32"),
        ("boxes", np.ones(3, np.float32), "rank 2"),
        ("crowd", np.zeros(2, np.bool_), "crowd has 2 rows, not 3"),
        ("keypoints", np.zeros((3, 17, 3), np.float32), "lsp14"),
        ("images", FileImages(["a.jpg"]), "1 images in store"),
    ],
)
def test_columns_that_do_not_fit(people, column, value, message):
    with pytest.raises(ValueError, match=message):
        replace(people, **{column: value})


def official_mask(coco, image_id):
    """HigherHRNet's `get_mask` (its CocoKeypoints dataset), as its code has it."""
    image = coco.loadImgs(image_id)[0]
    height, width = image["height"], image["width"]
    ignored = np.zeros((height, width))
    for note in coco.imgToAnns[image_id]:
        if note["iscrowd"]:
            rle = coco_mask.frPyObjects(note["segmentation"], height, width)
            ignored += coco_mask.decode(rle)
        elif note["num_keypoints"] == 0:
            for rle in coco_mask.frPyObjects(note["segmentation"], height, width):
                ignored += coco_mask.decode(rle)
    return ignored < 0.5


def test_what_losses_ignore_is_the_official_codes(shared_data, capsys):
    folder = shared_data / "coco"
    people, _ = read_coco(folder / "train.json", folder / "images")
    coco = COCO(str(folder / "train.json"))
    capsys.readouterr()
    compared, crowds, unlabelled = 0, 0, 0
    for image_row, rows in people.each_image():
        bare = ~people.crowd[rows] & (people.num_labelled[rows] == 0)
        crowds += people.crowd[rows].any()
        unlabelled += bare.any()
        expected = ~official_mask(coco, int(people.image_ids[image_row]))
        found = people.ignore_mask(image_row)
        assert found.shape == tuple(people.image_sizes[image_row])
        np.testing.assert_array_equal(found, expected)
        small = people.ignore_mask(image_row, stride=4)
        assert small.shape == tuple(-(-people.image_sizes[image_row] // 4))
        assert abs(small.mean() - found.mean()) < 0.01
        compared += 1
    assert compared == 138 and crowds == 8 and unlabelled == 19


def test_people_without_regions_stand_in_with_their_boxes(shared_data):
    """CrowdPose has no segmentations; one of its people here has no joints."""
    folder = shared_data / "formats" / "crowdpose"
    people, _ = read_coco(folder / "test_crowdpose.json", folder)
    assert people.segmentations is None
    bare = int(np.flatnonzero(people.num_labelled == 0)[0])
    image_row = int(people.image_index[bare])
    left, top, width, height = people.boxes[bare]
    rows = np.arange(people.image_sizes[image_row, 0])[:, None] + 0.5
    columns = np.arange(people.image_sizes[image_row, 1]) + 0.5
    inside = (rows >= top) & (rows < top + height)
    inside = inside & (columns >= left) & (columns < left + width)
    assert 900 < inside.sum() < 1200
    np.testing.assert_array_equal(people.ignore_mask(image_row), inside)
    assert not people.ignore_mask(1 - image_row).any()


def test_all_people_of_an_image_are_given_together(shared_data, people):
    assert [rows.tolist() for _, rows in people.each_image()] == [[0], [1, 2]]
    shuffled = people.select(np.array([2, 0, 1]))
    assert [rows.tolist() for _, rows in shuffled.each_image()] == [[1], [0, 2]]
    alone = people.select(people.image_index == 1)
    assert [rows.tolist() for _, rows in alone.each_image()] == [[], [0, 1]]
    folder = shared_data / "coco"
    people, _ = read_coco(folder / "train.json", folder / "images")
    seen = []
    for image_row, rows in people.each_image():
        expected = np.flatnonzero(people.image_index == image_row)
        np.testing.assert_array_equal(rows, expected)
        seen += rows.tolist()
    assert sorted(seen) == list(range(len(people)))


def test_selecting_takes_the_regions_along(shared_data):
    folder = shared_data / "coco"
    people, _ = read_coco(folder / "train.json", folder / "images")
    for rows in (people.crowd, np.array([9, 3, 200])):
        chosen = people.select(rows)
        for place, row in enumerate(np.arange(len(people))[rows]):
            np.testing.assert_array_equal(chosen.mask(place), people.mask(row))
    with pytest.raises(ValueError, match="segmentations has 8 rows, not 477"):
        few = people.select(people.crowd).segmentations
        replace(people, segmentations=few)
