"""Which predictor a file's net gets, and that a stream is compiled."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpose.cli.models import load_predictor
from tfpose.errors import InputError
from tfpose.lifters.build import build_lifter
from tfpose.predictors import Picture
from tfpose.skeletons import get_skeleton
from tfpose.top_down.predictor import TopDownPredictor


def test_a_heatmap_net_is_a_top_down_predictor(pose_model):
    predictor = load_predictor(pose_model, flip_test=False, decoder="argmax")
    assert isinstance(predictor, TopDownPredictor) and predictor.wants_boxes
    assert predictor.settings == {
        "flip test": "no",
        "alignment": "half_pixel",
        "decoder": "argmax",
        "smoothing kernel": 5,
        "pixels averaged before strong shrinks": "yes",
    }


def test_a_net_of_another_kind_is_refused(tmp_path):
    path = str(tmp_path / "lifter.keras")
    build_lifter("martinez_small", get_skeleton("h36m16")).save(path)
    with pytest.raises(InputError, match=f"{path}: model: expected a pose net, got"):
        load_predictor(path)
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(path)
    with pytest.raises(InputError, match="expected a pose net, got a Sequential"):
        load_predictor(path)


def test_streams_are_compiled_from_the_second_batch_on(pose_model, monkeypatch):
    predictor = load_predictor(pose_model, flip_test=False)
    shapes = []
    locate = predictor.locate

    def counted(crops):
        shapes.append((tuple(crops.shape), tf.executing_eagerly()))
        return locate(crops)

    monkeypatch.setattr(predictor, "locate", counted)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (40, 70, 60, 3), dtype=np.uint8)
    found = list(
        predictor.stream(Picture(image, None, i) for i, image in enumerate(images))
    )
    # The first batch as it is; all others by one function of any number of crops.
    assert shapes == [((16, 64, 64, 3), True), ((None, 64, 64, 3), False)]
    alone = load_predictor(pose_model, flip_test=False)
    for picture, people in found[::13]:
        expected = alone.predict(images[picture.origin]).poses
        assert np.allclose(people.poses, expected, atol=1e-2)
