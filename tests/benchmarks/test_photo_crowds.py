"""Everybody on a photo is labelled or left out, and can be cut out of it."""

import cv2
import numpy as np
import pytest

from benchmarks.photo_set import found_people
from benchmarks.silhouettes import silhouette
from benchmarks.teacher_rules import SKELETON, other_people
from data_pipelines.readers.datasets import load_dataset
from tfpose.errors import InputError
from tfpose.predictors import People, Predictor
from tfpose.skeletons import convert_keypoints


def mask_of(polygons, size):
    mask = np.zeros(size, np.uint8)
    points = [np.rint(np.reshape(p, (-1, 2))).astype(int) for p in polygons]
    cv2.fillPoly(mask, points, 1)
    return mask > 0


def test_a_silhouette_holds_the_joints_and_follows_the_colours(shared_data):
    people = load_dataset("coco_format", shared_data / "lspet", "train")
    labels, _ = convert_keypoints(people.keypoints, people.skeleton, SKELETON)
    inside, found, shares = [], 0, []
    for row in range(40):
        photo = people.picture(int(people.image_index[row]))
        polygons = silhouette(photo, labels[row].astype(np.float64))
        if not polygons:
            continue
        found += 1
        mask = mask_of(polygons, photo.shape[:2])
        seen = labels[row][labels[row, :, 2] > 0]
        x, y = np.rint(seen[:, :2]).astype(int).T
        ok = (x >= 0) & (y >= 0) & (x < mask.shape[1]) & (y < mask.shape[0])
        inside += mask[y[ok], x[ok]].tolist()
        shares.append(mask.sum() / people.boxes[row, 2:].prod())
    assert found >= 20
    assert np.mean(inside) > 0.9
    # A person fills about half of the box.
    assert 0.2 < np.median(shares) < 0.8


def test_few_joints_or_no_trunk_give_no_silhouette():
    photo = np.zeros((60, 60, 3), np.uint8)
    labels = np.zeros((17, 3))
    labels[:12] = (30, 30, 2)
    assert silhouette(photo, labels) == []
    labels[:, :2] = np.random.default_rng(0).uniform(10, 50, (17, 2))
    labels[SKELETON.index("left_hip"), 2] = 0
    assert silhouette(photo, labels) == []


def person(left, top, score, joint=0.9):
    """`[18, 3]`: joints in a square of 40 pixels."""
    points = np.random.default_rng(0).uniform(0, 40, (17, 2)) + (left, top)
    joints = np.column_stack([points, np.full(17, joint)])
    return np.concatenate([joints, [[score, 0, 0]]])


def test_others_are_labelled_ignored_or_not_there():
    found = np.stack(
        [
            person(0, 0, 0.9),  # The labelled one.
            person(100, 0, 0.9),
            person(0, 100, 0.2),  # Somebody, perhaps.
            person(100, 100, 0.05),
        ]
    )
    records = other_people(found, np.array([[0, 0, 42, 42.0]]), (200, 200))
    assert [record["num_keypoints"] for record in records] == [17, 0]
    sure, unsure = records
    np.testing.assert_allclose(
        np.reshape(sure["keypoints"], (17, 3))[:, :2], found[1, :-1, :2], atol=0.01
    )
    assert not any(unsure["keypoints"])
    x, y, w, h = unsure["bbox"]
    assert 0 <= x < 10 and 90 < y < 110 and 30 < w < 60 and 30 < h < 60
    assert sure["bbox"][0] >= 90 and 0 < sure["area"] < 40 * 60


class Teacher(Predictor):
    """Finds as many people as were asked for before."""

    wants_boxes = False
    skeleton = SKELETON

    def __init__(self, seen, patience):
        self.seen, self.patience = seen, patience

    def predict(self, image, boxes=None):
        if not self.patience:
            raise KeyboardInterrupt
        self.seen, self.patience = self.seen + 1, self.patience - 1
        count = self.seen - 1
        scores = np.full((count, 17), 0.5, np.float32)
        keypoints = np.full((count, 17, 2), float(self.seen))
        return People(keypoints, scores, np.full(count, 0.25), np.zeros((count, 4)))


def test_what_was_found_is_kept(shared_data, tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.photo_set._SAVE_EVERY", 2)
    photos = sorted((shared_data / "coco" / "images").rglob("*.jpg"))[:5]
    path = tmp_path / "found.npz"
    with pytest.raises(KeyboardInterrupt):
        found_people(Teacher(0, 3), photos, path)
    second = Teacher(2, 9)
    found = found_people(second, photos, path)
    assert second.patience == 6  # Two were kept.
    assert [len(people) for people in found] == [0, 1, 2, 3, 4]
    assert (found[3][:, :-1, 0] == 4).all() and (found[3][:, -1, 0] == 0.25).all()
    again = found_people(Teacher(0, 0), photos, path)
    assert all((a == b).all() for a, b in zip(found, again, strict=True))
    with pytest.raises(InputError, match="is of other photos; delete it"):
        found_people(Teacher(0, 0), photos[:2], path)
