"""One real person seen twice."""

import numpy as np
import pytest

from data_pipelines.readers.datasets import load_dataset
from data_pipelines.top_down import PoseAugmentation, TopDownTraining
from data_pipelines.two_views import Changes, SideBySide, TwoViews
from tfpose.top_down.crop import invert_matrices, warp

SIZE = (96, 96)


@pytest.fixture(scope="module")
def views(shared_data):
    people = load_dataset("coco_format", shared_data / "stanford40", "val")
    return TwoViews(people, SIZE, 5, 8, 0, Changes(0.25, 30), Changes(0.25, 60))


def test_the_matrix_leads_from_one_view_to_the_other(views):
    alike = []
    for position in range(12):
        sample = views(position)
        matrix = invert_matrices(sample["hard_to_easy"][None].astype("float64"))[0]
        moved = warp(sample["easy"], matrix, SIZE)
        # Where the easy view has something; what is beyond it is black.
        shown = warp(np.full_like(sample["easy"], 255), matrix, SIZE) == 255
        pairs = np.stack([moved[shown], sample["hard"][shown]]).astype(float)
        alike.append(np.corrcoef(pairs)[0, 1])
    assert np.median(alike) > 0.9, alike


def test_hard_views_are_harder(views):
    def turns(name: str) -> np.ndarray:
        matrices = getattr(views._plans[0], name)
        linear = matrices[:, :, :2]
        angle = np.degrees(np.arctan2(linear[:, 1, 0], linear[:, 1, 1]))
        return np.abs(angle)

    assert 25 < turns("easy").max() <= 30.001
    assert 50 < turns("hard").max() <= 60.001


def test_labelled_people_go_on_beside_the_others(views, shared_data):
    people = load_dataset("coco_format", shared_data / "lspet", "val")
    labelled = TopDownTraining(
        people.select(np.arange(16)), SIZE, 8, 0, PoseAugmentation()
    )
    both = SideBySide(labelled, views)
    assert both.steps_per_epoch == views.steps_per_epoch > labelled.steps_per_epoch
    sample = both(100)
    assert set(sample) == set(both.signature)
    for name, spec in both.signature.items():
        assert sample[name].shape == spec.shape and sample[name].dtype == spec.dtype
    np.testing.assert_array_equal(sample["keypoints"], labelled(100)["keypoints"])
    assert " and " in both.sample_id(100)
