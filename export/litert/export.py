"""From a model to `.tflite` files, their metadata and the report on them."""

import json
import pathlib
import tempfile
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from export.litert.convert import convert
from export.litert.file import with_metadata
from export.litert.latency import describe_machine
from export.litert.measure import (
    Measured,
    keras_answers,
    measure_form,
    measure_keras,
)
from export.litert.operators import count_operators
from export.litert.quantise import quantise
from export.litert.report import write_report
from export.model import Arrays, ExportedModel
from export.validation import Validation
from tfpose.files import write_whole

__all__ = ["export_litert"]

_TITLES = {
    "none": "LiteRT float",
    "fp16": "LiteRT fp16",
    "dynamic": "LiteRT dynamic",
    "int8": "LiteRT int8",
}


def export_litert(
    model: ExportedModel,
    out: pathlib.Path,
    forms: Sequence[str],
    *,
    calibration: Sequence[Arrays] = (),
    validation: Validation | None = None,
    keep_float: Sequence[str] = (),
    runs: int = 50,
) -> list[Measured]:
    """Writes a model's `.tflite` files, their metadata and the report on them.

    Args:
        model: to be exported.
        out: folder. Of one form the file is `model.tflite`, of several each is
            `model_<form>.tflite`.
        forms: of `FORMS`.
        calibration: inputs with a batch of one, for int8.
        validation: what forms are compared on; None for no accuracy.
        keep_float: see `export.litert.quantise`.
        runs: timed ones for each latency; 0 for no latencies.

    Returns:
        Metrics of the Keras net, of LiteRT in float, and of the forms, for each
        signature.

    Raises:
        InputError: an operator that LiteRT lacks, nothing to calibrate with, or a
            disk that cannot be written to.
    """
    floating = convert(model)
    rows = []
    reference = {}
    if validation is not None:
        reference = keras_answers(model, validation.inputs)
        rows += measure_keras(validation, reference)
    with tempfile.TemporaryDirectory() as folder:
        for form in dict.fromkeys(("none", *forms)):
            stem = "model" if len(forms) == 1 else f"model_{form}"
            litert = _description(model, form, keep_float, calibration)
            described = {**model.metadata, "litert": litert}
            file = quantise(model, floating, form, calibration, keep_float)
            file = with_metadata(file, described)
            path = pathlib.Path(folder, f"{form}.tflite")
            if form in forms:
                path = out / f"{stem}.tflite"
                litert["bytes"] = len(file)
                litert["operators"] = _operators(model, file)
                _write(out / f"{stem}.json", json.dumps(described, indent=1) + "\n")
            _write(path, file)
            rows += measure_form(
                _TITLES[form], path, model, validation, reference, runs
            )
    write_report(out, model, rows, validation, describe_machine())
    return rows


def _operators(model: ExportedModel, file: bytes) -> dict[str, Any]:
    """Of each signature how many operators it has, and which no GPU delegate takes."""
    found = {name: count_operators(file, name) for name in model.signatures}
    return {
        name: {"nodes": one.nodes, "not_on_gpu": one.not_on_gpu}
        for name, one in found.items()
    }


def _write(path: pathlib.Path, content: str | bytes) -> None:
    data = content.encode() if isinstance(content, str) else content
    write_whole(path, lambda aside: aside.write_bytes(data))


def _description(
    model: ExportedModel,
    form: str,
    keep_float: Sequence[str],
    calibration: Sequence[Arrays],
) -> dict[str, Any]:
    return {
        "quantize": form,
        "batch": 1,
        "kept_float": {
            name: [*signature.kept, *keep_float]
            for name, signature in model.signatures.items()
        },
        "calibration_samples": len(calibration) if form == "int8" else 0,
        "converter": f"tensorflow {_version('tensorflow', 'tensorflow-cpu')}, "
        f"ai-edge-quantizer {_version('ai-edge-quantizer')}",
        "runtime": f"ai-edge-litert {_version('ai-edge-litert')} or later",
    }


def _version(*names: str) -> str:
    for name in names:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return "unknown"
