"""Models as `.tflite` files in float, run by LiteRT's own interpreter."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from export.litert.convert import convert
from export.litert.file import read_signatures
from export.litert.operators import count_operators
from export.model import ExportedModel, Signature
from export.pose_net import pose_model
from tests.export.conftest import dots_pictures
from tests.export.litert.conftest import run_rows
from tfpose.errors import InputError


def test_float_is_the_keras_function(dots_model, dots_file):
    pictures, points = dots_pictures(5)
    expected = dots_model.main(image=pictures)
    found = run_rows(dots_file, "locate", image=pictures)
    assert np.abs(found["keypoints"] - expected["keypoints"]).max() < 1e-3
    assert np.abs(found["scores"] - expected["scores"]).max() < 1e-5
    assert np.abs(found["keypoints"] - points).max() < 0.5


def test_flip_test_and_black_borders_have_built_in_operators(dots_net):
    model = pose_model(dots_net, (96, 96), flip_test=True)
    pictures, _ = dots_pictures(2)
    pictures = np.pad(pictures, ((0, 0), (16, 16), (24, 24), (0, 0)))
    expected = model.main(image=pictures)
    found = run_rows(convert(model), "locate", image=pictures)
    assert np.abs(found["keypoints"] - expected["keypoints"]).max() < 1e-3


def _product(weight: tf.Variable, factor: float) -> Signature:
    """Factor x weight, and by way of a loop if the factor is not 1."""

    def call(inputs):
        y = inputs["x"] @ weight
        if factor != 1:
            y = tf.while_loop(
                lambda y, i: i < factor, lambda y, i: (y + inputs["x"] @ weight, i + 1),
                (y, 1.0),
            )[0]  # fmt: skip
        return {"y": y + 0}

    size = weight.shape[0]
    return Signature(
        call,
        {"x": tf.TensorSpec([None, size], tf.float32)},
        ("y",),
        example={"x": np.ones((1, size), np.float32)},
    )


def test_signatures_are_in_one_file_the_main_one_first_weights_once():
    rng = np.random.default_rng(0)
    weight = tf.Variable(rng.normal(size=(40, 30)).astype(np.float32))
    # By their names they would be the other way round; one has loops, whose graphs are
    # called by number.
    signatures = {"zero": _product(weight, 1), "again": _product(weight, 3)}
    file = convert(ExportedModel("two", signatures, {}))
    assert read_signatures(file) == ["zero", "again"]
    x = rng.normal(size=(4, 40)).astype(np.float32)
    for name, factor in (("zero", 1), ("again", 3)):
        found = run_rows(file, name, x=x)["y"]
        np.testing.assert_allclose(found, factor * (x @ weight), atol=1e-4)
    kernel = weight.numpy()
    assert file.count(kernel.tobytes()) + file.count(kernel.T.tobytes()) == 1
    # What is told no name runs the main one.
    interpreter = Interpreter(model_content=file)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x[:1])
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(found, x[:1] @ weight, atol=1e-4)
    assert "WHILE" not in count_operators(file, "zero").kinds
    assert count_operators(file, "again").kinds["WHILE"] == 1


def test_an_operator_that_litert_lacks_is_named_with_its_layer(capfd):
    class Inverse(keras.layers.Layer):
        def call(self, x):
            return tf.linalg.inv(x)

    inputs = keras.Input((3, 3))
    net = keras.Model(inputs, Inverse(name="odd_layer")(inputs), name="net")
    odd = Signature(
        lambda inputs: {"y": net(inputs["x"])},
        {"x": tf.TensorSpec([None, 3, 3], tf.float32)},
        ("y",),
        example={"x": np.eye(3, dtype=np.float32)[None]},
    )
    with pytest.raises(
        InputError, match="odd: .* MatrixInverse of .*odd_layer"
    ) as told:
        convert(ExportedModel("odd", {"invert": odd}, {}))
    assert "\n" not in str(told.value)
    assert "MatrixInverse" not in capfd.readouterr().err
