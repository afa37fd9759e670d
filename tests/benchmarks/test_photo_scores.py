"""Nets of different joints are scored on the twelve that they share."""

import dataclasses

import numpy as np
import pytest

from benchmarks.photo_scores import LIMBS, average_precision, on_limbs, pck_by_pose
from data_pipelines.readers.datasets import load_dataset
from tfpose.errors import InputError
from tfpose.predictors import People, Predictor
from tfpose.skeletons import convert_keypoints, get_skeleton


class Knowing(Predictor):
    """Says what is labelled of one person, in the joints that it has."""

    def __init__(self, people, skeleton, wants_boxes=True):
        labels, _ = convert_keypoints(people.keypoints, people.skeleton, skeleton)
        self.boxes, self.labels = people.boxes, labels
        self.skeleton, self.wants_boxes = skeleton, wants_boxes

    def predict(self, image, boxes=None):
        wanted = self.boxes if boxes is None else boxes
        rows = [int(np.abs(self.boxes - box).sum(axis=1).argmin()) for box in wanted]
        scores = np.full((len(rows), self.skeleton.num_joints), 0.9, np.float32)
        points = self.labels[rows, :, :2].astype(np.float64)
        return People(points, scores, scores.mean(axis=1), wanted)


@pytest.fixture
def photo(shared_data):
    """The people of one photo of COCO."""
    people = load_dataset("coco_format", shared_data / "coco", "train")
    labelled = np.bincount(people.image_index, people.num_labelled >= 10)
    row = int(np.flatnonzero(labelled == 2)[0])
    one = people.select(people.people_of(row))
    return dataclasses.replace(
        one,
        images=type(people.images)([people.images.describe(row)]),
        image_ids=people.image_ids[[row]],
        image_sizes=people.image_sizes[[row]],
        image_index=np.zeros(len(one), np.int32),
    )


@pytest.mark.parametrize("name", ["coco17", "lsp14"])
@pytest.mark.parametrize("wants_boxes", [True, False])
def test_who_knows_all_has_all(photo, name, wants_boxes):
    net = Knowing(photo, get_skeleton(name), wants_boxes)
    assert average_precision(net, photo) == pytest.approx(1)
    if wants_boxes:
        assert pck_by_pose(net, photo)[0] == 1


def test_faces_do_not_count(photo):
    net = Knowing(photo, get_skeleton("coco17"))
    net.labels = net.labels.copy()
    net.labels[:, :5] += 1000
    assert average_precision(net, photo) == pytest.approx(1)
    net.labels[:, 5:] += 1000
    assert average_precision(net, photo) == 0 == pck_by_pose(net, photo)[0]


def test_a_net_without_limbs_is_refused():
    faces = get_skeleton("crowdpose14")
    assert on_limbs(np.zeros((1, 14, 2)), faces).shape == (1, LIMBS.num_joints, 2)
    half = dataclasses.replace(
        faces,
        name="heads",
        joints=faces.joints[-2:],
        limbs=(),
        sigmas=None,
        sigmas_source="",
    )
    with pytest.raises(InputError, match="'heads' has no left_shoulder"):
        on_limbs(np.zeros((1, 2, 2)), half)
