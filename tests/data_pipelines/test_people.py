"""The person table refuses columns that do not fit, and selects rows."""

from dataclasses import replace

import numpy as np
import pytest

from data_pipelines.images import FileImages
from data_pipelines.people import OPTIONAL_COLUMNS, PoseDataset
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
