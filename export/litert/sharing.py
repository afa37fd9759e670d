"""Weights that a file has twice, laid out in two ways, are kept once.

Where a signature only uses a dense layer, its weights are transposed, and multiplied
by the batch normalisation behind it. Where a signature changes weights, they must be as
they were trained. The second are computed from the first when the signature starts.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from export.litert.file import packed, unpacked

__all__ = ["share_weights"]

# Bytes from which on sharing is worth two operators.
_LEAST = 4096
# Relative error of a weight that is computed: two roundings of float32.
_NEAR = 3e-7


def share_weights(model: bytes) -> bytes:
    """The file without weights that others can be transposed and scaled to.

    Weights of the first graph, the main signature's, stay as they are.

    Args:
        model: a `.tflite` file in float.
    """
    content = unpacked(model)
    kept: list[tuple[int, np.ndarray]] = []
    for graph in content.subgraphs:
        changes = []
        for tensor in graph.tensors:
            values = _weights(content, tensor)
            if values is None or tensor.buffer in [buffer for buffer, _ in kept]:
                continue
            found = next(_sources(kept, values), None)
            if found is not None:
                changes.append((tensor, found))
            elif len(tensor.shape) == 2:
                kept.append((tensor.buffer, values))
        for tensor, source in changes:
            _compute(content, graph, tensor, source)
    used = {tensor.buffer for graph in content.subgraphs for tensor in graph.tensors}
    for number, buffer in enumerate(content.buffers):
        if number not in used and number not in _metadata_buffers(content):
            buffer.data = None
    return packed(content)


@dataclasses.dataclass(frozen=True)
class _Source:
    """Weights are the transposed buffer times a factor for each column."""

    buffer: int
    shape: tuple[int, int]
    factors: np.ndarray


def _weights(content: schema.ModelT, tensor: schema.TensorT) -> np.ndarray | None:
    data = content.buffers[tensor.buffer].data
    if data is None or len(data) < _LEAST or tensor.type != schema.TensorType.FLOAT32:
        return None
    values = np.asarray(data, np.uint8).tobytes()
    return np.frombuffer(values, np.float32).reshape(tensor.shape)


def _sources(
    kept: list[tuple[int, np.ndarray]], values: np.ndarray
) -> Iterator[_Source]:
    """Which of the kept weights these can be computed from."""
    for buffer, stored in kept:
        rows, columns = stored.shape
        if stored.size != values.size or values.shape[-1] != rows:
            continue
        wanted = values.reshape(columns, rows)
        turned = stored.T
        length = np.sum(turned * turned, axis=0, dtype=np.float64)
        if not length.all():
            continue
        factors = np.sum(wanted * turned, axis=0, dtype=np.float64) / length
        factors = factors.astype(np.float32)
        if np.allclose(turned * factors, wanted, rtol=_NEAR, atol=1e-30):
            yield _Source(buffer, (rows, columns), factors)


def _compute(
    content: schema.ModelT,
    graph: schema.SubGraphT,
    tensor: schema.TensorT,
    source: _Source,
) -> None:
    """Makes the tensor the result of operators at the beginning of its graph."""
    maker = _Maker(content, graph, tensor.name)
    rows, columns = source.shape
    stored = maker.tensor(b"stored", [rows, columns], source.buffer)
    order = maker.constant(b"order", np.array([1, 0], np.int32))
    steps: list[tuple[int, list[int], list[int], Any]] = [
        (schema.BuiltinOperator.TRANSPOSE, [order], [columns, rows], None)
    ]
    if not (source.factors == 1).all():
        factors = maker.constant(b"factors", source.factors[None])
        kind = schema.BuiltinOperator.MUL
        steps.append((kind, [factors], [columns, rows], schema.MulOptionsT()))
    shape = list(tensor.shape)
    if shape != [columns, rows]:
        sides = maker.constant(b"sides", np.array(shape, np.int32))
        options = schema.ReshapeOptionsT()
        options.newShape = shape
        steps.append((schema.BuiltinOperator.RESHAPE, [sides], shape, options))
    last = next(i for i, one in enumerate(graph.tensors) if one is tensor)
    tensor.buffer = 0
    operators = []
    for number, (kind, others, result, options) in enumerate(steps):
        ends = number == len(steps) - 1
        made = last if ends else maker.tensor(b"step%d" % number, result, 0)
        operators.append(maker.operator(kind, [stored, *others], made, options))
        stored = made
    graph.operators[:0] = operators


_OPTIONS = {
    schema.BuiltinOperator.MUL: schema.BuiltinOptions.MulOptions,
    schema.BuiltinOperator.RESHAPE: schema.BuiltinOptions.ReshapeOptions,
}


@dataclasses.dataclass(frozen=True)
class _Maker:
    """Adds tensors and operators to a graph, for one tensor of it."""

    content: schema.ModelT
    graph: schema.SubGraphT
    name: bytes

    def tensor(
        self,
        part: bytes,
        shape: list[int],
        buffer: int,
        kind: int = schema.TensorType.FLOAT32,
    ) -> int:
        made = schema.TensorT()
        made.name, made.shape, made.buffer = self.name + b"/" + part, shape, buffer
        made.type = kind
        self.graph.tensors.append(made)
        return len(self.graph.tensors) - 1

    def constant(self, part: bytes, values: np.ndarray) -> int:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self.content.buffers.append(buffer)
        whole = values.dtype == np.int32
        kind = schema.TensorType.INT32 if whole else schema.TensorType.FLOAT32
        place = len(self.content.buffers) - 1
        return self.tensor(part, list(values.shape), place, kind)

    def operator(
        self, kind: int, inputs: list[int], output: int, options: Any
    ) -> schema.OperatorT:
        made = schema.OperatorT()
        made.opcodeIndex = self._code(kind)
        made.inputs, made.outputs = inputs, [output]
        made.builtinOptionsType = _OPTIONS.get(kind, 0)
        made.builtinOptions = options
        return made

    def _code(self, kind: int) -> int:
        codes = self.content.operatorCodes
        for place, code in enumerate(codes):
            if code.builtinCode == kind:
                return place
        made = schema.OperatorCodeT()
        # Both fields, for readers that are older than the second.
        made.builtinCode = made.deprecatedBuiltinCode = kind
        made.version = 1
        codes.append(made)
        return len(codes) - 1


def _metadata_buffers(content: schema.ModelT) -> set[int]:
    return {0, *(entry.buffer for entry in content.metadata or ())}
