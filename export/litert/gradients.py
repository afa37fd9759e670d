"""Gradients of activations, written in operators that LiteRT has.

TensorFlow's gradient of a ReLU is one operator, and LiteRT has none like it. It is
replaced in the saved graph: nets keep the fast one, and need not know.
"""

import pathlib
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import function_pb2
from tensorflow.core.protobuf import saved_model_pb2

__all__ = ["replace_gradients"]

# Slopes below 0 where a saved node does not say it, because it is the default.
_SLOPES = {"ReluGrad": 0.0, "LeakyReluGrad": 0.2}


def replace_gradients(folder: pathlib.Path) -> None:
    """Rewrites the gradients of ReLU and leaky ReLU in a SavedModel.

    Where the feature is above 0 the gradient passes; elsewhere it is 0, or is
    multiplied by the slope. The numbers are the same to the bit.

    Args:
        folder: of the SavedModel, changed in place.
    """
    path = folder / "saved_model.pb"
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString(path.read_bytes())
    for graph in saved.meta_graphs:
        for function in graph.graph_def.library.function:
            _rewrite(function)
    path.write_bytes(saved.SerializeToString())


def _rewrite(function: function_pb2.FunctionDef) -> None:
    nodes = []
    renamed = {}
    for node in function.node_def:
        if node.op not in _SLOPES:
            nodes.append(node)
            continue
        nodes += _as_selection(node)
        renamed[f"{node.name}:backprops:0"] = f"{node.name}:output:0"
    if not renamed:
        return
    for node in nodes:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    for key, name in function.ret.items():
        function.ret[key] = renamed.get(name, name)
    # Copies, because the old ones go with the list.
    nodes = [tf.compat.v1.NodeDef.FromString(n.SerializeToString()) for n in nodes]
    del function.node_def[:]
    function.node_def.extend(nodes)


def _as_selection(node: Any) -> list[Any]:
    """Nodes that do the same; the last has the old one's name."""
    gradient, features = node.input[:2]
    slope = node.attr["alpha"].f if "alpha" in node.attr else _SLOPES[node.op]
    # Float where it is not said.
    dtype = tf.as_dtype(node.attr["T"].type or tf.float32)

    def make(op: str, part: str, inputs: Sequence[str]) -> Any:
        made = tf.compat.v1.NodeDef(name=f"{node.name}{part}", op=op, input=inputs)
        made.attr["T"].type = dtype.as_datatype_enum
        return made

    def constant(part: str, value: float) -> Any:
        made = tf.compat.v1.NodeDef(name=f"{node.name}{part}", op="Const")
        made.attr["dtype"].type = dtype.as_datatype_enum
        made.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value, dtype))
        return made

    zero, above = f"{node.name}/zero:output:0", f"{node.name}/above:z:0"
    made = [constant("/zero", 0.0), make("Greater", "/above", [features, zero])]
    below = zero
    if slope:
        factor = f"{node.name}/slope:output:0"
        made += [
            constant("/slope", slope),
            make("Mul", "/below", [gradient, factor]),
        ]
        below = f"{node.name}/below:z:0"
    return [*made, make("SelectV2", "", [above, gradient, below])]
