"""`python -m export.litert`: nets for phones, browsers and anything else with LiteRT.

Makes a folder with the model, `model.tflite`, what its user has to know of it,
`model.json`, and how good it is, `report.json`, `report.md` and `report.png`.
"""

import argparse
import pathlib
import re
from collections.abc import Sequence

import tfpose  # noqa: F401  # isort: skip  # First: it keeps TensorFlow quiet.

from export.kinds import KINDS, Options, find_kind, read_image_size
from export.litert.export import export_litert
from export.litert.quantise import FORMS
from export.model import Arrays
from tfpose.command_line import run_command
from tfpose.errors import InputError
from tfpose.weights.keras_file import load_keras

__all__ = ["main"]

_NETS = " or ".join(kind.name for kind in KINDS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Exports a net; exit code 2 and one line for bad input."""
    run_command(_parser(), _run, arguments)


def _run(chosen: argparse.Namespace) -> None:
    forms = chosen.quantize.split(",")
    for form in forms:
        if form not in FORMS:
            raise InputError(f"quantize: {form!r} is none of {', '.join(FORMS)}")
    net = load_keras(chosen.model)
    kind = find_kind(net, chosen.model)
    options = kind.checked(_options(chosen))
    name = chosen.name or re.sub(r"[^\w.-]", "_", pathlib.Path(chosen.model).stem)
    model = kind.for_devices(net, name, options)
    validation = None
    if chosen.data_dir:
        validation = kind.validate(model, chosen.data_dir, options)
    samples: list[Arrays] = []
    if "int8" in forms:
        source = chosen.calibration or chosen.data_dir
        if not source:
            raise InputError(
                "int8 must see real inputs: expected --calibration, a folder of "
                "pictures or a data set, or --data_dir"
            )
        samples = kind.calibrate(model, source, chosen.calibration_samples, options)
    rows = export_litert(
        model,
        pathlib.Path(chosen.out),
        forms,
        calibration=samples,
        validation=validation,
        keep_float=chosen.keep_float,
        runs=chosen.runs,
    )
    for row in rows:
        metrics = {**row.metrics, **row.difference()}
        text = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        print(f"{row.name:16s} {row.signature}: {text}")
    print(f"{chosen.out}: see report.md")


def _options(chosen: argparse.Namespace) -> Options:
    return Options(
        flip_test=chosen.flip_test,
        skeleton=chosen.skeleton,
        image_size=read_image_size(chosen.image_size),
        slots=chosen.slots,
        dtype=chosen.dtype,
        output=tuple(chosen.output.split(",")),
        dataset=chosen.dataset,
        split=chosen.split,
        subjects=tuple(name for name in chosen.subjects.split(",") if name),
        stride=chosen.stride,
        limit=chosen.limit,
        adapt=chosen.adapt,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m export.litert",
        description=f"A .tflite model of a {_NETS}, and how good it is.",
    )
    add = parser.add_argument
    add("--model", required=True, help=f"a .keras {_NETS}")
    add("--out", default="litert", help="folder for the model and the report")
    add("--name", default="", help="of the model; default: the file's")
    add("--quantize", default="none", help=f"{', '.join(FORMS)}; or several by commas")
    add("--image_size", default="", help="HEIGHT,WIDTH of pictures; default: the net's")
    add("--slots", type=int, help="people in a picture at most; default: the net's")
    add("--dtype", default="uint8", help="of pixels: uint8 or float32")
    add(
        "--output",
        default="keypoints",
        help="keypoints; or heatmaps, for GPUs of phones, which cannot decode them; "
        "or both by commas",
    )
    add("--flip_test", action="store_true", help="mirrored, too: twice the time")
    add("--skeleton", default="", help="of the keypoints that a lifter gets")
    add(
        "--adapt",
        default="",
        help="how a net adapts, such as metta, or iso,mode=vanilla,steps=3: a second "
        "signature, adapt_and_locate of a pose net, adapt_and_lift of a lifter",
    )
    add("--dataset", default="", help="kind of data; default: the usual for the net")
    add("--data_dir", default="", help="data set to measure on; default: none")
    add("--split", default="", help="of it; default: the one to validate on")
    add("--subjects", default="", help="of 3D data, by commas; default: the split's")
    add("--stride", type=int, default=1, help="of 3D data: frames from one to the next")
    add(
        "--limit",
        type=int,
        default=0,
        help="people or poses of it, pictures for a boxless net; default: all",
    )
    add(
        "--calibration",
        default="",
        help="for int8: folder of pictures as the net gets them, or data set whose "
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
