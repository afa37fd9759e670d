"""What exported nets are worth: accuracy by form, and speed beside ONNX Runtime.

    python -m benchmarks.export_quality quality --data_dir=../shared/data/lspet
    python -m benchmarks.export_quality culprits --data_dir=../shared/data/lspet
    python -m benchmarks.export_quality speed --onnx=hrnet_w32_256x192.onnx

`quality` measures every form on all people of val. `culprits` keeps one part of the
net after another in float, and so shows which of them int8 harms. `speed` times a net
of random weights, in turn with ONNX Runtime (any version, to be installed for this) on
the same cores if a file of the same net is given; want a quiet machine for it.
"""

import pathlib
import statistics

import numpy as np
from absl import app, flags

from benchmarks.onnx_peer import time_onnx_apart
from export.benchmark import Setting, describe_machine, measure_apart
from export.litert import export_litert
from export.litert_convert import FORMS, convert, quantise
from export.litert_data import pose_calibration, pose_validation
from export.litert_report import answers, keras_answers
from export.pose_net import pose_function
from tfpose.errors import InputError
from tfpose.skeletons import get_skeleton
from tfpose.top_down.net import build_heatmap_net
from tfpose.weights.keras_file import load_keras

__all__ = ["main"]

_NET = flags.DEFINE_string("net", "tfpose/weights/default.keras", "Whose quality.")
_DATA_DIR = flags.DEFINE_string("data_dir", "../shared/data/lspet", "COCO format.")
_OUT = flags.DEFINE_string("out", "runs/export", "Folder for files and reports.")
_LIMIT = flags.DEFINE_integer("limit", 0, "People at most; 0 for all.")
_PARTS = flags.DEFINE_list(
    "parts",
    ["normalization", "stem", "stage1", "stage2", "stage3", "stage4", "add", "head_"],
    "Expressions for names of operators.",
)
_SPEED_NET = flags.DEFINE_string("speed_net", "hrnet_w32", "Whose speed.")
_SPEED_SIZE = flags.DEFINE_list("speed_size", ["256", "192"], "Height, width.")
_ONNX = flags.DEFINE_string("onnx", "", "The same net for ONNX Runtime, in float.")
_RUNS = flags.DEFINE_integer("runs", 30, "Timed, each time.")
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Times that each is timed, in turn.")

_THREADS = (1, 2)


def _quality() -> None:
    function = pose_function(load_keras(_NET.value))
    export_litert(
        function,
        pathlib.Path(_OUT.value, "quality"),
        FORMS,
        calibration=pose_calibration(function, "coco_format", _DATA_DIR.value, 200),
        validation=pose_validation(
            function, "coco_format", _DATA_DIR.value, "val", _LIMIT.value
        ),
        runs=_RUNS.value,
    )
    print(pathlib.Path(_OUT.value, "quality", "report.md").read_text())


def _culprits() -> None:
    function = pose_function(load_keras(_NET.value))
    samples = pose_calibration(function, "coco_format", _DATA_DIR.value, 100)
    people = pose_validation(
        function, "coco_format", _DATA_DIR.value, "val", _LIMIT.value
    )
    expected = keras_answers(function, people.inputs)
    model = convert(function)
    print("| kept in float | median, px | 95 %, px | pck | ap |")
    print("|---|---:|---:|---:|---:|")
    for part in ("nothing", *_PARTS.value, "everything"):
        kept = {"nothing": [], "everything": [".*"]}.get(part, [part])
        small = quantise(model, "int8", samples, [*function.kept, *kept])
        found = answers(small, people.inputs)
        away = people.distances(found, expected)
        figures, _ = people.score(found)
        cells = [f"{np.median(away):.3f}", f"{np.quantile(away, 0.95):.3f}"]
        cells += [f"{100 * figures.get(name, np.nan):.2f}" for name in ("pck", "ap")]
        print(f"| {part} | " + " | ".join(cells) + " |", flush=True)


def _speed() -> None:
    height, width = (int(side) for side in _SPEED_SIZE.value)
    info = {
        "task": "top_down",
        "skeleton": get_skeleton("coco17").to_dict(),
        "sigma": 2.0,
        "decoder": "dark",
        "geometry": "half_pixel",
        "flip_shift": 0,
    }
    net = build_heatmap_net(_SPEED_NET.value, (height, width), 17, info=info)
    function = pose_function(net)
    rng = np.random.default_rng(0)
    # Times do not depend on what is in the pictures.
    pictures = rng.integers(0, 256, (8, 1, height, width, 3), np.uint8)
    folder = pathlib.Path(_OUT.value, "speed")
    forms = ("none", "int8")
    export_litert(
        function,
        folder,
        forms,
        calibration=[{"image": picture} for picture in pictures],
        runs=0,
    )
    times: dict[tuple[str, int], list[float]] = {}
    for _ in range(_ROUNDS.value):
        for threads in _THREADS:
            for form in forms:
                row = measure_apart(
                    str(folder / f"model_{form}.tflite"), Setting(threads), _RUNS.value
                )
                if row.problem:
                    raise InputError(f"{form}, {threads} threads: {row.problem}")
                times.setdefault((form, threads), []).extend(row.times_ms)
            if _ONNX.value:
                times.setdefault(("ONNX Runtime", threads), []).extend(
                    time_onnx_apart(_ONNX.value, threads, _RUNS.value)
                )
    print(describe_machine())
    print("| | threads | median, ms | middle half |")
    print("|---|---:|---:|---:|")
    for (name, threads), values in sorted(times.items()):
        low, high = np.quantile(values, [0.25, 0.75])
        title = {"none": "LiteRT float", "int8": "LiteRT int8"}.get(name, name)
        middle = statistics.median(values)
        print(f"| {title} | {threads} | {middle:.1f} | {low:.1f} to {high:.1f} |")


def main(arguments: list[str]) -> None:
    """Runs one of the three."""
    known = {"quality": _quality, "culprits": _culprits, "speed": _speed}
    if len(arguments) != 2 or arguments[1] not in known:
        raise app.UsageError(f"expected one of {', '.join(known)}")
    try:
        known[arguments[1]]()
    except InputError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    app.run(main)
