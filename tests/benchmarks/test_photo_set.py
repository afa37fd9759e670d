"""The folder that `benchmarks.photo_labels` writes is one that the reader reads."""

import json

import numpy as np
import pytest

from benchmarks.photo_set import (
    kept_for_the_test,
    lspet_labels,
    taught,
    write_split,
)
from benchmarks.teacher_rules import SKELETON
from data_pipelines.readers.datasets import load_dataset
from tfpose.errors import InputError
from tfpose.predictors import People, Predictor


class Teacher(Predictor):
    """Puts all joints into the middle of the box; fails when it has had enough."""

    wants_boxes = True
    skeleton = SKELETON

    def __init__(self, patience=10**9):
        self.seen, self.patience = 0, patience

    def predict(self, image, boxes=None):
        if self.seen == self.patience:
            raise KeyboardInterrupt
        self.seen += 1
        middle = boxes[:, None, :2] + boxes[:, None, 2:] / 2
        keypoints = np.repeat(middle, 17, axis=1).astype(np.float64)
        scores = np.full((1, 17), 0.75, np.float32)
        return People(keypoints, scores, scores.mean(axis=1), boxes)


def few(shared_data, name, count):
    people = load_dataset("coco_format", shared_data / name, "train")
    return people.select(np.arange(count))


def test_a_third_is_kept_whatever_the_order():
    ids = np.array([9, 36, 49, 61, 77, 389, 436])
    kept = kept_for_the_test(ids)
    assert kept.sum() == 2
    np.testing.assert_array_equal(kept_for_the_test(ids[::-1]), kept[::-1])


def test_a_stopped_teacher_goes_on(shared_data, tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.photo_set._SAVE_EVERY", 2)
    people, path = few(shared_data, "lspet", 5), tmp_path / "poses.npz"
    with pytest.raises(KeyboardInterrupt):
        taught(Teacher(patience=3), people, path)
    second = Teacher()
    poses = taught(second, people, path)
    assert second.seen == 3  # Two were kept.
    boxes = people.boxes.astype(np.float64)
    np.testing.assert_allclose(poses[:, 0, 0], boxes[:, 0] + boxes[:, 2] / 2)
    assert (poses[..., 2] == 0.75).all()
    third = Teacher()
    taught(third, people, path)
    assert third.seen == 0
    with pytest.raises(InputError, match="other people"):
        taught(third, few(shared_data, "lspet", 4), path)


def test_the_reader_reads_the_folder(shared_data, tmp_path):
    lspet = few(shared_data, "lspet", 3)
    actors = few(shared_data, "stanford40", 2)
    labels, done = lspet_labels(lspet, np.zeros((3, 17, 3)))
    assert set(done.values()) == {0}
    taught_labels = np.full((2, 17, 3), 2.0)
    taught_labels[:, :, 0] = 20
    taught_labels[1, 4:] = 0
    sources = {"lspet": (lspet, labels), "stanford40": (actors, taught_labels)}
    for _ in range(2):  # A second time replaces the first.
        counts = write_split(tmp_path / "train.json", sources)
    assert counts == {"lspet": 3, "stanford40": 2}
    people = load_dataset("coco_format", tmp_path, "train")
    assert people.skeleton.name == "coco17" and len(people) == 5
    for row, (source, index) in enumerate(
        [*((lspet, i) for i in range(3)), (actors, 1)]
    ):
        row += row == 3
        np.testing.assert_allclose(people.boxes[row], source.boxes[index], atol=0.011)
        ours = people.images.read(int(people.image_index[row]))
        assert ours == source.images.read(int(source.image_index[index]))
    assert people.num_labelled[3:].tolist() == [17, 4]
    ankle = lspet.keypoints[0, lspet.skeleton.index("left_ankle")]
    np.testing.assert_allclose(people.keypoints[0, 15], ankle, atol=0.01)
    # LSPET's own areas are 0.53 of the boxes; Stanford 40's are the boxes'.
    shares = people.areas / people.boxes[:, 2:].prod(axis=1)
    np.testing.assert_allclose(shares, 0.53, rtol=0.01)


def test_nothing_is_put_in_the_place_of_a_folder(shared_data, tmp_path):
    (tmp_path / "images" / "lspet").mkdir(parents=True)
    lspet = few(shared_data, "lspet", 1)
    with pytest.raises(InputError, match="images/lspet: is there"):
        write_split(tmp_path / "train.json", {"lspet": (lspet, np.zeros((1, 17, 3)))})


def test_images_without_people_are_left_out(shared_data, tmp_path):
    coco = few(shared_data, "coco", 2)
    write_split(tmp_path / "val.json", {"coco": (coco, coco.keypoints)})
    content = json.loads((tmp_path / "val.json").read_text())
    assert len(content["images"]) == len(np.unique(coco.image_index))
