"""Heatmap nets: published sizes, pixels in, files that load, mixed precision."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpose.backbones.efficientnet_lite import EfficientNetLite
from tfpose.backbones.hrnet import HRNet
from tfpose.backbones.resnet import ResNet
from tfpose.errors import InputError
from tfpose.top_down.net import NETS, HeatmapNet, build_heatmap_net


def trainable_parameters(net) -> int:
    return sum(int(np.prod(w.shape)) for w in net.trainable_weights)


def multiply_adds(net) -> int:
    total = 0
    for layer in net.layers:
        if isinstance(layer, keras.Model):
            total += multiply_adds(layer)
        elif isinstance(layer, keras.layers.Conv2DTranspose):
            total += np.prod(layer.kernel.shape) * np.prod(layer.input.shape[1:3])
        elif isinstance(layer, keras.layers.Conv2D):
            total += np.prod(layer.kernel.shape) * np.prod(layer.output.shape[1:3])
    return int(total)


def pixels(*shape) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, "uint8")


slow = pytest.mark.slow


@pytest.mark.parametrize(
    "name,total,macs,by_outputs",
    [
        pytest.param(
            "hrnet_w32",
            28_590_449,
            7.645e9,
            {17: 28_536_113, 16: 28_536_080, 36: 28_536_740},
            marks=slow,
        ),
        (
            "resnet50",
            34_054_353,
            5.426e9,
            {17: 33_999_697, 16: 33_999_440, 36: 34_004_580},
        ),
        pytest.param(
            "hrnet_w48",
            63_675_329,
            15.692e9,
            {17: 63_595_745, 16: 63_595_696},
            marks=slow,
        ),
        pytest.param(
            "resnet101",
            53_098_705,
            9.063e9,
            {17: 52_991_825, 16: 52_991_568},
            marks=slow,
        ),
        pytest.param(
            "resnet152",
            68_788_433,
            12.699e9,
            {17: 68_635_473, 16: 68_635_216},
            marks=slow,
        ),
    ],
)
def test_nets_have_the_published_size(name, total, macs, by_outputs):
    net = build_heatmap_net(name, (256, 192), 17)
    assert net.count_params() == total
    assert multiply_adds(net) == pytest.approx(macs, rel=2e-4)
    assert net.output_shape == (None, 64, 48, 17)
    head = trainable_parameters(net.get_layer("head"))
    for outputs, expected in by_outputs.items():
        found = trainable_parameters(net) - head + head // 17 * outputs
        assert found == expected


@pytest.mark.parametrize("name", ["hrnet_small", "resnet_small"])
def test_small_nets_fit_two_cores(name):
    net = build_heatmap_net(name, (96, 96), 17)
    assert 60e6 < multiply_adds(net) < 100e6
    assert 1e6 < net.count_params() < 3e6
    assert net.heatmap_size == (24, 24)


def test_properties():
    net = build_heatmap_net("hrnet_tiny", (96, 70), 5, input_channels=6)
    assert net.input_size == (96, 70)
    assert net.heatmap_size == (24, 18)
    assert net.stride == 4
    assert net.num_outputs == 5
    assert net.input_channels == 6


@pytest.mark.parametrize("channels", [3, 6])
def test_pixels_are_normalised_inside(channels):
    net = build_heatmap_net("hrnet_tiny", (32, 32), 2, input_channels=channels)
    normalisation = keras.Model(net.input, net.get_layer("normalization").output)
    image = pixels(1, 32, 32, channels)
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    expected = (image.reshape(1, 32, 32, -1, 3) / 255 - mean) / std
    np.testing.assert_allclose(
        normalisation(image), expected.reshape(image.shape), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_array_equal(net(image), net(image.astype("float32")))


@pytest.mark.parametrize("dtype,channels", [("float32", 3), ("mixed_bfloat16", 6)])
def test_saved_file_loads_with_the_same_output(tmp_path, dtype, channels):
    info = {"sigma": 1.5, "skeleton": {"joints": ["a", "b"], "limbs": [[0, 1]]}}
    net = build_heatmap_net(
        "hrnet_tiny", (32, 32), 2, input_channels=channels, dtype=dtype, info=info
    )
    net.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    image = pixels(2, 32, 32, channels)
    assert type(loaded) is HeatmapNet
    assert loaded.info == info
    assert loaded.get_config() == net.get_config()
    np.testing.assert_array_equal(loaded(image), net(image))


def test_info_can_be_set_after_training(tmp_path):
    net = build_heatmap_net("hrnet_tiny", (32, 32), 2)
    assert net.info == {}
    net.info = {"epochs": 3}
    net.save(tmp_path / "net.keras")
    assert keras.saving.load_model(tmp_path / "net.keras").info == {"epochs": 3}
    with pytest.raises(InputError, match="info cannot be written as JSON"):
        net.info = {"epochs": np.zeros(3)}


def test_resnet_net_loads_with_its_transposed_convolutions(tmp_path):
    backbone = ResNet((64, 32, 3), 18, width=4, kernel_initializer="he_normal")
    net = HeatmapNet(backbone, 3, (4, 5, 6), kernel_initializer="he_normal")
    assert net.output_shape == (None, 16, 8, 3)
    net.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    assert loaded.deconv_filters == (4, 5, 6)
    image = pixels(1, 64, 32, 3)
    np.testing.assert_array_equal(loaded(image), net(image))


@slow
def test_fresh_process_loads_after_import_tfpose(tmp_path):
    net = build_heatmap_net("hrnet_tiny", (32, 32), 2)
    net.save(tmp_path / "net.keras")
    code = (
        "import sys, keras, numpy, tfpose\n"
        "net = keras.saving.load_model(sys.argv[1] + '/net.keras')\n"
        "image = numpy.full((1, 32, 32, 3), 99, 'uint8')\n"
        "numpy.save(sys.argv[1] + '/out.npy', net(image))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    expected = net(np.full((1, 32, 32, 3), 99, "uint8"))
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), expected)


def test_mixed_precision_keeps_heatmaps_and_normalisation_in_float32():
    net = build_heatmap_net("hrnet_tiny", (32, 32), 2, dtype="mixed_bfloat16")
    assert net.get_layer("head").compute_dtype == "float32"
    assert net.get_layer("normalization").compute_dtype == "float32"
    assert net.backbone.get_layer("stem_conv1").compute_dtype == "bfloat16"
    with tf.GradientTape() as tape:
        heatmaps = net(pixels(2, 32, 32, 3), training=True)
        loss = tf.reduce_mean((heatmaps - 1) ** 2)
    assert heatmaps.dtype == tf.float32
    gradients = tape.gradient(loss, net.trainable_weights)
    assert all(g.dtype == tf.float32 and np.isfinite(g).all() for g in gradients)
    assert sum(float(tf.norm(g)) for g in gradients) > 0


def test_global_policy_is_the_default():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        net = build_heatmap_net("hrnet_tiny", (32, 32), 2)
    finally:
        keras.config.set_dtype_policy("float32")
    assert net.backbone.get_layer("stem_conv1").compute_dtype == "bfloat16"
    assert net.get_config()["dtype"] == "mixed_bfloat16"


@slow
def test_any_width_and_initialiser_by_name():
    net = build_heatmap_net("hrnet_w4", (32, 32), 2, kernel_initializer="zeros")
    assert net.backbone.output_shape[-1] == 4
    assert (
        not net.backbone.get_layer("stage4_module2_branch0_block3_conv2")
        .kernel.numpy()
        .any()
    )


@pytest.mark.parametrize("name", ["hrnet", "hrnet_w0", "hrnet_wide", "resnet20", ""])
def test_unknown_name_is_refused_with_the_names(name):
    with pytest.raises(InputError) as error:
        build_heatmap_net(name, (64, 64), 17)
    assert repr(name) in str(error.value)
    assert all(known in str(error.value) for known in NETS)


@pytest.mark.parametrize(
    "change,message",
    [
        ({"input_size": (16, 64)}, "at least 32 pixels"),
        ({"input_channels": 4}, "input_channels is 4; expected 3 or 6"),
        ({"num_outputs": 0}, "num_outputs is 0; expected at least 1"),
        ({"info": {"a": object()}}, "info cannot be written as JSON"),
    ],
)
def test_impossible_arguments_are_refused(change, message):
    arguments = {"net": "hrnet_tiny", "input_size": (32, 32), "num_outputs": 2}
    with pytest.raises(InputError, match=message):
        build_heatmap_net(**{**arguments, **change})


def test_heatmaps_must_end_at_stride_4():
    backbone = ResNet((64, 64, 3), 18, width=4)
    with pytest.raises(InputError, match="stride 16; expected 4"):
        HeatmapNet(backbone, 2, (8,))
    with pytest.raises(InputError, match="stride 2; expected 4"):
        HeatmapNet(HRNet((32, 32, 3), 4, 4, (1, 1, 1), 1, 1), 2, (8,))


def test_a_feature_pyramid_ends_at_stride_4(tmp_path):
    net = build_heatmap_net("efficientnet_lite0", (100, 72), 5)
    assert net.output_shape == (None, 25, 18, 5) and net.stride == 4
    # So many that float16 fits into 6 MB.
    assert net.count_params() < 3e6
    net.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    image = pixels(1, 100, 72, 3)
    np.testing.assert_array_equal(loaded(image), net(image))
    assert loaded.get_config() == net.get_config()
    # As its authors' code does.
    normalised = keras.Model(net.input, net.get_layer("normalization").output)(image)
    np.testing.assert_allclose(normalised, (image - 127.0) / 128, atol=1e-5)


def test_each_map_of_the_pyramid_is_used():
    net = build_heatmap_net("efficientnet_lite0", (64, 64), 2)
    shapes = {
        n: net.get_layer(f"pyramid{n}_conv1").input.shape[1:] for n in (2, 3, 4, 5)
    }
    assert shapes == {2: (16, 16, 24), 3: (8, 8, 40), 4: (4, 4, 112), 5: (2, 2, 192)}
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((net(pixels(2, 64, 64, 3), training=True) - 1) ** 2)
    gradients = tape.gradient(loss, net.trainable_weights)
    assert all(np.asarray(gradient).any() for gradient in gradients)


def test_a_feature_pyramid_needs_all_maps_and_is_the_only_head():
    backbone = EfficientNetLite((64, 64, 3), stages=6)
    with pytest.raises(InputError, match="expected a backbone that returns all"):
        HeatmapNet(backbone, 2, pyramid_filters=8)
    backbone = EfficientNetLite((64, 64, 3), stages=6, return_all=True)
    with pytest.raises(InputError, match="with another head; expected one head"):
        HeatmapNet(backbone, 2, (8, 8, 8), pyramid_filters=8)
