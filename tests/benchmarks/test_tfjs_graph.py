"""Graphs of TensorFlow.js give what their operators say."""

import base64
import json

import numpy as np
import pytest

from benchmarks.tfjs_graph import count_parameters, load_graph
from tfpose.errors import InputError


def text(word):
    return base64.b64encode(word.encode()).decode()


def fused(name, operator, inputs, following):
    return {
        "name": name,
        "op": operator,
        "input": inputs,
        "attr": {
            "T": {"type": "DT_FLOAT"},
            "strides": {"list": {"i": ["1", "1", "1", "1"]}},
            "padding": {"s": text("SAME")},
            "data_format": {"s": text("NHWC")},
            "dilations": {"list": {"i": ["1", "1", "1", "1"]}},
            "num_args": {"i": "1"},
            "fused_ops": {"list": {"s": [text(word) for word in following]}},
        },
    }


def constant(name):
    tensor = {"dtype": "DT_FLOAT", "tensorShape": {}}
    attr = {"value": {"tensor": tensor}, "dtype": {"type": "DT_FLOAT"}}
    return {"name": name, "op": "Const", "attr": attr}


@pytest.fixture
def model(tmp_path):
    """Two numbers a pixel: a 1 x 1 convolution, then another for each channel."""
    kernel = np.array([[[[1.0, -1.0]]]], np.float16)  # [1, 1, 1, 2]
    bias = np.array([0.5, 3.0], np.float16)
    depth = np.array([[[[2.0], [10.0]]]], np.float16)  # [1, 1, 2, 1]
    arrays = {"kernel": kernel, "bias": bias, "depth": depth}
    half = {"dtype": "float16", "original_dtype": "float32"}
    weights = [
        {"name": n, "shape": a.shape, "dtype": "float32", "quantization": half}
        for n, a in arrays.items()
    ]
    shape = {"dim": [{"size": "1"}, {"size": "-1"}, {"size": "-1"}, {"size": "1"}]}
    source = {"shape": {"shape": shape}, "dtype": {"type": "DT_FLOAT"}}
    second = ["first", "depth", "bias"]
    nodes = [
        {"name": "input", "op": "Placeholder", "attr": source},
        *(constant(name) for name in arrays),
        fused(
            "first", "_FusedConv2D", ["input", "kernel", "bias"], ["BiasAdd", "Relu6"]
        ),
        fused("last", "FusedDepthwiseConv2dNative", second, ["BiasAdd"]),
    ]
    content = {
        "format": "graph-model",
        "signature": {
            "inputs": {"x": {"name": "input:0", "dtype": "DT_FLOAT"}},
            "outputs": {"y": {"name": "last:0", "dtype": "DT_FLOAT"}},
        },
        "modelTopology": {"node": nodes, "library": {}, "versions": {}},
        "weightsManifest": [{"paths": ["part1.bin", "part2.bin"], "weights": weights}],
    }
    data = b"".join(array.tobytes() for array in arrays.values())
    (tmp_path / "part1.bin").write_bytes(data[:3])
    (tmp_path / "part2.bin").write_bytes(data[3:])
    path = tmp_path / "model.json"

    def write(change=lambda content: None):
        change(content)
        path.write_text(json.dumps(content))
        return path

    return write


def test_fused_operators_are_taken_apart(model):
    path = model()
    x = np.array([-2.0, 0.0, 1.0, 9.0], np.float32).reshape(1, 2, 2, 1)
    (found,) = load_graph(path)(x)
    first = np.clip(np.concatenate([x + 0.5, 3 - x], axis=-1), 0, 6)
    np.testing.assert_allclose(found, first * [2, 10] + [0.5, 3.0])
    assert count_parameters(path) == 6


def test_outputs_are_those_that_are_asked_for(model):
    def two(content):
        first = {"name": "first:0", "dtype": "DT_FLOAT"}
        content["signature"]["outputs"]["z"] = first

    path, x = model(two), np.ones((1, 1, 1, 1), np.float32)
    middle, last = load_graph(path, "z", "y")(x)
    np.testing.assert_allclose(middle.ravel(), [1.5, 2])
    np.testing.assert_allclose(last.ravel(), [3.5, 23])
    assert len(load_graph(path)(x)) == 2
    with pytest.raises(InputError, match="model.json: no output 'w', found y, z"):
        load_graph(path, "w")


def _prelu(content):
    content["modelTopology"]["node"][-1]["attr"]["fused_ops"] = {
        "list": {"s": [text("Prelu")]}
    }


def _layers(content):
    content["format"] = "layers-model"


def _bytes(content):
    content["weightsManifest"][0]["weights"][0]["quantization"]["dtype"] = "uint8"


def _moved(content):
    content["weightsManifest"][0]["paths"] = ["elsewhere.bin"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_prelu, "model.json: FusedDepthwiseConv2dNative with Prelu"),
        (_layers, "model.json: not a graph model"),
        (_bytes, "model.json: weight 'kernel' is uint8"),
        (_moved, "elsewhere.bin: No such file"),
    ],
)
def test_what_is_not_known_is_refused(model, change, message):
    path = model(change)
    with pytest.raises(InputError, match=message):
        load_graph(path)
