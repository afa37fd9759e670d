"""`python -m export.litert`: nets for phones, browsers and anything else with LiteRT.

Makes a folder with the model, `model.tflite`, what its user has to know of it,
`model.json`, and what it is worth, `report.json`, `report.md` and `report.png`.
"""

import argparse
import pathlib
import re
from collections.abc import Sequence

import tfpose  # noqa: F401  # isort: skip  # First: it keeps TensorFlow quiet.
import keras

from data_pipelines.lifting.datasets import LIFTING_DATASETS, LIFTING_SPLITS
from data_pipelines.readers.datasets import DATASETS, SPLITS
from export.function import ExportFunction
from export.lifter import lifter_function
from export.litert.convert import FORMS
from export.litert.export import export_litert
from export.pose_net import pose_function
from export.validation import (
    Arrays,
    Validation,
    lifting_calibration,
    lifting_validation,
    pose_calibration,
    pose_validation,
)
from tfpose.command_line import run_command
from tfpose.errors import InputError
from tfpose.lifters.net import LiftingNet
from tfpose.skeletons import get_skeleton
from tfpose.top_down.net import HeatmapNet
from tfpose.weights.keras_file import load_keras

__all__ = ["main"]


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
        metrics = {**row.metrics, **row.difference()}
        text = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
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
