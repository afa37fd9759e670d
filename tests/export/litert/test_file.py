"""Metadata inside `.tflite` files."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from export.litert.file import (
    read_metadata,
    with_metadata,
)
from export.litert.quantise import quantise
from tests.export.conftest import dots_pictures
from tfpose.errors import InputError


def _run(model, picture):
    runner = Interpreter(model_content=model).get_signature_runner()
    return runner(image=picture[None])["keypoints"]


def test_metadata_travels_in_the_file(dots_model, dots_file):
    picture = dots_pictures(1)[0][0]
    with pytest.raises(InputError, match="no metadata TFPOSE_METADATA"):
        read_metadata(dots_file)
    for form in ("none", "fp16"):
        plain = quantise(dots_model, dots_file, form)
        told = with_metadata(plain, {"units": "Pixel ½", "a": [1, 2]})
        assert read_metadata(told) == {"units": "Pixel ½", "a": [1, 2]}
        assert np.array_equal(_run(told, picture), _run(plain, picture))
        again = with_metadata(told, dots_model.metadata)
        assert read_metadata(again) == dots_model.metadata
        assert again[4:8] == b"TFL3"
        _check_buffers(again)


def _check_buffers(model):
    """All in the table of contents, at multiples of 16 bytes."""
    content = schema.Model.GetRootAs(model)
    for i in range(content.BuffersLength()):
        buffer = content.Buffers(i)
        assert buffer.Offset() == 0
        if buffer.DataLength():
            assert buffer._tab.Vector(buffer._tab.Offset(4)) % 16 == 0
