"""Graph models of TensorFlow.js as functions of TensorFlow.

Such a file is a frozen graph: `model.json` has the nodes, and where in the file of
weights each constant lies.
"""

import json
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format

from tfpose.errors import InputError

__all__ = ["count_parameters", "load_graph"]

# Operators of TensorFlow.js, and what TensorFlow calls their convolution. Its own fused
# ones take other attributes; it fuses the parts again by itself.
_FUSED = {
    "_FusedConv2D": "Conv2D",
    "FusedDepthwiseConv2dNative": "DepthwiseConv2dNative",
}
_CONVOLUTION = ("T", "strides", "padding", "data_format", "dilations")
_FOLLOWING = ("BiasAdd", "Relu", "Relu6")
# The version of TensorFlow's graphs that TensorFlow.js writes; some files leave it out.
_PRODUCER = 808


def load_graph(
    path: str | os.PathLike, *outputs: str
) -> Callable[[Any], list[np.ndarray]]:
    """The model's function: its input as an array to its outputs as arrays.

    Args:
        path: the `.json` file; its weights lie beside it.
        *outputs: names of the outputs that are wanted; all of them if none is named.

    Raises:
        InputError: not a graph model, no weights beside it, or outputs, weights or
            fused operators that it does not have or are not known here.
    """
    path = pathlib.Path(path)
    content = _read(path)
    constants = dict(_weights(path, content["weightsManifest"]))
    topology = {**content["modelTopology"], "library": {}}
    topology["versions"] = {"producer": _PRODUCER}
    graph = tf.compat.v1.GraphDef()
    for node in json_format.ParseDict(topology, tf.compat.v1.GraphDef()).node:
        if node.op in _FUSED:
            graph.node.extend(_unfused(node, path))
            continue
        if node.op == "Const":
            value = tf.make_tensor_proto(constants[node.name])
            node.attr["value"].tensor.CopyFrom(value)
        graph.node.append(node)
    graph.versions.producer = _PRODUCER
    (source,) = content["signature"]["inputs"].values()
    named = content["signature"]["outputs"]
    for name in outputs:
        if name not in named:
            raise InputError(f"{path}: no output {name!r}, found {', '.join(named)}")
    targets = [named[name]["name"] for name in outputs or named]
    wrapped = tf.compat.v1.wrap_function(
        lambda: tf.import_graph_def(graph, name=""), []
    )
    function = wrapped.prune(source["name"], targets)
    dtype = source["dtype"].removeprefix("DT_").lower()
    return lambda array: [
        found.numpy() for found in function(tf.constant(array, dtype))
    ]


def count_parameters(path: str | os.PathLike) -> int:
    """Numbers that were learnt: the constants of floating type."""
    path = pathlib.Path(path)
    weights = _weights(path, _read(path)["weightsManifest"])
    return sum(array.size for _, array in weights if array.dtype == np.float32)


def _read(path: pathlib.Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable: {error}") from None
    if not isinstance(content, dict) or content.get("format") != "graph-model":
        raise InputError(f"{path}: not a graph model of TensorFlow.js")
    return content


def _weights(path: pathlib.Path, manifest: list) -> Iterator[tuple[str, np.ndarray]]:
    """Name and value of each constant; float16 becomes float32."""
    for group in manifest:
        try:
            parts = [(path.parent / name).read_bytes() for name in group["paths"]]
        except OSError as error:
            raise InputError(f"{error.filename}: {error.strerror}") from None
        data, start = b"".join(parts), 0
        for entry in group["weights"]:
            stored = entry.get("quantization", entry)["dtype"]
            if stored not in ("float16", "float32", "int32"):
                raise InputError(f"{path}: weight {entry['name']!r} is {stored}")
            count = int(np.prod(entry["shape"]))
            array = np.frombuffer(data, stored, count, start).reshape(entry["shape"])
            start += array.nbytes
            yield entry["name"], array.astype(entry["dtype"])


def _unfused(node: Any, path: pathlib.Path) -> list[Any]:
    """A fused node as those it stands for; the last one has its name."""
    following = [text.decode() for text in node.attr["fused_ops"].list.s]
    unknown = set(following) - set(_FOLLOWING)
    if unknown:
        raise InputError(f"{path}: {node.op} with {', '.join(sorted(unknown))}")
    image, kernel, *arguments = node.input
    names = [f"{node.name}/{step}" for step in range(len(following))] + [node.name]
    first = tf.compat.v1.NodeDef(name=names[0], op=_FUSED[node.op])
    first.input.extend([image, kernel])
    for key in _CONVOLUTION:
        first.attr[key].CopyFrom(node.attr[key])
    nodes = [first]
    for operator, name in zip(following, names[1:], strict=True):
        after = tf.compat.v1.NodeDef(name=name, op=operator)
        after.input.append(nodes[-1].name)
        after.attr["T"].CopyFrom(node.attr["T"])
        if operator == "BiasAdd":
            after.input.append(arguments.pop(0))
            after.attr["data_format"].CopyFrom(node.attr["data_format"])
        nodes.append(after)
    return nodes
