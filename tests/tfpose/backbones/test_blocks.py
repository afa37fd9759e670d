"""Blocks against NumPy references of what PyTorch computes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpose.backbones.blocks import Blocks, NearestResize

BLOCKS = Blocks(keras.initializers.RandomNormal(stddev=1.0), keras.DTypePolicy())


def torch_convolution(x, kernel, stride):
    """Cross-correlation with `kernel // 2` zeros on every side, cell by cell."""
    size = kernel.shape[0]
    pad = size // 2
    padded = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
    height = (x.shape[0] + 2 * pad - size) // stride + 1
    width = (x.shape[1] + 2 * pad - size) // stride + 1
    out = np.zeros((height, width, kernel.shape[3]))
    for i in range(height):
        for j in range(width):
            window = padded[i * stride : i * stride + size, j * stride :][:, :size]
            out[i, j] = np.tensordot(window, kernel, 3)
    return out


@pytest.mark.parametrize("kernel_size,stride", [(3, 1), (3, 2), (7, 2), (1, 2)])
@pytest.mark.parametrize("size", [(8, 10), (9, 7)])
def test_convolutions_are_centred_as_in_pytorch(kernel_size, stride, size):
    inputs = keras.Input((*size, 2))
    outputs = BLOCKS.conv_norm(inputs, 3, kernel_size, stride, name="test", relu=False)
    model = keras.Model(inputs, outputs)
    x = np.random.default_rng(0).normal(size=(*size, 2)).astype("float32")
    kernel = model.get_layer("test_conv").kernel.numpy()
    expected = torch_convolution(x, kernel, stride) / np.sqrt(1 + 1e-5)
    np.testing.assert_allclose(model(x[None])[0], expected, rtol=1e-4, atol=1e-4)


def test_transposed_convolution_doubles_as_in_pytorch():
    inputs = keras.Input((3, 4, 1))
    outputs = BLOCKS.deconv_norm(inputs, 1, name="test")
    model = keras.Model(inputs, outputs)
    kernel = np.arange(1, 17, dtype="float32").reshape(4, 4, 1, 1)
    model.get_layer("test_conv").set_weights([kernel])
    x = np.zeros((1, 3, 4, 1), "float32")
    x[0, 1, 2, 0] = 1
    # ConvTranspose2d(4, stride 2, padding 1) writes input i at outputs 2i-1 .. 2i+2.
    expected = np.zeros((6, 8))
    expected[1:5, 3:7] = kernel[:, :, 0, 0] / np.sqrt(1 + 1e-5)
    np.testing.assert_allclose(model(x)[0, :, :, 0], expected, rtol=1e-5)


def test_every_layer_draws_its_own_weights():
    inputs = keras.Input((4, 4, 8))
    model = keras.Model(inputs, BLOCKS.basic_block(inputs, 8, name="block"))
    first, second = (model.get_layer(f"block_conv{i}").kernel.numpy() for i in (1, 2))
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("size,target", [((3, 4), (6, 16)), ((4, 3), (7, 5))])
def test_nearest_resize_takes_the_cell_under_the_centre(size, target):
    x = np.random.default_rng(0).normal(size=(2, *size, 3)).astype("float32")
    rows = np.floor((np.arange(target[0]) + 0.5) * size[0] / target[0]).astype(int)
    columns = np.floor((np.arange(target[1]) + 0.5) * size[1] / target[1]).astype(int)
    np.testing.assert_array_equal(NearestResize(*target)(x), x[:, rows][:, :, columns])


@pytest.mark.parametrize("size,target", [((3, 4), (6, 16)), ((4, 3), (7, 5))])
def test_nearest_resize_has_a_gradient_under_xla(size, target):
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=(2, *size, 3)), tf.float32)
    weight = tf.constant(rng.normal(size=(2, *target, 3)), tf.float32)
    layer = NearestResize(*target)

    @tf.function(jit_compile=True)
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x) * weight)
        return tape.gradient(loss, x)

    expected = np.zeros(x.shape)
    for i in range(target[0]):
        for j in range(target[1]):
            row = int((i + 0.5) * size[0] / target[0])
            column = int((j + 0.5) * size[1] / target[1])
            expected[:, row, column] += weight[:, i, j]
    np.testing.assert_allclose(gradient(x), expected, atol=1e-5)


def test_nearest_resize_has_a_second_gradient():
    x = tf.constant(np.random.default_rng(0).normal(size=(1, 2, 2, 1)), tf.float32)
    layer = NearestResize(4, 4)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            loss = tf.reduce_sum(layer(x) ** 3)
        first = inner.gradient(loss, x)
    np.testing.assert_allclose(first, 4 * 3 * x**2, rtol=1e-5)
    np.testing.assert_allclose(outer.gradient(first, x), 4 * 6 * x, rtol=1e-5)


@pytest.mark.parametrize("kernel_size,stride", [(3, 1), (3, 2), (5, 2)])
def test_convolutions_of_each_channel_are_centred_too(kernel_size, stride):
    inputs = keras.Input((8, 6, 2))
    outputs = BLOCKS.depthwise_norm(inputs, kernel_size, stride, name="test")
    model = keras.Model(inputs, outputs)
    x = np.random.default_rng(0).uniform(1, 2, (8, 6, 2)).astype("float32")
    kernel = np.random.default_rng(1).uniform(size=(kernel_size, kernel_size, 2, 1))
    model.get_layer("test_conv").set_weights([kernel])
    for channel in range(2):
        expected = torch_convolution(
            x[..., [channel]], kernel[:, :, [channel]], stride
        ) / np.sqrt(1 + 1e-5)
        found = np.asarray(model(x[None]))[0, ..., [channel]]
        np.testing.assert_allclose(found[0], expected[..., 0], rtol=1e-4, atol=1e-4)
