"""Layers of lifters beside sums written out."""

import numpy as np
import pytest

from tfpose.lifters.layers import (
    MaxJoints,
    MeanJoints,
    PartitionedGraphConv,
    PlaceRoot,
    SelfAttention,
    SemanticGraphConv,
    SubtractRoot,
)

RNG = np.random.default_rng(0)


def bodies(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def softmax(x: np.ndarray) -> np.ndarray:
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def test_semantic_graph_convolution_is_zhaos():
    neighbours = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1]], bool)
    layer = SemanticGraphConv(5, neighbours)
    x = bodies(4, 3, 2)
    layer(x)
    kernel, edges, bias = bodies(2, 2, 5), bodies(7), bodies(5)
    layer.set_weights([kernel, edges, bias])
    logits = np.full((3, 3), -np.inf)
    logits[neighbours] = edges
    weights = softmax(logits)
    own, others = np.diag(np.diag(weights)), weights * (1 - np.eye(3))
    expected = own @ x @ kernel[0] + others @ x @ kernel[1] + bias
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)


def test_partitioned_graph_convolution_sums_by_kind():
    adjacency = bodies(4, 3, 3)
    x = bodies(2, 3, 4 * 5)
    kinds = x.reshape(2, 3, 4, 5)
    expected = np.einsum("bvkc,kvw->bwc", kinds, adjacency)
    np.testing.assert_allclose(PartitionedGraphConv(adjacency)(x), expected, atol=1e-5)


def test_attention_has_no_scale():
    queries, keys, values = bodies(2, 6, 4), bodies(2, 6, 4), bodies(2, 6, 3)
    expected = softmax(queries @ keys.transpose(0, 2, 1)) @ values
    found = SelfAttention()(queries, keys, values)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("root", [0, 1, 3])
def test_root_layers(root):
    x = bodies(2, 3, 3)
    placed = np.asarray(PlaceRoot(root)(x))
    assert placed.shape == (2, 4, 3) and not placed[:, root].any()
    np.testing.assert_array_equal(np.delete(placed, root, axis=1), x)
    relative = np.asarray(SubtractRoot(root)(placed + 7))
    np.testing.assert_allclose(relative, placed, atol=1e-6)


def test_means_and_maxima_of_joints():
    x = bodies(2, 4, 3)
    mean = np.asarray(MeanJoints([[2], [0, 3]])(x))
    np.testing.assert_allclose(mean[:, 0], x[:, 2])
    np.testing.assert_allclose(mean[:, 1], (x[:, 0] + x[:, 3]) / 2, rtol=1e-6)
    largest = np.asarray(MaxJoints([[1, 2, 3], [0]])(x))
    np.testing.assert_array_equal(largest[:, 0], x[:, 1:].max(axis=1))
    np.testing.assert_array_equal(largest[:, 1], x[:, 0])


@pytest.mark.parametrize(
    "layer",
    [
        SemanticGraphConv(2, np.eye(3)),
        PartitionedGraphConv(np.ones((2, 3, 3))),
        PlaceRoot(1),
        SubtractRoot(2),
        MeanJoints([[0, 1]]),
        MaxJoints([[0], [1, 2]]),
    ],
)
def test_layers_can_be_made_again_from_their_config(layer):
    x = bodies(2, 3, 4)
    expected = layer(x)
    again = type(layer).from_config(layer.get_config())
    assert again.compute_output_shape(x.shape) == expected.shape
    again(x)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(x), expected)
