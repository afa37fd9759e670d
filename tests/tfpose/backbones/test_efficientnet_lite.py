"""EfficientNet-Lite0: its authors' parameter count, strides, groups."""

import keras
import numpy as np
import pytest

from tfpose.backbones.efficientnet_lite import EfficientNetLite
from tfpose.errors import InputError

# 4,652,008 of the published classifier without its last convolution and dense layer.
PUBLISHED = 4_652_008 - (320 * 1280 + 2 * 1280) - (1280 * 1000 + 1000)


def parameters(layers) -> int:
    return sum(int(np.prod(w.shape)) for x in layers for w in x.trainable_weights)


def test_parameters_are_the_published_ones():
    net = EfficientNetLite((224, 224, 3))
    assert parameters(net.layers) == PUBLISHED
    assert net.output_shape == (None, 7, 7, 320)
    groups = net.layer_groups()
    assert list(groups) == ["stem", *(f"stage{n}" for n in range(1, 8))]
    assert sum(parameters(layers) for layers in groups.values()) == PUBLISHED
    assert all(groups.values())


def test_maps_at_all_strides():
    net = EfficientNetLite((100, 72, 6), stages=6, return_all=True)
    shapes = {name: tensor.shape[1:] for name, tensor in net.output.items()}
    assert shapes == {
        "P2": (25, 18, 24),
        "P3": (13, 9, 40),
        "P4": (7, 5, 112),
        "P5": (4, 3, 192),
    }
    assert "stage7" not in net.layer_groups()


def test_activations_end_at_six():
    net = EfficientNetLite((32, 32, 3), stages=6)
    stem = keras.Model(net.input, net.get_layer("stem_relu").output)
    image = np.full((1, 32, 32, 3), 1e6, np.float32)
    found = np.asarray(stem(image))
    assert found.min() >= 0 and found.max() == 6


def test_saved_and_loaded_it_is_the_same(tmp_path):
    net = EfficientNetLite((32, 32, 3), stages=6, return_all=True)
    net.save(tmp_path / "net.keras")
    again = keras.saving.load_model(tmp_path / "net.keras")
    image = np.random.default_rng(0).normal(size=(1, 32, 32, 3)).astype("float32")
    for name, found in net(image).items():
        np.testing.assert_array_equal(found, again(image)[name])
    assert again.get_config() == net.get_config()


def test_other_numbers_of_stages_are_refused():
    with pytest.raises(InputError, match="stages is 5, expected 6 or 7"):
        EfficientNetLite((32, 32, 3), stages=5)
