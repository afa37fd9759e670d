"""Gradients in LiteRT's operators, and weights that two signatures use in two ways."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from export.litert.convert import convert
from export.model import ExportedModel, Signature
from tests.export.stored_tensors import stored_tensors


def signature(call) -> Signature:
    return Signature(
        call=call,
        inputs={"x": tf.TensorSpec([None, 24], tf.float32)},
        outputs=("y",),
        example={"x": np.zeros((1, 24), np.float32)},
    )


def make_model(activation, scale: np.ndarray) -> ExportedModel:
    """A dense layer and batch normalisation; the second signature takes a step."""
    keras.utils.set_random_seed(0)
    dense, norm = keras.layers.Dense(32), keras.layers.BatchNormalization()
    dense.build((None, 24))
    norm.build((None, 32))
    norm.gamma.assign(scale)
    kernel = dense.kernel

    def layer(x):
        return activation(norm(dense(x), training=False))

    def step(x):
        weights = tf.convert_to_tensor(kernel)
        with tf.GradientTape() as tape:
            tape.watch(weights)
            y = activation(norm(tf.matmul(x, weights), training=False))
            loss = tf.reduce_sum(y * y)
        # No ReLU behind it: TensorFlow's converter would lose it.
        return tf.matmul(x, weights - 0.1 * tape.gradient(loss, weights))

    return ExportedModel(
        "two",
        {
            "plain": signature(lambda inputs: {"y": layer(inputs["x"])}),
            "step": signature(lambda inputs: {"y": step(inputs["x"])}),
        },
        {},
    )


@pytest.mark.parametrize(
    ("activation", "scale", "stored"),
    [
        (tf.nn.relu, np.linspace(-2, 3, 32), 1),
        (lambda x: tf.nn.leaky_relu(x, 0.01), np.ones(32), 1),
        # The slope that a saved graph leaves out.
        (lambda x: tf.nn.leaky_relu(x, 0.2), np.ones(32), 1),
        # Weights that are gone cannot be computed back.
        (tf.nn.relu, np.zeros(32), 2),
    ],
)
def test_a_step_is_that_of_keras_from_weights_stored_once(activation, scale, stored):
    model = make_model(activation, scale)
    file = convert(model)
    found = [
        *stored_tensors(file, (32, 24), "float32"),
        *stored_tensors(file, (24, 32), "float32"),
    ]
    # Tensors that are computed have the empty buffer.
    assert len({buffer for buffer, _ in found if _has_data(file, buffer)}) == stored
    x = np.random.default_rng(0).normal(size=(1, 24)).astype(np.float32)
    interpreter = Interpreter(model_content=file)
    for name in model.signatures:
        y = interpreter.get_signature_runner(name)(x=x)["y"]
        expected = model.signatures[name](x=tf.constant(x))["y"]
        np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)


def test_a_kernel_and_its_transposed_one_are_stored_once():
    keras.utils.set_random_seed(0)
    layer = keras.layers.Conv2D(16, 3, strides=2, padding="same")
    layer.build((None, 4, 6, 8))

    def slope(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.nn.silu(layer(x)))
        return tape.gradient(loss, x)

    def picture(x):
        return tf.reshape(x, (-1, 4, 6, 1)) * tf.linspace(1.0, 2.0, 8)

    model = ExportedModel(
        "slope", {"slope": signature(lambda i: {"y": slope(picture(i["x"]))})}, {}
    )
    file = convert(model)
    shapes = (16, 3, 3, 8), (8, 3, 3, 16)
    found = [one for shape in shapes for one in stored_tensors(file, shape, "float32")]
    assert len({buffer for buffer, _ in found if _has_data(file, buffer)}) == 1
    x = np.random.default_rng(0).normal(size=(1, 24)).astype(np.float32)
    y = Interpreter(model_content=file).get_signature_runner("slope")(x=x)["y"]
    np.testing.assert_allclose(y, slope(picture(x)), rtol=1e-4, atol=1e-4)


def _has_data(file: bytes, buffer: int) -> bool:
    return schema.Model.GetRootAs(file).Buffers(buffer).DataLength() > 0
