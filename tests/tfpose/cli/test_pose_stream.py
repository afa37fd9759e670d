"""Poses of a stream: the same as picture by picture, in order, little held."""

import numpy as np
import pytest

from tfpose.cli.pose_stream import Picture, PoseStream
from tfpose.top_down.estimator import PoseEstimator


@pytest.fixture
def estimator(pose_net):
    return PoseEstimator(pose_net, flip_test=False)


def _pictures(counts):
    """Pictures of noise, with so many people each."""
    rng = np.random.default_rng(1)
    for origin, count in enumerate(counts):
        image = rng.integers(0, 255, (90, 120, 3), dtype=np.uint8)
        boxes = rng.uniform([-5, -5, 20, 20], [60, 40, 70, 60], (count, 4))
        yield Picture(image, boxes, origin)


def test_batches_go_across_pictures_and_change_nothing(estimator, monkeypatch) -> None:
    counts = [1, 0, 2, 6, 0, 1]
    sizes = []
    locate = estimator.locate

    def counted(crops):
        sizes.append(crops.shape[0])
        return locate(crops)

    monkeypatch.setattr(estimator, "locate", counted)
    found = list(PoseStream(estimator, batch_size=4).run(_pictures(counts)))
    # Whole batches, then the rest; the second is traced with an unknown size.
    assert sizes == [4, None]
    assert [picture.origin for picture, _ in found] == list(range(len(counts)))
    monkeypatch.undo()
    for picture, poses in found:
        assert poses.shape == (len(picture.boxes), 14, 3)
        if len(picture.boxes):
            keypoints, scores = estimator.estimate(picture.image, picture.boxes)
            assert np.allclose(poses[..., :2], keypoints, atol=1e-2)
            assert np.allclose(poses[..., 2], scores, atol=1e-4)


def test_one_batch_is_not_compiled(estimator, monkeypatch) -> None:
    shapes = []
    locate = estimator.locate

    def counted(crops):
        shapes.append(crops.shape)
        return locate(crops)

    monkeypatch.setattr(estimator, "locate", counted)
    found = list(PoseStream(estimator).run(_pictures([2, 1])))
    assert shapes == [(3, 64, 64, 3)] and len(found) == 2


@pytest.mark.parametrize("people", [0, 1, 3])
def test_few_pictures_are_held(people, estimator, monkeypatch) -> None:
    """However long the stream: no more than a batch's worth is read ahead."""

    def nothing(crops):
        return np.zeros((len(crops), 14, 2)), np.zeros((len(crops), 14))

    monkeypatch.setattr(estimator, "locate", nothing)
    monkeypatch.setattr("tensorflow.function", lambda function, **_: function)
    read = []

    def stream():
        for picture in _pictures([people] * 60):
            read.append(picture.origin)
            yield picture

    ahead = [
        len(read) - picture.origin
        for picture, _ in PoseStream(estimator, batch_size=8).run(stream())
    ]
    assert len(ahead) == 60 and max(ahead) <= 8
