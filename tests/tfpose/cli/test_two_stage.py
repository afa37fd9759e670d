"""People found by one predictor, and looked at again by another in their boxes."""

import numpy as np
import pytest

from tfpose.cli.two_stage import TwoStagePredictor
from tfpose.errors import InputError
from tfpose.predictors import People, Picture, Predictor
from tfpose.skeletons import Skeleton

SKELETON = Skeleton("corners", ("first", "second"))


class Finder(Predictor):
    """Finds the same people in every picture."""

    wants_boxes, skeleton, person_threshold = False, SKELETON, 0.1

    def __init__(self, boxes, scores) -> None:
        self.boxes = np.asarray(boxes, float).reshape(-1, 4)
        self.scores = np.asarray(scores, float)
        self.calls = 0

    def predict(self, image: np.ndarray, boxes: np.ndarray | None = None) -> People:
        assert self.usable_boxes(image, boxes) is None
        self.calls += 1
        count = len(self.boxes)
        return People(
            np.zeros((count, 2, 2)), np.ones((count, 2), "f4"), self.scores, self.boxes
        )


class Corners(Predictor):
    """A box's corners; the larger the box, the higher the score."""

    wants_boxes, skeleton, score_threshold = True, SKELETON, 0.7

    def predict(self, image: np.ndarray, boxes: np.ndarray | None = None) -> People:
        boxes = self.usable_boxes(image, boxes)
        corners = np.stack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
        scores = boxes[:, 2] / 100
        return People(
            corners, np.repeat(scores[:, None], 2, 1).astype("f4"), scores, boxes
        )


IMAGE = np.zeros((100, 200, 3), np.uint8)


def found(boxes, scores) -> People:
    return TwoStagePredictor(Finder(boxes, scores), Corners()).predict(IMAGE)


def test_each_person_is_looked_at_in_a_box_around_the_joints():
    people = found([[40, 20, 80, 40]], [0.5])
    np.testing.assert_allclose(people.boxes, [[30, 15, 100, 50]])
    np.testing.assert_allclose(people.keypoints, [[[30, 15], [130, 65]]])
    assert people.person_scores.tolist() == [1.0]


def test_boxes_end_where_the_picture_does():
    people = found([[-20, 60, 80, 80], [300, 0, 10, 10]], [0.5, 0.5])
    np.testing.assert_allclose(people.boxes, [[0, 50, 70, 50]])


def test_whom_the_finder_is_not_sure_of_is_left_out():
    people = found([[0, 0, 40, 40], [100, 0, 40, 40]], [0.1, 0.2])
    assert people.boxes[:, 0].tolist() == [95]
    assert len(found([], [])) == 0


def test_of_poses_on_each_other_the_surer_one_is_kept():
    boxes = [[20, 20, 40, 40], [20, 20, 42, 40], [120, 20, 40, 40]]
    people = found(boxes, [0.9, 0.5, 0.5])
    assert sorted(people.person_scores.round(3)) == [0.5, 0.525]


def test_a_stream_gives_the_pictures_back_in_order():
    predictor = TwoStagePredictor(Finder([[0, 0, 40, 40]], [0.5]), Corners())
    pictures = [Picture(IMAGE, None, name) for name in "abc"]
    out = list(predictor.stream(pictures))
    assert [picture.origin for picture, _ in out] == ["a", "b", "c"]
    assert all(picture.boxes is None for picture, _ in out)
    assert all(len(people) == 1 for _, people in out)


def test_it_promises_what_its_parts_do():
    predictor = TwoStagePredictor(Finder([], []), Corners())
    assert predictor.score_threshold == 0.7 and predictor.skeleton is SKELETON
    assert not predictor.wants_boxes
    with pytest.raises(InputError, match="finds people by itself, expected none"):
        predictor.predict(IMAGE, np.array([[0, 0, 5, 5]]))
