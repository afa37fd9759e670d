"""What every predictor promises, and how it is asked."""

import numpy as np
import pytest

from tfpose.errors import InputError
from tfpose.predictors import People, Picture, Predictor
from tfpose.skeletons import Skeleton


class Centres(Predictor):
    """One joint in the middle of each box, or of the picture's brightest pixel."""

    skeleton = Skeleton("one", ("middle",))

    def __init__(self, wants_boxes: bool) -> None:
        self.wants_boxes = wants_boxes

    def predict(self, image: np.ndarray, boxes: np.ndarray | None = None) -> People:
        boxes = self.usable_boxes(image, boxes)
        if boxes is None:
            row, column = np.unravel_index(image.sum(-1).argmax(), image.shape[:2])
            boxes = np.array([[column - 0.5, row - 0.5, 1, 1]])
        ones = np.ones((len(boxes), 1))
        middles = boxes[:, None, :2] + boxes[:, None, 2:] / 2
        return People(middles, ones.astype(np.float32), ones[:, 0], boxes)


def _picture(row: int, column: int) -> np.ndarray:
    image = np.zeros((40, 60, 3), np.uint8)
    image[row, column] = 255
    return image


def test_without_boxes_one_person_fills_the_picture():
    people = Centres(wants_boxes=True).predict(_picture(3, 4))
    assert people.boxes.tolist() == [[0, 0, 60, 40]]
    assert people.poses.tolist() == [[[30, 20, 1]]]


def test_one_person_for_each_box():
    boxes = np.array([[0, 0, 10, 10], [20, 10, 10, 20]])
    people = Centres(wants_boxes=True).predict(_picture(3, 4), boxes)
    assert people.keypoints[:, 0].tolist() == [[5, 5], [25, 20]]
    assert len(Centres(True).predict(_picture(3, 4), np.zeros((0, 4)))) == 0


def test_boxes_are_refused_where_none_are_wanted():
    predictor = Centres(wants_boxes=False)
    assert predictor.predict(_picture(3, 4)).poses.tolist() == [[[4, 3, 1]]]
    for boxes in (np.zeros((0, 4)), np.array([[0, 0, 5, 5]])):
        with pytest.raises(InputError, match="finds people by itself, expected none"):
            predictor.predict(_picture(3, 4), boxes)


@pytest.mark.parametrize("wants_boxes", [True, False])
def test_what_is_no_picture_is_refused(wants_boxes):
    for image in (np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3), np.float32)):
        with pytest.raises(InputError, match="image: expected uint8"):
            Centres(wants_boxes).predict(image)


def test_a_stream_is_picture_by_picture_in_order():
    read = []

    def pictures():
        for row in range(5):
            read.append(row)
            yield Picture(_picture(row, 7), None, row)

    stream = Centres(wants_boxes=False).stream(pictures())
    for row, (picture, people) in enumerate(stream):
        assert picture.origin == row and people.poses.tolist() == [[[7, row, 1]]]
        # Nothing is read ahead of what was asked for.
        assert read == list(range(row + 1))


def test_people_of_other_numbers_are_a_mistake():
    with pytest.raises(ValueError, match=r"boxes must be \(2, 4\)"):
        People(np.zeros((2, 3, 2)), np.zeros((2, 3)), np.zeros(2), np.zeros((1, 4)))


def test_a_picture_that_was_not_read():
    with pytest.raises(InputError, match="image: found None, as of a file"):
        Centres(wants_boxes=True).predict(None)


@pytest.mark.parametrize("shape", [(4,), (4, 5), (5, 4, 1), (2, 2), ()])
def test_boxes_are_not_reshaped(shape):
    # Four boxes of five columns have the numbers of five boxes.
    with pytest.raises(InputError, match=r"expected \[people, 4\] of x, y, w, h, got"):
        Centres(wants_boxes=True).predict(_picture(3, 4), np.ones(shape))
    assert len(Centres(wants_boxes=True).predict(_picture(3, 4), [])) == 0
