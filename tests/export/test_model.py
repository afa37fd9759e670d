"""The contract between functions and exporters."""

import json

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from export.model import ExportedModel, Signature, exact
from tfpose.errors import InputError


def _double(inputs):
    with exact():
        return {"twice": 2 * inputs["x"], "sum": ops.sum(inputs["x"], axis=1)}


def _signature(**changes):
    given = {
        "call": _double,
        "inputs": {"x": tf.TensorSpec([None, 3], tf.float32)},
        "outputs": ("twice", "sum"),
        "example": {"x": np.zeros((1, 3), np.float32)},
        "described": {"x": "float32 [B, 3]", "sum": "float32 [B]"},
    }
    return Signature(**{**given, **changes})


def _model(**changes):
    given = {
        "name": "double",
        "signatures": {"twice": _signature()},
        "metadata": {"units": "none", "sides": (1, 2)},
    }
    return ExportedModel(**{**given, **changes})


def test_named_in_named_out():
    found = _signature(outputs=("sum",))(x=np.ones((2, 3), np.float32))
    assert list(found) == ["sum"] and np.array_equal(found["sum"], [3, 3])
    with pytest.raises(InputError, match=r"inputs are \['y'\], expected \['x'\]"):
        _signature()(y=1)


def test_metadata_is_json_and_tells_the_version_and_the_signatures():
    metadata = _model().metadata
    assert metadata == json.loads(json.dumps(metadata))
    assert metadata["sides"] == [1, 2] and metadata["version"]
    assert metadata["signatures"]["twice"] == {
        "inputs": {"x": "float32 [B, 3]"},
        "outputs": {"twice": "", "sum": "float32 [B]"},
    }
    with pytest.raises(InputError, match="double: metadata is no JSON"):
        _model(metadata={"a": np.ones(2)})


def test_impossible_models_are_refused():
    with pytest.raises(InputError, match="name is 'a b'"):
        _model(name="a b")
    with pytest.raises(InputError, match="expected at least one signature"):
        _model(signatures={})
    for name in ("a b", "serving_default"):
        with pytest.raises(InputError, match=f"signature '{name}', expected letters"):
            _model(signatures={name: _signature()})
    with pytest.raises(InputError, match="expected named inputs"):
        _signature(inputs={})
    with pytest.raises(InputError, match="input 'x' has shape .*expected fixed sides"):
        _signature(inputs={"x": tf.TensorSpec([None, None], tf.float32)})
    with pytest.raises(InputError, match=r"example: is of \['y'\], expected \['x'\]"):
        _signature(example={"y": np.zeros((1, 3), np.float32)})
    for row in (np.zeros((2, 3), np.float32), np.zeros((1, 3))):
        with pytest.raises(InputError, match="example of 'x' is float.*, expected"):
            _signature(example={"x": row})


def test_what_goes_in_and_comes_out_is_the_state():
    signature = _signature(outputs=("sum", "x"))
    assert signature.state == ("x",) and _signature().state == ()
    row = {"x": np.ones((1, 3), np.float32), "other": np.ones(1)}
    assert signature.completed(row) == {"x": row["x"]}
    assert signature.completed({})["x"] is signature.example["x"]


def test_traced_with_a_free_or_a_fixed_batch():
    signature = _signature()
    free, fixed = signature.concrete(), signature.concrete(1)
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.array_equal(free(x=tf.constant(x))["twice"], 2 * x)
    assert fixed.structured_outputs["twice"].shape == (1, 3)
    # What is to stay in float can be told by its name.
    names = [op.name for op in fixed.graph.get_operations() if op.type == "Sum"]
    assert names and all("exact/" in name for name in names)


def test_weights_that_signatures_share_are_tracked_once():
    weight = tf.Variable([1.0, 2.0, 3.0])
    signatures = {
        name: _signature(call=lambda inputs, k=k: {"twice": k * weight * inputs["x"]},
                         outputs=("twice",))
        for k, name in enumerate(("one", "two"), 1)
    }  # fmt: skip
    traced, owner = _model(signatures=signatures).concrete(1)
    assert list(traced) == ["one", "two"]
    assert len(owner.weights) == 1 and owner.weights[0] is weight
