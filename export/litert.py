"""`python -m export.litert`: nets for phones, browsers and anything else with LiteRT.

Makes a folder with the model, `model.tflite`, what its user has to know of it,
`model.json`, and what it is worth, `report.json`, `report.md` and `report.png`.
"""

import argparse
import json
import pathlib
import re
import tempfile
from collections.abc import Sequence
from importlib import metadata
from typing import Any

import tfpose  # noqa: F401  # isort: skip  # First: it keeps TensorFlow quiet.
import keras

from data_pipelines.datasets import DATASETS, SPLITS
from data_pipelines.lifting.datasets import LIFTING_DATASETS, LIFTING_SPLITS
from export.benchmark import describe_machine
from export.function import ExportFunction
from export.lifter import lifter_function
from export.litert_convert import FORMS, convert, quantise
from export.litert_data import (
    Arrays,
    Validation,
    lifting_calibration,
    lifting_validation,
    pose_calibration,
    pose_validation,
)
from export.litert_file import with_metadata
from export.litert_report import (
    Measured,
    keras_answers,
    measure_form,
    write_report,
)
from export.pose_net import pose_function
from tfpose.command_line import run_command
from tfpose.errors import InputError
from tfpose.files import write_whole
from tfpose.lifters.net import LiftingNet
from tfpose.skeletons import get_skeleton
from tfpose.top_down.net import HeatmapNet
from tfpose.weights.keras_file import load_keras

__all__ = ["export_litert", "main"]

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
        keep_float: see `export.litert_convert.quantise`; beside `function.kept`.
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Exports a net; exit code 2 and one line for bad input."""
    run_command(_parser(), _run, arguments)


def _run(chosen: argparse.Namespace) -> None:
    forms = chosen.quantize.split(",")
    for form in forms:
        if form not in FORMS:
            raise InputError(f"quantize: {form!r} is none of {', '.join(FORMS)}")
    net = load_keras(chosen.model)
    function = _function(net, chosen)
    lifting = isinstance(net, LiftingNet)
    _check_dataset(chosen, lifting)
    validation = _validation(function, chosen, lifting) if chosen.data_dir else None
    samples: list[Arrays] = []
    if "int8" in forms:
        source = chosen.calibration or chosen.data_dir
        if not source:
            raise InputError(
                "int8 must see real inputs: expected --calibration, a folder of "
                "pictures or a data set, or --data_dir"
            )
        given = function, chosen.dataset, source, chosen.calibration_samples
        if lifting:
            samples = lifting_calibration(*given, chosen.stride)
        else:
            samples = pose_calibration(*given)
    rows = export_litert(
        function,
        pathlib.Path(chosen.out),
        forms,
        calibration=samples,
        validation=validation,
        keep_float=chosen.keep_float,
        runs=chosen.runs,
    )
    for row in rows:
        figures = {**row.figures, **row.difference()}
        text = ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
        print(f"{row.name:16s} {text}")
    print(f"{chosen.out}: see report.md")


def _validation(
    function: ExportFunction, chosen: argparse.Namespace, lifting: bool
) -> Validation:
    given = function, chosen.dataset, chosen.data_dir, chosen.split, chosen.limit
    if lifting:
        subjects = [name for name in chosen.subjects.split(",") if name]
        return lifting_validation(*given, subjects, chosen.stride)
    return pose_validation(*given)


def _check_dataset(chosen: argparse.Namespace, lifting: bool) -> None:
    """Fills in the split, and refuses kinds of data that are not for the net."""
    known = LIFTING_DATASETS if lifting else DATASETS
    splits = LIFTING_SPLITS if lifting else SPLITS
    if not chosen.dataset:
        chosen.dataset = "h36m" if lifting else "coco_format"
    chosen.split = chosen.split or splits[-1]
    for name, value, choices in (
        ("dataset", chosen.dataset, list(known)),
        ("split", chosen.split, list(splits)),
    ):
        if value not in choices:
            raise InputError(
                f"{name} is {value!r}, expected for this net one of "
                f"{', '.join(choices)}"
            )


def _function(net: keras.Model, chosen: argparse.Namespace) -> ExportFunction:
    name = chosen.name or re.sub(r"[^\w.-]", "_", pathlib.Path(chosen.model).stem)
    if isinstance(net, LiftingNet):
        skeleton = get_skeleton(chosen.skeleton) if chosen.skeleton else None
        if chosen.image_size:
            raise InputError("image_size is for pose nets, and this net is a lifter")
        return lifter_function(net, skeleton, flip_test=chosen.flip_test, name=name)
    if chosen.skeleton:
        raise InputError("skeleton is for lifters, and this net is none")
    if not isinstance(net, HeatmapNet):
        raise InputError(
            f"{chosen.model}: is a {type(net).__name__}, expected a pose net or lifter"
        )
    size = None
    if chosen.image_size:
        found = re.fullmatch(r"(\d+),(\d+)", chosen.image_size)
        if not found:
            raise InputError(
                f"image_size is {chosen.image_size!r}, expected HEIGHT,WIDTH"
            )
        size = int(found.group(1)), int(found.group(2))
    return pose_function(
        net, size, dtype=chosen.dtype, flip_test=chosen.flip_test, name=name
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m export.litert",
        description="A .tflite model of a pose net or lifter, and what it is worth.",
    )
    add = parser.add_argument
    add("--model", required=True, help="a .keras pose net or lifter")
    add("--out", default="litert", help="folder for the model and the report")
    add("--name", default="", help="of the model; default: the file's")
    add("--quantize", default="none", help=f"{', '.join(FORMS)}; or several by commas")
    add("--image_size", default="", help="HEIGHT,WIDTH of pictures; default: the net's")
    add("--dtype", default="uint8", help="of pixels: uint8 or float32")
    add("--flip_test", action="store_true", help="mirrored, too: twice the time")
    add("--skeleton", default="", help="of the keypoints that a lifter gets")
    add("--dataset", default="", help="kind of data; default: coco_format, or h36m")
    add("--data_dir", default="", help="data set to measure on; default: none")
    add("--split", default="", help="of it; default: val, for lifters test")
    add("--subjects", default="", help="of 3D data, by commas; default: the split's")
    add("--stride", type=int, default=1, help="of 3D data: frames from one to the next")
    add("--limit", type=int, default=0, help="people or poses of it; default: all")
    add(
        "--calibration",
        default="",
        help="for int8: folder of pictures of one person each, or data set whose "
        "train is taken; default: data_dir",
    )
    add("--calibration_samples", type=int, default=200, help="at most")
    add(
        "--keep_float",
        action="append",
        default=[],
        metavar="REGEX",
        help="operators with such names are not quantised; may be repeated",
    )
    add("--runs", type=int, default=50, help="timed, for each latency; 0 for none")
    return parser


if __name__ == "__main__":
    main()
