"""A function to `.tflite` files, their metadata and the report on them."""

import json
import pathlib
import tempfile
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from export.benchmark import describe_machine
from export.function import ExportFunction
from export.litert.convert import convert, quantise
from export.litert.file import with_metadata
from export.litert.report import (
    Measured,
    keras_answers,
    measure_form,
    write_report,
)
from export.validation import Arrays, Validation
from tfpose.files import write_whole

__all__ = ["export_litert"]

_TITLES = {
    "none": "LiteRT float",
    "fp16": "LiteRT fp16",
    "dynamic": "LiteRT dynamic",
    "int8": "LiteRT int8",
}


def export_litert(
    function: ExportFunction,
    out: pathlib.Path,
    forms: Sequence[str],
    *,
    calibration: Sequence[Arrays] = (),
    validation: Validation | None = None,
    keep_float: Sequence[str] = (),
    runs: int = 50,
) -> list[Measured]:
    """Writes a function's `.tflite` files, their metadata and the report on them.

    Args:
        function: to be exported.
        out: folder. Of one form the model is `model.tflite`, of several each is
            `model_<form>.tflite`.
        forms: of `FORMS`.
        calibration: inputs with a batch of one, for int8.
        validation: what forms are compared on; None for no accuracy.
        keep_float: see `export.litert.convert.quantise`; beside `function.kept`.
        runs: timed ones for each latency; 0 for no latencies.

    Returns:
        Figures of the Keras net, of LiteRT in float, and of the forms.

    Raises:
        InputError: an operator that LiteRT lacks, nothing to calibrate with, or a
            disk that cannot be written to.
    """
    floating = convert(function)
    kept = [*function.kept, *keep_float]
    told = function.metadata
    rows = []
    reference = None
    if validation is not None:
        reference = keras_answers(function, validation.inputs)
        rows.append(Measured("Keras float", *validation.score(reference)))
    with tempfile.TemporaryDirectory() as folder:
        for form in dict.fromkeys(("none", *forms)):
            stem = "model" if len(forms) == 1 else f"model_{form}"
            described = {**told, "litert": _description(form, kept, calibration)}
            model = quantise(floating, form, calibration, kept, function.varied)
            model = with_metadata(model, described)
            path = pathlib.Path(folder, f"{form}.tflite")
            if form in forms:
                path = out / f"{stem}.tflite"
                described["litert"]["bytes"] = len(model)
                _write(out / f"{stem}.json", json.dumps(described, indent=1) + "\n")
            _write(path, model)
            rows.append(measure_form(_TITLES[form], path, validation, reference, runs))
    write_report(out, function, rows, validation, describe_machine())
    return rows


def _write(path: pathlib.Path, content: str | bytes) -> None:
    data = content.encode() if isinstance(content, str) else content
    write_whole(path, lambda aside: aside.write_bytes(data))


def _description(
    form: str, kept: Sequence[str], calibration: Sequence[Arrays]
) -> dict[str, Any]:
    return {
        "quantize": form,
        "batch": 1,
        "kept_float": list(kept),
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
