"""Models to `.tflite` files in float, by TensorFlow's converter."""

import contextlib
import os
import pathlib
import sys
import tempfile
from collections.abc import Iterator

import tensorflow as tf

from export.litert.file import with_first_signature, with_signature_names
from export.litert.gradients import replace_gradients
from export.litert.sharing import share_weights
from export.model import ExportedModel
from tfpose.errors import InputError

__all__ = ["convert"]


def convert(model: ExportedModel) -> bytes:
    """All signatures in float for a batch of one, built-in operators only.

    They share their weights: the converter stores a constant once.

    Raises:
        InputError: the runtime has no such operator; names it and its layer.
    """
    signatures, owner = model.concrete(batch=1)
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(owner, folder, signatures=signatures)
        replace_gradients(pathlib.Path(folder))
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=list(signatures)
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        try:
            with _silence():
                converted = bytes(converter.convert())
        except Exception as error:
            # The converter's own class has no public name.
            if type(error).__name__ != "ConverterError":
                raise
            raise _refusal(model, error) from None
    # The converter sorts signatures by name.
    main = next(iter(signatures))
    named = with_first_signature(with_signature_names(converted), main)
    return share_weights(named)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keeps pages of the converter's own diagnostics, which it raises too, off stderr.

    They are written by C++, past `sys.stderr`.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _refusal(model: ExportedModel, error: Exception) -> InputError:
    found = []
    for one in getattr(error, "errors", ()):
        if not one.operator.name:
            continue
        calls = [call.name.split("@")[0] for call in one.location.call]
        layer = next((name for name in calls if name), "an unnamed layer")
        found.append(f"{one.operator.name.removeprefix('tf.')} of {layer}")
    if not found:
        found = [str(error).splitlines()[0]]
    return InputError(
        f"{model.name}: LiteRT has no operator {', '.join(dict.fromkeys(found))}; "
        "expected built-in operators only"
    )
