"""Poses of a stream: the same as picture by picture, in order, little held."""

import numpy as np
import pytest
import tensorflow as tf

from tests.tfpose.noisy_net import make_noisy_net
from tfpose.predictors import Picture
from tfpose.top_down.predictor import TopDownPredictor


def _compiled(locate, shape):
    return tf.function(locate, input_signature=[tf.TensorSpec(shape, tf.uint8)])


@pytest.fixture(scope="module")
def net():
    return make_noisy_net()


@pytest.fixture
def make(net):
    def make(batch_size=16, compiler=_compiled):
        return TopDownPredictor(
            net, flip_test=False, batch_size=batch_size, compiler=compiler
        )

    return make


def _pictures(counts):
    """Pictures of noise, with so many people each."""
    rng = np.random.default_rng(1)
    for origin, count in enumerate(counts):
        image = rng.integers(0, 255, (90, 120, 3), dtype=np.uint8)
        boxes = rng.uniform([-5, -5, 20, 20], [60, 40, 70, 60], (count, 4))
        yield Picture(image, boxes, origin)


def test_batches_go_across_pictures_and_change_nothing(make, monkeypatch) -> None:
    predictor = make(batch_size=4)
    counts = [1, 0, 2, 6, 0, 1]
    sizes = []
    locate = predictor.locate

    def counted(crops):
        sizes.append(crops.shape[0])
        return locate(crops)

    monkeypatch.setattr(predictor, "locate", counted)
    found = list(predictor.stream(_pictures(counts)))
    # Whole batches, then the rest; the second is traced with an unknown size.
    assert sizes == [4, None]
    assert [picture.origin for picture, _ in found] == list(range(len(counts)))
    monkeypatch.undo()
    for picture, people in found:
        assert people.poses.shape == (len(picture.boxes), 14, 3)
        if len(picture.boxes):
            alone = make(compiler=None).predict(picture.image, picture.boxes)
            assert np.allclose(people.keypoints, alone.keypoints, atol=1e-2)
            assert np.allclose(people.joint_scores, alone.joint_scores, atol=1e-4)


def test_one_batch_is_not_compiled(make, monkeypatch) -> None:
    predictor = make()
    shapes = []
    locate = predictor.locate

    def counted(crops):
        shapes.append(crops.shape)
        return locate(crops)

    monkeypatch.setattr(predictor, "locate", counted)
    found = list(predictor.stream(_pictures([2, 1])))
    assert shapes == [(3, 64, 64, 3)] and len(found) == 2


@pytest.mark.parametrize("people", [0, 1, 3])
def test_few_pictures_are_held(people, make, monkeypatch) -> None:
    """However long the stream: no more than a batch's worth is read ahead."""
    predictor = make(batch_size=8, compiler=None)

    def nothing(crops):
        return np.zeros((len(crops), 14, 2)), np.zeros((len(crops), 14))

    monkeypatch.setattr(predictor, "locate", nothing)
    read = []

    def stream():
        for picture in _pictures([people] * 60):
            read.append(picture.origin)
            yield picture

    ahead = [len(read) - picture.origin for picture, _ in predictor.stream(stream())]
    assert len(ahead) == 60 and max(ahead) <= 8
