"""Inside a `.tflite` file: our metadata, and the sizes and places of its buffers."""

import json
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from tfpose.errors import InputError

__all__ = ["METADATA_NAME", "read_metadata", "with_metadata"]

METADATA_NAME = "TFPOSE_METADATA"
"""Under this name the file holds its metadata, JSON in UTF-8."""

_ALIGNMENT = 16


class _AlignedBuffer(schema.BufferT):
    """A buffer at a multiple of 16 bytes, as the format asks and runtimes assume.

    The generated Python code for writing forgets about it.
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


def with_metadata(model: bytes, metadata: dict[str, Any]) -> bytes:
    """The model with the metadata in it, in place of earlier ones of ours.

    Weights that a file has behind its table of contents, as quantisers write them,
    come into it, where every runtime finds them.
    """
    content = flatbuffer_utils.read_model_from_bytearray(bytearray(model))
    name = METADATA_NAME.encode()
    entries = [entry for entry in content.metadata or () if entry.name != name]
    entry, buffer = schema.MetadataT(), schema.BufferT()
    buffer.data = np.frombuffer(json.dumps(metadata).encode(), np.uint8)
    entry.name, entry.buffer = METADATA_NAME, len(content.buffers)
    content.buffers.append(buffer)
    content.metadata = [*entries, entry]
    for buffer in content.buffers:
        if buffer.data is not None and len(buffer.data):
            buffer.__class__ = _AlignedBuffer
    builder = flatbuffers.Builder(len(model) + 4096)
    builder.Finish(content.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def read_metadata(model: bytes) -> dict[str, Any]:
    """What `with_metadata` put in.

    Raises:
        InputError: there is nothing of that kind.
    """
    content = schema.Model.GetRootAs(model)
    for i in range(content.MetadataLength()):
        entry = content.Metadata(i)
        if entry.Name() == METADATA_NAME.encode():
            data = content.Buffers(entry.Buffer()).DataAsNumpy()
            return json.loads(data.tobytes())
    raise InputError(f"the model has no metadata {METADATA_NAME}")
