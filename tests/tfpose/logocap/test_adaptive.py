"""Adaptive convolutions against loops, and against plain ones."""

import keras
import numpy as np
import pytest
from keras import ops

from tfpose.codecs.sampling import sample_cells
from tfpose.logocap.adaptive import AdaptiveConvolution


def _read(one: np.ndarray, row: float, column: float) -> np.ndarray:
    """A map's `[h, w, C]` value between its cells; outside is 0."""
    total = np.zeros(one.shape[-1])
    for y in (int(np.floor(row)), int(np.floor(row)) + 1):
        for x in (int(np.floor(column)), int(np.floor(column)) + 1):
            if 0 <= y < one.shape[0] and 0 <= x < one.shape[1]:
                total += one[y, x] * (1 - abs(row - y)) * (1 - abs(column - x))
    return total


def _layer(filters: int, channels: int) -> AdaptiveConvolution:
    layer = AdaptiveConvolution(filters)
    layer.build((None, None, None, channels))
    rng = np.random.default_rng(0)
    layer.kernel.assign(rng.normal(size=layer.kernel.shape))
    layer.matrix.bias.assign([1, 0, 0, 1])
    return layer


def test_values_between_cells_beyond_borders_and_far_off():
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(2, 5, 7, 3)).astype(np.float32)
    places = rng.uniform(-3, 10, (2, 40, 2)).astype(np.float32)
    corners = [[-1, -1], [4, 6], [5, 7], [0, 0], [-1, 6], [3.5, 6.5], [-1e9, 3]]
    places[:, : len(corners)] = corners
    found = np.asarray(sample_cells(maps, places))
    for picture, place in np.ndindex(2, 40):
        expected = _read(maps[picture], *places[picture, place].tolist())
        assert np.allclose(found[picture, place], expected, atol=1e-5)


def test_taps_at_rest_are_a_plain_convolution():
    layer = _layer(4, 3)
    maps = np.random.default_rng(1).normal(size=(2, 6, 8, 3)).astype(np.float32)
    plain = ops.conv(maps, layer.kernel, padding="same", data_format="channels_last")
    assert np.allclose(layer(maps), plain, atol=1e-5)


def test_taps_are_turned_stretched_and_moved():
    layer = _layer(2, 3)
    matrix, shift = np.array([[0.5, -1.2], [0.7, 1.9]]), np.array([0.3, -1.4])
    layer.matrix.bias.assign(matrix.ravel())
    layer.translation.bias.assign(shift)
    maps = np.random.default_rng(1).normal(size=(1, 6, 8, 3)).astype(np.float32)
    found, kernel = np.asarray(layer(maps)), np.asarray(layer.kernel)
    for row, column in np.ndindex(6, 8):
        expected = np.zeros(2)
        for y, x in np.ndindex(3, 3):
            place = [row, column] + matrix @ [y - 1, x - 1] + shift
            expected += _read(maps[0], *place) @ kernel[y, x]
        assert np.allclose(found[0, row, column], expected, atol=1e-4)


def test_gradients_reach_what_moves_the_taps():
    tf = pytest.importorskip("tensorflow")
    keras.utils.set_random_seed(0)
    layer = _layer(3, 3)
    # At rest they lie on cells, where the slope has no sign.
    layer.translation.bias.assign([0.3, 0.4])
    maps = np.random.default_rng(1).normal(size=(1, 6, 8, 3)).astype(np.float32)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(layer(maps) ** 2)
    gradients = tape.gradient(loss, layer.trainable_variables)
    assert len(gradients) == 5
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)
