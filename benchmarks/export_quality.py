"""Exported nets: accuracy of each form, and speed compared with ONNX Runtime.

    python -m benchmarks.export_quality quality --data_dir=../shared/data/lspet
    python -m benchmarks.export_quality culprits --data_dir=../shared/data/lspet
    python -m benchmarks.export_quality speed --peer_dir=PATH_OF_HRNET

`quality` measures every form on all people of the validation split. `culprits` keeps
one part of the net after the other in float, which shows the parts whose accuracy int8
reduces. `speed` times HRNet-W32 with random weights and the official net in ONNX
Runtime, alternating on the same cores; run it on an idle machine.
"""

import pathlib
import statistics

import numpy as np
from absl import app, flags

from benchmarks.onnx_peer import SIZE, time_onnx_apart, write_onnx_apart
from benchmarks.pose_info import POSE_INFO
from export.litert.convert import convert
from export.litert.export import export_litert
from export.litert.latency import Setting, describe_machine, measure_apart
from export.litert.measure import answers, keras_answers
from export.litert.quantise import FORMS, quantise
from export.pose_net import pose_model
from export.validation import pose_calibration, pose_validation
from tfpose.errors import InputError
from tfpose.top_down.net import build_heatmap_net
from tfpose.weights.keras_file import load_keras

__all__ = ["main"]

_NET = flags.DEFINE_string("net", "tfpose/weights/person.keras", "Net to measure.")
_DATA_DIR = flags.DEFINE_string(
    "data_dir", "../shared/data/lspet", "COCO-format folder."
)
_OUT = flags.DEFINE_string("out", "runs/export", "Folder for files and reports.")
_LIMIT = flags.DEFINE_integer("limit", 0, "Largest number of people; 0 for all.")
_PARTS = flags.DEFINE_list(
    "parts",
    ["normalization", "stem", "stage1", "stage2", "stage3", "stage4", "add", "head_"],
    "Regular expressions for names of operators.",
)
_PEER_DIR = flags.DEFINE_string("peer_dir", "", "Checkout of the official HRNet.")
_RUNS = flags.DEFINE_integer("runs", 30, "Timed runs in a round.")
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Rounds, in which the nets alternate.")

_THREADS = (1, 2)


def _quality() -> None:
    model = pose_model(load_keras(_NET.value))
    export_litert(
        model,
        pathlib.Path(_OUT.value, "quality"),
        FORMS,
        calibration=pose_calibration(model, "coco_format", _DATA_DIR.value, 200),
        validation=pose_validation(
            model, "coco_format", _DATA_DIR.value, "val", _LIMIT.value
        ),
        runs=_RUNS.value,
    )
    print(pathlib.Path(_OUT.value, "quality", "report.md").read_text())


def _culprits() -> None:
    model = pose_model(load_keras(_NET.value))
    samples = pose_calibration(model, "coco_format", _DATA_DIR.value, 100)
    people = pose_validation(model, "coco_format", _DATA_DIR.value, "val", _LIMIT.value)
    expected = keras_answers(model, people.inputs)["locate"]
    file = convert(model)
    print("| kept in float | median, px | 95 %, px | pck | ap |")
    print("|---|---:|---:|---:|---:|")
    for part in ("nothing", *_PARTS.value, "everything"):
        kept = {"nothing": [], "everything": [".*"]}.get(part, [part])
        small = quantise(model, file, "int8", samples, kept)
        outputs = answers(small, model, people.inputs)["locate"]
        distances = people.distances(outputs, expected)
        metrics, _ = people.score(outputs)
        cells = [f"{np.median(distances):.3f}", f"{np.quantile(distances, 0.95):.3f}"]
        cells += [f"{100 * metrics.get(name, np.nan):.2f}" for name in ("pck", "ap")]
        print(f"| {part} | " + " | ".join(cells) + " |", flush=True)


def _speed() -> None:
    if not _PEER_DIR.value:
        raise app.UsageError("speed needs --peer_dir")
    folder = pathlib.Path(_OUT.value, "speed")
    peers = write_onnx_apart(_PEER_DIR.value, folder)
    net = build_heatmap_net("hrnet_w32", SIZE, 17, info=POSE_INFO)
    model = pose_model(net)
    rng = np.random.default_rng(0)
    # Times do not depend on the contents of the pictures.
    pictures = rng.integers(0, 256, (8, 1, *SIZE, 3), np.uint8)
    forms = {"LiteRT float": "none", "LiteRT int8": "int8"}
    export_litert(
        model,
        folder,
        tuple(forms.values()),
        calibration=[{"image": picture} for picture in pictures],
        runs=0,
    )
    times: dict[tuple[str, int], list[float]] = {}
    for _ in range(_ROUNDS.value):
        for threads in _THREADS:
            for title, form in forms.items():
                row = measure_apart(
                    str(folder / f"model_{form}.tflite"), Setting(threads), _RUNS.value
                )
                if row.problem:
                    raise InputError(f"{title}, {threads} threads: {row.problem}")
                times.setdefault((title, threads), []).extend(row.times_ms)
            for title, path in peers.items():
                times.setdefault((title, threads), []).extend(
                    time_onnx_apart(path, threads, _RUNS.value)
                )
    print(describe_machine())
    print("| | threads | median, ms | middle half | of ONNX Runtime in float |")
    print("|---|---:|---:|---:|---:|")
    for (title, threads), values in sorted(times.items()):
        low, high = np.quantile(values, [0.25, 0.75])
        middle = statistics.median(values)
        share = middle / statistics.median(times["ONNX Runtime float", threads])
        print(
            f"| {title} | {threads} | {middle:.1f} | {low:.1f} to {high:.1f} "
            f"| {share:.2f} |"
        )


def main(arguments: list[str]) -> None:
    """Runs one of the three measurements."""
    measurements = {"quality": _quality, "culprits": _culprits, "speed": _speed}
    if len(arguments) != 2 or arguments[1] not in measurements:
        raise app.UsageError(f"expected one of {', '.join(measurements)}")
    try:
        measurements[arguments[1]]()
    except InputError as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    app.run(main)
