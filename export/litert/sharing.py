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

# Bytes, in float32, from which on sharing is worth two operators.
_LEAST = 1024
# Relative error of a weight that is computed: two roundings of float32.
_NEAR = 3e-7
# Of matrices and of the kernels of convolutions.
_RANKS = (2, 4)
# How the kernel of a convolution becomes that of its gradient: inputs and outputs swap.
_SWAPPED = (3, 1, 2, 0)
_DTYPES: dict[int, np.dtype[Any]] = {
    schema.TensorType.FLOAT32: np.dtype(np.float32),
    schema.TensorType.FLOAT16: np.dtype(np.float16),
    schema.TensorType.INT8: np.dtype(np.int8),
}


def share_weights(model: bytes) -> bytes:
    """The file without weights that can be computed from others.

    Weights of the first graph, the main signature's, stay as they are. If they were
    quantised, other signatures start from the quantised ones, in float.

    Args:
        model: a `.tflite` file.
    """
    content = unpacked(model)
    kept: list[_Kept] = []
    for graph in content.subgraphs:
        changes = []
        for tensor in _in_order(content, graph):
            found = _Kept.of(content, tensor)
            if found is None or any(tensor.buffer == one.buffer for one in kept):
                continue
            source = None
            if tensor.type == schema.TensorType.FLOAT32:
                source = next(_sources(kept, found.values), None)
            if source is not None:
                changes.append((tensor, source))
            elif len(tensor.shape) in _RANKS:
                kept.append(found)
        for tensor, source in changes:
            _compute(content, graph, tensor, source)
    used = {tensor.buffer for graph in content.subgraphs for tensor in graph.tensors}
    used |= {0, *(entry.buffer for entry in content.metadata or ())}
    for number, buffer in enumerate(content.buffers):
        if number not in used:
            buffer.data = None
    return packed(content)


def _in_order(content: schema.ModelT, graph: schema.SubGraphT) -> list[schema.TensorT]:
    """Tensors of a graph, those first that are to be kept rather than computed.

    Without a stored kernel both kinds of convolution are left to slower operators, and
    the transposed one loses more.
    """
    kernels = {
        int(operator.inputs[1])
        for operator in graph.operators or ()
        if content.operatorCodes[operator.opcodeIndex].builtinCode
        == schema.BuiltinOperator.TRANSPOSE_CONV
    }
    others = [i for i in range(len(graph.tensors)) if i not in kernels]
    return [graph.tensors[i] for i in (*sorted(kernels), *others)]


@dataclasses.dataclass(frozen=True)
class _Kept:
    """Weights in the file.

    Attributes:
        tensor: one that has them.
        values: in float32.
        error: how far each may be from what was quantised.
    """

    tensor: schema.TensorT
    values: np.ndarray
    error: np.ndarray

    @classmethod
    def of(cls, content: schema.ModelT, tensor: schema.TensorT) -> "_Kept | None":
        data = content.buffers[tensor.buffer].data
        dtype = _DTYPES.get(tensor.type)
        if data is None or dtype is None or len(data) < _LEAST // 4 * dtype.itemsize:
            return None
        stored = np.frombuffer(np.asarray(data, np.uint8).tobytes(), dtype)
        values: np.ndarray = stored.reshape(tensor.shape).astype(np.float32)
        error: np.ndarray = np.zeros_like(values)
        if tensor.type == schema.TensorType.FLOAT16:
            error = np.abs(values) * 2.0**-10 + 2.0**-24
        elif tensor.type == schema.TensorType.INT8:
            scale = getattr(tensor.quantization, "scale", None)
            if scale is None or len(scale) not in (1, len(values)):
                return None
            # One for each row, or for all.
            steps = np.reshape(scale, (-1, *[1] * (values.ndim - 1)))
            values = values * np.float32(steps)
            error = np.broadcast_to(0.51 * steps, values.shape)
        return cls(tensor, values, error)

    @property
    def buffer(self) -> int:
        return self.tensor.buffer

    @property
    def quantised(self) -> bool:
        return self.tensor.type != schema.TensorType.FLOAT32


@dataclasses.dataclass(frozen=True)
class _Source:
    """What weights are computed from.

    Attributes:
        kept: if it is quantised, its values are the weights. Otherwise its transposed
            values are, times `factors`.
        order: of the axes, transposed; empty if it is quantised.
        factors: one for each column of a matrix; None for 1.
    """

    kept: _Kept
    order: tuple[int, ...] = ()
    factors: np.ndarray | None = None


def _sources(kept: list[_Kept], wanted: np.ndarray) -> Iterator[_Source]:
    """From which of the kept weights these can be computed."""
    for one in kept:
        stored = one.values
        if one.quantised:
            near = stored.shape == wanted.shape and np.all(
                np.abs(stored - wanted) <= one.error
            )
            if near:
                yield _Source(one)
            continue
        sides = wanted.shape
        if stored.ndim == 4:
            if np.array_equal(stored.transpose(_SWAPPED), wanted):
                yield _Source(one, _SWAPPED)
            continue
        if stored.size != wanted.size or sides[-1:] != stored.shape[:1]:
            continue
        turned = stored.T
        flat = wanted.reshape(turned.shape)
        length = np.asarray(np.sum(turned * turned, axis=0, dtype=np.float64))
        if not length.all():
            continue
        sums = np.asarray(np.sum(flat * turned, axis=0, dtype=np.float64))
        factors = np.asarray(sums / length, np.float32)
        if np.allclose(turned * factors, flat, rtol=_NEAR, atol=1e-30):
            scaled = not (factors == 1).all()
            yield _Source(one, (1, 0), factors if scaled else None)


def _compute(
    content: schema.ModelT,
    graph: schema.SubGraphT,
    tensor: schema.TensorT,
    source: _Source,
) -> None:
    """Makes the tensor the result of operators at the beginning of its graph."""
    maker = _Maker(content, graph, tensor.name)
    kept = source.kept.tensor
    sides, shape = list(kept.shape), list(tensor.shape)
    stored = maker.tensor(b"stored", sides, kept.buffer, kept.type)
    steps: list[tuple[int, list[int], list[int], Any]] = []
    if not source.order:
        graph.tensors[stored].quantization = kept.quantization
        steps.append((schema.BuiltinOperator.DEQUANTIZE, [], sides, None))
    else:
        sides = [sides[axis] for axis in source.order]
        order = maker.constant(b"order", np.array(source.order, np.int32))
        steps.append((schema.BuiltinOperator.TRANSPOSE, [order], sides, None))
        if source.factors is not None:
            factors = maker.constant(b"factors", source.factors[None])
            kind = schema.BuiltinOperator.MUL
            steps.append((kind, [factors], sides, schema.MulOptionsT()))
    if shape != sides:
        wanted = maker.constant(b"sides", np.array(shape, np.int32))
        options = schema.ReshapeOptionsT()
        options.newShape = shape
        steps.append((schema.BuiltinOperator.RESHAPE, [wanted], shape, options))
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
