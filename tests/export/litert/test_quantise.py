"""Quantised forms of `.tflite` files, run by LiteRT's own interpreter."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from export.litert.convert import convert
from export.litert.quantise import FORMS, quantise
from export.model import ExportedModel, Signature, exact
from export.pose_net import pose_model
from tests.export.conftest import dots_pictures
from tests.export.litert.conftest import run_rows
from tfpose.errors import InputError


@pytest.fixture(scope="module")
def dots(dots_model, dots_file):
    """Model, float file, and samples to calibrate with."""
    pictures, _ = dots_pictures(16, seed=1)
    return dots_model, dots_file, [{"image": picture[None]} for picture in pictures]


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


@pytest.mark.parametrize(
    ("form", "pixels", "score"),
    [("fp16", 0.05, 2e-3), ("dynamic", 0.3, 0.02), ("int8", 0.5, 0.02)],
)
def test_quantised_forms_find_the_same(dots, form, pixels, score):
    model, file, samples = dots
    pictures, _ = dots_pictures(5)
    expected = model.main(image=pictures)
    found = run_rows(quantise(model, file, form, samples), "locate", image=pictures)
    assert found["keypoints"].dtype == found["scores"].dtype == np.float32
    assert np.abs(found["keypoints"] - expected["keypoints"]).max() < pixels
    assert np.abs(found["scores"] - expected["scores"]).max() < score


def test_int8_computes_layers_in_int8_and_coordinates_in_float(dots):
    types = _types(quantise(*dots[:2], "int8", dots[2]))
    exact_types = {
        kind
        for name, kind in types.items()
        if "exact/" in name and not name.endswith("_dequant")
    }
    assert schema.TensorType.INT8 not in exact_types
    layers = [kind for name, kind in types.items() if "average" in name]
    assert layers and set(layers) == {schema.TensorType.INT8}
    kept = _types(quantise(*dots[:2], "int8", dots[2], keep_float=["average"]))
    layers = {kind for name, kind in kept.items() if "average" in name}
    assert schema.TensorType.FLOAT32 in layers


def test_none_is_the_float_file(dots):
    assert quantise(*dots[:2], "none") == dots[1]


def test_inputs_keep_their_type(dots_net):
    pictures, points = dots_pictures(3)
    model = pose_model(dots_net, (128, 96), dtype="float32")
    large = pictures.repeat(2, axis=1).repeat(2, axis=2).astype(np.float32)
    samples = [{"image": one[None]} for one in large]
    file = quantise(model, convert(model), "int8", samples)
    details = Interpreter(model_content=file).get_input_details()
    assert [detail["dtype"] for detail in details] == [np.float32]
    assert details[0]["shape"].tolist() == [1, 128, 96, 3]
    found = run_rows(file, "locate", image=large)["keypoints"]
    assert np.abs(found - (points * 2 + 0.5)).max() < 1.5


WEIGHTS = np.random.default_rng(0).normal(size=(8, 8)).astype(np.float32)


def _signature(call, outputs, **choices):
    return Signature(
        call,
        {"x": tf.TensorSpec([None, 8], tf.float32)},
        outputs,
        example={"x": np.zeros((1, 8), np.float32)},
        **choices,
    )


def _rows():
    """Twenty inputs, and the samples to calibrate with that they make."""
    x = np.random.default_rng(1).normal(size=(20, 8)).astype(np.float32)
    return x, [{"x": row[None]} for row in x]


def test_exact_parts_are_known_by_their_scope_alone():
    """The same product, once in float and once in 256 steps."""

    def call(inputs):
        rough = tf.nn.relu(inputs["x"] @ WEIGHTS) @ WEIGHTS
        with exact():
            fine = tf.nn.relu(inputs["x"] @ (2 * WEIGHTS)) @ WEIGHTS
        return {"rough": rough + 0, "fine": fine + 0}

    model = ExportedModel("two", {"both": _signature(call, ("rough", "fine"))}, {})
    x, samples = _rows()
    found = run_rows(quantise(model, convert(model), "int8", samples), "both", x=x)
    expected = model.main(x=x)
    error = {name: np.abs(found[name] - expected[name]).max() for name in found}
    assert error["fine"] < 1e-4 < 1e-2 < error["rough"]


def _fixed_and_free(inputs):
    with keras.name_scope("fixed"):
        fixed = tf.nn.relu(inputs["x"] @ WEIGHTS) @ WEIGHTS
    with keras.name_scope("free"):
        free = tf.nn.relu(inputs["x"] @ (2 * WEIGHTS)) @ WEIGHTS
    return {"fixed": fixed + 0, "free": free + 0}


def _relative(found, expected):
    return {
        name: np.abs(found[name] - expected[name]).mean() / np.std(expected[name])
        for name in found
    }


def test_varied_parts_have_no_fixed_range():
    """Inputs a hundred times as large as those that ranges were taken from."""
    both = _signature(_fixed_and_free, ("fixed", "free"), varied=("free/",))
    model = ExportedModel("two", {"both": both}, {})
    x, samples = _rows()
    file = quantise(model, convert(model), "int8", samples)
    found = run_rows(file, "both", x=100 * x)
    error = _relative(found, model.main(x=100 * x))
    assert error["free"] < 0.03 < 0.5 < error["fixed"]


def test_expressions_mean_the_operators_of_their_own_signature():
    """One has its free part varied, the other its fixed part kept in float."""
    outputs = ("fixed", "free")
    one = _signature(_fixed_and_free, outputs, varied=("free/",))
    other = _signature(_fixed_and_free, outputs, kept=("(^|/)fixed/",))
    model = ExportedModel("two", {"one": one, "other": other}, {})
    x, samples = _rows()
    file = quantise(model, convert(model), "int8", samples)
    expected = model.main(x=100 * x)
    error = _relative(run_rows(file, "one", x=100 * x), expected)
    assert error["free"] < 0.03 < 0.5 < error["fixed"]
    error = _relative(run_rows(file, "other", x=100 * x), expected)
    assert error["fixed"] < 1e-4 < 0.5 < error["free"]


@pytest.mark.parametrize("form", ["fp16", "dynamic", "int8"])
def test_signatures_have_their_own_ranges_and_share_quantised_weights(form):
    """Of values five hundred times as large as the other's, by the same operators."""
    weights = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    weight = tf.Variable(weights)

    def call(inputs, factor):
        # What makes the output stays in float, and shall not be the product.
        return {"y": tf.abs(tf.nn.relu(factor * inputs["x"] @ weight) @ weight)}

    signatures = {
        name: Signature(
            lambda inputs, factor=factor: call(inputs, factor),
            {"x": tf.TensorSpec([None, 64], tf.float32)},
            ("y",),
            example={"x": np.ones((1, 64), np.float32)},
        )
        for name, factor in (("large", 1000.0), ("small", 2.0))
    }
    model = ExportedModel("two", signatures, {})
    x = np.random.default_rng(1).normal(size=(20, 64)).astype(np.float32)
    floating = convert(model)
    file = quantise(model, floating, form, [{"x": row[None]} for row in x])
    for name, signature in signatures.items():
        found = run_rows(file, name, x=x)
        assert _relative(found, signature(x=x))["y"] < 0.03
    # 16 KB of weights in float32.
    assert len(floating) - len(file) > (7000 if form == "fp16" else 10000)


def test_what_cannot_be_quantised_so_is_refused(dots):
    model, file, samples = dots
    with pytest.raises(InputError, match="quantise is 'int4', expected one of"):
        quantise(model, file, "int4")
    with pytest.raises(InputError, match="calibration: no samples"):
        quantise(model, file, "int8")
    with pytest.raises(InputError, match=r"keep_float: '\('"):
        quantise(model, file, "int8", samples, keep_float=["("])
    assert set(FORMS) == {"none", "fp16", "dynamic", "int8"}
