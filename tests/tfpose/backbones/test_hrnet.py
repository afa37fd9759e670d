"""HRNet: the official net's size part by part, any input size, files, XLA."""

import collections

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpose.backbones.hrnet import HRNet


def parameters(layers) -> int:
    return sum(int(np.prod(w.shape)) for x in layers for w in x.trainable_weights)


def tiny(size=(64, 64), channels=3, **kwargs) -> HRNet:
    return HRNet((*size, channels), 8, 8, (1, 1, 1), 1, 1, "he_normal", **kwargs)


def part_sums(net) -> dict[str, int]:
    sums = collections.Counter()
    for layer in net.layers:
        sums[layer.name.split("_")[0]] += parameters([layer])
    return sums


@pytest.mark.parametrize("return_all", [False, True])
def test_one_net_for_any_size_is_the_net_of_that_size(return_all):
    rng = np.random.default_rng(0)
    free = tiny((None, None), return_all=return_all)
    for size in ((64, 96), (32, 32)):
        fixed = tiny(size, return_all=return_all)
        fixed.set_weights(free.get_weights())
        image = rng.normal(size=(1, *size, 3)).astype(np.float32)
        found, expected = free(image), fixed(image)
        for one, other in zip(
            keras.tree.flatten(found), keras.tree.flatten(expected), strict=True
        ):
            assert np.allclose(one, other, atol=1e-5)


@pytest.fixture(scope="module")
def w32() -> HRNet:
    return HRNet((256, 192, 3))


def test_w32_has_the_official_parts(w32):
    sums = part_sums(w32)
    assert sums["stem"] + sums["stage1"] == 325_056
    assert [sums[f"transition{i}"] for i in (1, 2, 3)] == [221_376, 73_984, 295_424]
    assert [sums[f"stage{i}"] for i in (2, 3, 4)] == [390_848, 6_821_632, 20_407_232]
    assert w32.output_shape == (None, 64, 48, 32)
    convolutions = [x for x in w32.layers if isinstance(x, keras.layers.Conv2D)]
    assert len(convolutions) == 292
    assert not any(layer.use_bias for layer in convolutions)


def test_w32_starts_as_the_official_code_does(w32):
    kernel = w32.get_layer("stage4_module1_branch3_block2_conv1").kernel.numpy()
    assert kernel.std() == pytest.approx(0.001, rel=0.01)
    assert kernel.mean() == pytest.approx(0, abs=1e-5)
    norms = [x for x in w32.layers if isinstance(x, keras.layers.BatchNormalization)]
    assert {(x.momentum, x.epsilon) for x in norms} == {(0.9, 1e-5)}


def test_groups_hold_all_but_the_last_exchange(w32):
    groups = w32.layer_groups()
    assert {name: parameters(layers) for name, layers in groups.items()} == {
        "stem": 38_848,
        "stage1": 286_208 + 221_376,
        "stage2": 390_848 + 73_984,
        "stage3": 6_821_632 + 295_424,
        # The last exchange: 1x1 convolutions from 64, 128 and 256 to 32 channels.
        "stage4": 20_407_232 - (64 + 128 + 256) * 32 - 3 * 2 * 32,
    }
    grouped = {layer.name for layers in groups.values() for layer in layers}
    rest = [x.name for x in w32.layers if x.name not in grouped]
    assert rest[0] == "image"
    assert all(name.startswith("stage4_module2_fuse0_") for name in rest[1:])


@pytest.mark.slow
def test_w48_has_the_official_parts():
    sums = part_sums(HRNet((256, 192, 3), width=48))
    assert sums["stem"] + sums["stage1"] == 325_056
    assert [sums[f"transition{i}"] for i in (1, 2, 3)] == [332_064, 166_272, 664_320]
    assert [sums[f"stage{i}"] for i in (2, 3, 4)] == [878_112, 15_335_040, 45_894_048]


@pytest.mark.parametrize("size,expected", [((100, 70), (25, 18)), ((33, 47), (9, 12))])
def test_any_size_gives_the_rounded_up_quarter(size, expected):
    net = tiny(size)
    assert net.output_shape == (None, *expected, 8)
    image = np.random.default_rng(0).normal(size=(1, *size, 3)).astype("float32")
    assert np.isfinite(net(image)).all()


def test_branches_reach_the_output():
    """Zeroing what comes from any branch changes the output."""
    net = tiny()
    image = np.random.default_rng(0).normal(size=(1, 64, 64, 3)).astype("float32")
    before = net(image).numpy()
    for branch in (1, 2, 3):
        layer = net.get_layer(f"stage4_module0_fuse0_from{branch}_conv")
        weights = layer.get_weights()
        layer.set_weights([0 * weights[0]])
        assert not np.allclose(net(image), before)
        layer.set_weights(weights)


def test_saved_file_loads_with_the_same_output(tmp_path):
    net = tiny(channels=6, dtype="mixed_bfloat16", name="mine")
    net.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    image = np.random.default_rng(0).normal(size=(1, 64, 64, 6)).astype("float32")
    assert type(loaded) is HRNet
    assert loaded.get_config() == net.get_config()
    assert loaded(image).dtype == tf.bfloat16
    np.testing.assert_array_equal(loaded(image), net(image))


@pytest.mark.slow
def test_gradient_compiles_with_xla():
    net = tiny((32, 32))
    image = tf.constant(
        np.random.default_rng(0).normal(size=(2, 32, 32, 3)), tf.float32
    )

    def gradients():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(net(image, training=False) ** 2)
        return tape.gradient(loss, net.trainable_weights)

    compiled = tf.function(gradients, jit_compile=True)()
    for found, expected in zip(compiled, gradients(), strict=True):
        scale = np.abs(expected).max() + 1e-6
        np.testing.assert_allclose(found / scale, expected / scale, atol=1e-4)
