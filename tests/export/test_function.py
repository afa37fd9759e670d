"""The contract between functions and exporters."""

import json

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from export.function import ExportFunction, exact
from tfpose.errors import InputError


def _double(inputs):
    with exact():
        return {"twice": 2 * inputs["x"], "sum": ops.sum(inputs["x"], axis=1)}


def _function(**changes):
    given = {
        "name": "double",
        "call": _double,
        "inputs": {"x": tf.TensorSpec([None, 3], tf.float32)},
        "outputs": ("twice", "sum"),
        "metadata": {"units": "none", "sides": (1, 2)},
    }
    return ExportFunction(**{**given, **changes})


def test_named_in_named_out():
    found = _function(outputs=("sum",))(x=np.ones((2, 3), np.float32))
    assert list(found) == ["sum"] and np.array_equal(found["sum"], [3, 3])
    with pytest.raises(InputError, match=r"inputs are \['y'\], expected \['x'\]"):
        _function()(y=1)


def test_metadata_is_json_and_tells_the_version():
    metadata = _function().metadata
    assert metadata == json.loads(json.dumps(metadata))
    assert metadata["sides"] == [1, 2] and metadata["version"]
    with pytest.raises(InputError, match="double: metadata is no JSON"):
        _function(metadata={"a": np.ones(2)})


def test_impossible_functions_are_refused():
    with pytest.raises(InputError, match="name is 'a b'"):
        _function(name="a b")
    with pytest.raises(InputError, match="expected named inputs"):
        _function(inputs={})
    with pytest.raises(InputError, match="input 'x' has shape .*expected fixed sides"):
        _function(inputs={"x": tf.TensorSpec([None, None], tf.float32)})


def test_traced_with_a_free_or_a_fixed_batch():
    function = _function()
    free, fixed = function.concrete(), function.concrete(1)
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(free(x=tf.constant(x))["twice"], 2 * x)
    assert fixed.structured_outputs["twice"].shape == (1, 3)
    # What is to stay in float can be told by its name.
    names = [op.name for op in fixed.graph.get_operations() if op.type == "Sum"]
    assert names and all("exact/" in name for name in names)
