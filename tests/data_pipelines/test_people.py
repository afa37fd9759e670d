"""The person table refuses columns that do not fit, and selects rows."""

from dataclasses import replace

import numpy as np
import pytest

from data_pipelines.images import FileImages
from data_pipelines.people import PoseDataset
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


def test_head_sizes_are_there_or_not(people):
    assert people.head_sizes is None and "head_sizes" not in people.columns
    assert people.select([1]).head_sizes is None
    sizes = np.array([20, np.nan, 30], np.float32)
    measured = replace(people, head_sizes=sizes)
    assert list(measured.columns) == [*people.columns, "head_sizes"]
    np.testing.assert_array_equal(measured.select([2, 1]).head_sizes, [30, np.nan])
    for wrong, message in ((sizes.astype(float), "float32"), (sizes[:2], "2 rows")):
        with pytest.raises(ValueError, match=f"head_sizes .*{message}"):
            replace(people, head_sizes=wrong)


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
