"""Functions as `.tflite` files, run by LiteRT's own interpreter."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from export.function import ExportFunction, exact
from export.litert.convert import FORMS, convert, quantise
from export.pose_net import pose_function
from tests.export.conftest import dots_pictures
from tfpose.errors import InputError


@pytest.fixture(scope="module")
def dots(dots_net):
    """Function, float model, and samples to calibrate with."""
    function = pose_function(dots_net)
    pictures, _ = dots_pictures(16, seed=1)
    samples = [{"image": picture[None]} for picture in pictures]
    return function, convert(function), samples


def _run(model, **inputs):
    runner = Interpreter(model_content=model).get_signature_runner()
    found = [
        runner(**{name: values[i : i + 1] for name, values in inputs.items()})
        for i in range(len(next(iter(inputs.values()))))
    ]
    return {name: np.concatenate([one[name] for one in found]) for name in found[0]}


def _types(model):
    """Type of every activation by its name, without the empty ones of constants."""
    graph = schema.Model.GetRootAs(model).Subgraphs(0)
    made = {
        graph.Operators(i).Outputs(j)
        for i in range(graph.OperatorsLength())
        for j in range(graph.Operators(i).OutputsLength())
    }
    tensors = [graph.Tensors(i) for i in made]
    return {tensor.Name().decode(): tensor.Type() for tensor in tensors}


def test_float_is_the_keras_function(dots):
    function, model, _ = dots
    pictures, points = dots_pictures(5)
    expected = function(image=pictures)
    found = _run(model, image=pictures)
    assert np.abs(found["keypoints"] - expected["keypoints"]).max() < 1e-3
    assert np.abs(found["scores"] - expected["scores"]).max() < 1e-5
    assert np.abs(found["keypoints"] - points).max() < 0.5


def test_flip_test_and_black_borders_have_built_in_operators(dots_net):
    function = pose_function(dots_net, (96, 96), flip_test=True)
    pictures, _ = dots_pictures(2)
    pictures = np.pad(pictures, ((0, 0), (16, 16), (24, 24), (0, 0)))
    expected = function(image=pictures)
    found = _run(convert(function), image=pictures)
    assert np.abs(found["keypoints"] - expected["keypoints"]).max() < 1e-3


@pytest.mark.parametrize(
    ("form", "pixels", "score"),
    [("fp16", 0.05, 2e-3), ("dynamic", 0.3, 0.02), ("int8", 0.5, 0.02)],
)
def test_quantised_forms_find_the_same(dots, form, pixels, score):
    function, model, samples = dots
    pictures, _ = dots_pictures(5)
    expected = function(image=pictures)
    found = _run(quantise(model, form, samples), image=pictures)
    assert found["keypoints"].dtype == found["scores"].dtype == np.float32
    assert np.abs(found["keypoints"] - expected["keypoints"]).max() < pixels
    assert np.abs(found["scores"] - expected["scores"]).max() < score


def test_int8_computes_layers_in_int8_and_coordinates_in_float(dots):
    _, model, samples = dots
    types = _types(quantise(model, "int8", samples))
    exact_types = {
        kind
        for name, kind in types.items()
        if "exact/" in name and not name.endswith("_dequant")
    }
    assert schema.TensorType.INT8 not in exact_types
    layers = [kind for name, kind in types.items() if "average" in name]
    assert layers and set(layers) == {schema.TensorType.INT8}
    kept = _types(quantise(model, "int8", samples, keep_float=["average"]))
    layers = {kind for name, kind in kept.items() if "average" in name}
    assert schema.TensorType.FLOAT32 in layers


def test_none_is_the_float_file(dots):
    assert quantise(dots[1], "none") == dots[1]


def test_inputs_keep_their_type(dots_net):
    pictures, points = dots_pictures(3)
    function = pose_function(dots_net, (128, 96), dtype="float32")
    large = pictures.repeat(2, axis=1).repeat(2, axis=2).astype(np.float32)
    model = quantise(convert(function), "int8", [{"image": one[None]} for one in large])
    details = Interpreter(model_content=model).get_input_details()
    assert [detail["dtype"] for detail in details] == [np.float32]
    assert details[0]["shape"].tolist() == [1, 128, 96, 3]
    found = _run(model, image=large)["keypoints"]
    assert np.abs(found - (points * 2 + 0.5)).max() < 1.5


def test_an_operator_that_litert_lacks_is_named_with_its_layer(capfd):
    class Inverse(keras.layers.Layer):
        def call(self, x):
            return tf.linalg.inv(x)

    inputs = keras.Input((3, 3))
    net = keras.Model(inputs, Inverse(name="odd_layer")(inputs), name="net")
    function = ExportFunction(
        "odd",
        lambda inputs: {"y": net(inputs["x"])},
        {"x": tf.TensorSpec([None, 3, 3], tf.float32)},
        ("y",),
        {},
    )
    with pytest.raises(
        InputError, match="odd: .* MatrixInverse of .*odd_layer"
    ) as told:
        convert(function)
    assert "\n" not in str(told.value)
    assert "MatrixInverse" not in capfd.readouterr().err


def test_exact_parts_are_known_by_their_scope_alone():
    """The same product, once in float and once in 256 steps."""
    weights = np.random.default_rng(0).normal(size=(8, 8)).astype(np.float32)

    def call(inputs):
        rough = tf.nn.relu(inputs["x"] @ weights) @ weights
        with exact():
            fine = tf.nn.relu(inputs["x"] @ (2 * weights)) @ weights
        return {"rough": rough + 0, "fine": fine + 0}

    spec = tf.TensorSpec([None, 8], tf.float32)
    function = ExportFunction("two", call, {"x": spec}, ("rough", "fine"), {})
    x = np.random.default_rng(1).normal(size=(20, 8)).astype(np.float32)
    samples = [{"x": row[None]} for row in x]
    found = _run(quantise(convert(function), "int8", samples), x=x)
    expected = function(x=x)
    error = {name: np.abs(found[name] - expected[name]).max() for name in found}
    assert error["fine"] < 1e-4 < 1e-2 < error["rough"]


def test_varied_parts_have_no_fixed_range():
    """Inputs a hundred times as large as those that ranges were taken from."""
    weights = np.random.default_rng(0).normal(size=(8, 8)).astype(np.float32)

    def call(inputs):
        with keras.name_scope("fixed"):
            fixed = tf.nn.relu(inputs["x"] @ weights) @ weights
        with keras.name_scope("free"):
            free = tf.nn.relu(inputs["x"] @ (2 * weights)) @ weights
        return {"fixed": fixed + 0, "free": free + 0}

    spec = tf.TensorSpec([None, 8], tf.float32)
    function = ExportFunction("two", call, {"x": spec}, ("fixed", "free"), {})
    x = np.random.default_rng(1).normal(size=(20, 8)).astype(np.float32)
    samples = [{"x": row[None]} for row in x]
    model = quantise(convert(function), "int8", samples, varied=["free/"])
    found, expected = _run(model, x=100 * x), function(x=100 * x)
    error = {
        name: np.abs(found[name] - expected[name]).mean() / np.std(expected[name])
        for name in found
    }
    assert error["free"] < 0.03 < 0.5 < error["fixed"]


def test_what_cannot_be_quantised_so_is_refused(dots):
    _, model, samples = dots
    with pytest.raises(InputError, match="quantise is 'int4', expected one of"):
        quantise(model, "int4")
    with pytest.raises(InputError, match="calibration: no samples"):
        quantise(model, "int8")
    with pytest.raises(InputError, match=r"keep_float: '\('"):
        quantise(model, "int8", samples, keep_float=["("])
    assert set(FORMS) == {"none", "fp16", "dynamic", "int8"}
