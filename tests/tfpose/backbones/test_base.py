"""The maps of every backbone at all strides, without a change to the main one."""

import keras
import numpy as np
import pytest

from tfpose.backbones.base import Backbone
from tfpose.backbones.hrnet import HRNet
from tfpose.backbones.pixels import Pixels
from tfpose.backbones.resnet import ResNet

SIZE = (100, 70)


def tiny_hrnet(**options) -> HRNet:
    return HRNet((*SIZE, 3), 8, 8, (1, 1, 1), 1, 1, "he_normal", **options)


def image() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, *SIZE, 3)).astype("float32")


def pyramid(net) -> dict[str, np.ndarray]:
    maps = keras.Model(net.inputs, net.pyramid_outputs)(image())
    return {name: np.asarray(value) for name, value in maps.items()}


@pytest.mark.parametrize(
    ("make", "channels"),
    [
        (lambda: ResNet((*SIZE, 3), 18, 4), {"P2": 4, "P3": 8, "P4": 16, "P5": 32}),
        (lambda: ResNet((*SIZE, 3), 50, 4), {"P2": 16, "P3": 32, "P4": 64, "P5": 128}),
        (tiny_hrnet, {"P2": 8}),
        (
            lambda: tiny_hrnet(return_all=True),
            {"P2": 8, "P3": 16, "P4": 32, "P5": 64},
        ),
        (lambda: HRNet((*SIZE, 3), 8, 8, (), 1, 1), {"P2": 32}),
        (lambda: Pixels((*SIZE, 3)), {"P0": 3}),
    ],
)
def test_all_strides_are_there(make, channels):
    net = make()
    maps = pyramid(net)
    assert list(net.pyramid_outputs) == list(maps) == list(channels)
    for name, value in maps.items():
        stride = 2 ** int(name[1:])
        rows, columns = (-(-side // stride) for side in SIZE)
        assert value.shape == (2, rows, columns, channels[name])
    main = maps[f"P{net.stride.bit_length() - 1}"]
    found = net(image())
    found = found["P2"] if isinstance(found, dict) else found
    np.testing.assert_array_equal(found, main)


def test_hrnets_other_branches_come_on_top():
    """The same layers, names and first map; the others only when asked for."""
    plain, whole = tiny_hrnet(), tiny_hrnet(return_all=True)
    names = [layer.name for layer in plain.layers]
    more = {layer.name for layer in whole.layers} - set(names)
    assert set(names) < {layer.name for layer in whole.layers}
    assert all(name.startswith("stage4_module0_fuse") for name in more)
    assert not any(name.startswith("stage4_module0_fuse0_") for name in more)
    for layer in plain.layers:
        whole.get_layer(layer.name).set_weights(layer.get_weights())
    np.testing.assert_array_equal(whole(image())["P2"], plain(image()))
    groups, expected = whole.layer_groups(), plain.layer_groups()
    assert groups.keys() == expected.keys()
    for group, layers in expected.items():
        assert {x.name for x in groups[group]} == {x.name for x in layers}


def test_each_of_hrnets_branches_has_its_own_part_in_every_map():
    net = tiny_hrnet(return_all=True)
    before = pyramid(net)
    for to in range(4):
        for source in set(range(4)) - {to}:
            # The last of a chain of convolutions downwards, the only one upwards.
            step = to - source - 1 if source < to else ""
            layer = net.get_layer(f"stage4_module0_fuse{to}_from{source}_conv{step}")
            weights = layer.get_weights()
            layer.set_weights([0 * weights[0]])
            after = pyramid(net)
            changed = {n for n in before if not np.allclose(before[n], after[n])}
            assert changed == {f"P{to + 2}"}
            layer.set_weights(weights)


@pytest.mark.parametrize("return_all", [False, True])
def test_a_saved_file_has_return_all(tmp_path, return_all):
    net = tiny_hrnet(return_all=return_all, name="mine")
    net.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    assert type(loaded) is HRNet and loaded.get_config() == net.get_config()
    assert len(loaded.weights) == len(net.weights)
    found, expected = pyramid(loaded), pyramid(net)
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name])


def test_every_backbones_file_has_return_all(tmp_path):
    net = ResNet((64, 32, 3), 18, width=4, return_all=True)
    net.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    assert loaded.output.keys() == {"P2", "P3", "P4", "P5"}
    assert loaded.get_config() == net.get_config()


def test_layers_are_one_group_unless_a_subclass_knows_better():
    class Plain(Backbone):
        stride = 1

    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 1, name="conv")(inputs)
    policy = keras.DTypePolicy("float32")
    net = Plain(inputs, {"P0": keras.layers.ReLU()(x)}, policy, "plain")
    groups = net.layer_groups()
    assert list(groups) == ["backbone"]
    assert [layer.name for layer in groups["backbone"]] == ["conv"]
