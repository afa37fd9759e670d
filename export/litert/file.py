"""Reads and changes `.tflite` files: metadata, names and order of signatures."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from tfpose.errors import InputError

__all__ = [
    "METADATA_NAME",
    "packed",
    "read_metadata",
    "read_signatures",
    "unpacked",
    "with_first_signature",
    "with_metadata",
    "with_signature_names",
]

METADATA_NAME = "TFPOSE_METADATA"
"""Under this name the file holds its metadata, JSON in UTF-8."""

_ALIGNMENT = 16


class _AlignedBuffer(schema.BufferT):
    """A buffer at a multiple of 16 bytes, as the format asks and runtimes assume.

    The generated Python code does not align it.
    """

    def Pack(self, builder: flatbuffers.Builder) -> int:
        data = np.asarray(self.data, np.uint8).tobytes()
        builder.StartVector(1, len(data), _ALIGNMENT)
        builder.head -= len(data)
        builder.Bytes[builder.head : builder.head + len(data)] = data
        vector = builder.EndVector()
        schema.BufferStart(builder)
        schema.BufferAddData(builder, vector)
        return schema.BufferEnd(builder)


def unpacked(model: bytes) -> schema.ModelT:
    """The content of a file, to be changed and packed again.

    Weights that a file has behind its table of contents, as quantisers write them,
    come into it, where every runtime finds them.
    """
    return flatbuffer_utils.read_model_from_bytearray(bytearray(model))


def packed(content: schema.ModelT) -> bytes:
    """A file of this content."""
    for buffer in content.buffers:
        if buffer.data is not None and len(buffer.data):
            buffer.__class__ = _AlignedBuffer
    size = sum(
        len(buffer.data) for buffer in content.buffers if buffer.data is not None
    )
    builder = flatbuffers.Builder(size + 4096)
    builder.Finish(content.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def with_metadata(model: bytes, metadata: dict[str, Any]) -> bytes:
    """The model with the metadata in it, in place of earlier ones of ours."""
    content = unpacked(model)
    name = METADATA_NAME.encode()
    entries = [entry for entry in content.metadata or () if entry.name != name]
    entry, buffer = schema.MetadataT(), schema.BufferT()
    buffer.data = np.frombuffer(json.dumps(metadata).encode(), np.uint8)
    entry.name, entry.buffer = METADATA_NAME, len(content.buffers)
    content.buffers.append(buffer)
    content.metadata = [*entries, entry]
    return packed(content)


def read_metadata(model: bytes) -> dict[str, Any]:
    """The metadata that `with_metadata` wrote.

    Raises:
        InputError: the file has none.
    """
    content = schema.Model.GetRootAs(model)
    for i in range(content.MetadataLength()):
        entry = content.Metadata(i)
        if entry.Name() == METADATA_NAME.encode():
            data = content.Buffers(entry.Buffer()).DataAsNumpy()
            return json.loads(data.tobytes())
    raise InputError(f"the model has no metadata {METADATA_NAME}")


def read_signatures(model: bytes) -> list[str]:
    """Names of the signatures; the first runs when none is named."""
    content = schema.Model.GetRootAs(model)
    found = [content.SignatureDefs(i) for i in range(content.SignatureDefsLength())]
    found.sort(key=lambda one: one.SubgraphIndex())
    return [one.SignatureKey().decode() for one in found]


def with_signature_names(model: bytes) -> bytes:
    """Names of tensors begin with their signature's: `lift/dense/MatMul`.

    So a regular expression can mean the operators of one signature, with those of its
    loops and branches. A model of one
    signature stays as it is.
    """
    if len(read_signatures(model)) == 1:
        return model
    content = unpacked(model)
    for signature in content.signatureDefs:
        for place in _called(content, signature.subgraphIndex):
            for tensor in content.subgraphs[place].tensors:
                tensor.name = signature.signatureKey + b"/" + tensor.name
    return packed(content)


def _called(content: schema.ModelT, place: int) -> set[int]:
    """A graph, and those of the loops and branches in it."""
    found = {place}
    for options, field in _calls(content.subgraphs[place].operators):
        found |= _called(content, getattr(options, field))
    return found


def with_first_signature(model: bytes, name: str) -> bytes:
    """The model with that signature's graph before all others.

    Runtimes run the first graph when no signature is named, and LiteRT's interpreter
    lists the operators of the first graph only.
    """
    if read_signatures(model)[0] == name:
        return model
    content = unpacked(model)
    places = {one.signatureKey.decode(): one for one in content.signatureDefs}
    place = places[name].subgraphIndex
    order = [place, *(i for i in range(len(content.subgraphs)) if i != place)]
    moved = {old: new for new, old in enumerate(order)}
    content.subgraphs = [content.subgraphs[old] for old in order]
    for signature in content.signatureDefs:
        signature.subgraphIndex = moved[signature.subgraphIndex]
    content.signatureDefs.sort(key=lambda one: one.subgraphIndex)
    for graph in content.subgraphs:
        _renumber(graph.operators, moved)
    return packed(content)


def _renumber(operators: Sequence[Any], moved: dict[int, int]) -> None:
    for options, field in _calls(operators):
        number = getattr(options, field)
        setattr(options, field, moved.get(number, number))


def _calls(operators: Sequence[Any]) -> Iterator[tuple[Any, str]]:
    """Loops and branches name the graphs that they run by number, in these fields."""
    for operator in operators:
        for options in (operator.builtinOptions, operator.builtinOptions2):
            for field in vars(options or object):
                if field.endswith("ubgraphIndex"):
                    yield options, field
