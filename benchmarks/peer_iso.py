"""ISO's adaptation compared with eager PyTorch: milliseconds a sample, and the floor.

    python -m benchmarks.peer_iso --data_dir=../shared/data/mocap

Both sides have the same net, the same weights (random, or a trained lifter's by
`--model`), the same poses and the same random views. First they must answer alike after
some samples. Then they are timed in turn, each in a process of its own with one thread;
the medians of the rounds are printed. Our guard and limit of jumps, which the paper
does not have, are off on both sides; a row of its own has them.

The floor of a mode is the longer of two times: its matrix products at the measured
FLOPs of a large product, and its bytes (`benchmarks.iso_floor`) at the measured
bandwidth. Then streams adapted together, each with weights of its own, online and
vanilla.
"""

import dataclasses
import json
import pathlib
import statistics
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from absl import app, flags

from benchmarks.iso_floor import step_cost
from benchmarks.iso_nets import export_weights, make_net, net_kernels, net_shape
from benchmarks.iso_peer import PeerISO
from benchmarks.peers import Side, peak_megabytes, take_turns
from data_pipelines.lifting.batches import LiftingEvaluation
from data_pipelines.lifting.datasets import load_lifting_dataset
from tfpose.errors import InputError
from tfpose.iso.options import MODES, ISOOptions
from tfpose.skeletons import get_skeleton

__all__ = ["Setting", "export_weights", "main", "make_net", "net_kernels", "net_shape"]

_DATA_DIR = flags.DEFINE_string("data_dir", "../shared/data/mocap", "Motion capture.")
_MODEL = flags.DEFINE_string("model", "", "An ISO net; default: one with new weights.")
_NETS = flags.DEFINE_list("nets", ["iso_small", "iso"], "Lifters with new weights.")
_ROUNDS = flags.DEFINE_integer("rounds", 9, "Rounds, after one of warm-up.")
_CALLS = flags.DEFINE_integer("calls", 10, "Samples in a round.", lower_bound=1)
_CHECKED = flags.DEFINE_integer("checked", 20, "Samples before answers are compared.")
_STREAMS = flags.DEFINE_list("streams", ["1", "4", "16", "64"], "Adapted together.")
_OUT = flags.DEFINE_string("out", "", "JSON file for all times.")
_TOLERANCE = 1e-3
_PLAIN = {"guard": 0.0, "jump": 0.0}
_CASES = {
    "refine, online": ("refine", {}),
    "refine, vanilla": ("refine", MODES["vanilla"]),
    "cycle, online": ("cycle", {}),
    "cycle, vanilla": ("cycle", MODES["vanilla"]),
}
_TOGETHER = ("online", "vanilla")
_SIDES = ("PyTorch", "PyTorch, fused Adam", "tfpose", "tfpose, guarded")


@dataclasses.dataclass(frozen=True)
class Setting:
    """What both sides are given.

    Attributes:
        path: of the `.keras` file of an `ISONet`.
        weights: by name, see `export_weights`.
        shape: see `PeerISO`.
        keypoints: float32 `[N, J, 2]`, normalised, in order.
        task: of the net.
        changes: of the options' defaults.
    """

    path: str
    weights: Mapping[str, np.ndarray]
    shape: Mapping[str, Any]
    keypoints: np.ndarray
    task: str
    changes: Mapping[str, Any]


# === Our side ===


def _ours(setting: Setting) -> dict[str, Callable]:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    import functools

    from tfpose.adaptation import AdaptedModel, AdaptedStreams
    from tfpose.iso.adapt import ISOAdapter
    from tfpose.weights.keras_file import load_keras

    net = load_keras(setting.path)
    adapter = ISOAdapter(net, ISOOptions(**setting.changes))
    compiler = functools.partial(tf.function, autograph=False, jit_compile=True)

    def stream(_: int) -> Callable[[], np.ndarray]:
        model = AdaptedModel(adapter, net.variables, compiler)
        poses = _endless(setting.keypoints)
        return lambda: model({"keypoints": tf.constant(next(poses))})[
            "positions"
        ].numpy()

    def forward(_: int) -> Callable[[], np.ndarray]:
        plain = compiler(lambda keypoints: net(keypoints, training=False))
        poses = _endless(setting.keypoints)
        return lambda: plain(tf.constant(next(poses))).numpy()

    def together(count: int) -> Callable[[], np.ndarray]:
        model = AdaptedStreams(
            adapter, net.variables, count, tf.vectorized_map, compiler
        )
        starts = _endless(setting.keypoints)

        def call() -> np.ndarray:
            poses = np.stack([next(starts) for _ in range(count)])
            return model({"keypoints": tf.constant(poses)})["positions"].numpy()

        return call

    def product(size: int) -> Callable[[], Any]:
        matrix = tf.random.normal((size, size))
        compiled = tf.function(lambda: tf.reduce_sum(matrix @ matrix))
        return lambda: compiled().numpy()

    return {
        "stream": stream,
        "forward": forward,
        "together": together,
        "product": product,
        "answer": lambda count: lambda: _answer(stream(0), count),
        "triad": lambda size: _triad(size),
        "memory": lambda _: peak_megabytes,
    }


def _peer(setting: Setting, fused: bool) -> dict[str, Callable]:
    import torch

    torch.set_num_threads(1)

    def stream(_: int) -> Callable[[], np.ndarray]:
        options = ISOOptions(**setting.changes)
        model = PeerISO(setting.weights, setting.shape, setting.task, options, fused)
        poses = _endless(setting.keypoints)
        return lambda: model(next(poses))

    return {
        "stream": stream,
        "answer": lambda count: lambda: _answer(stream(0), count),
    }


def _endless(keypoints: np.ndarray) -> Any:
    while True:
        for pose in keypoints:
            yield pose[None]


def _answer(call: Callable[[], np.ndarray], count: int) -> np.ndarray:
    for _ in range(count - 1):
        call()
    return call()


def _triad(size: int) -> Callable[[], Any]:
    """C = a + b of so many bytes in all: two thirds are read, a third is written."""
    a, b, c = (np.ones(size // 12, np.float32) for _ in range(3))
    return lambda: np.add(a, b, out=c)


# === The comparison ===


def _setting(name: str, task: str, changes: Mapping[str, Any], keypoints, folder):
    net = make_net(name, task)
    path = str(pathlib.Path(folder) / f"{task}.keras")
    net.save(path)
    return Setting(
        path, export_weights(net), net_shape(net), keypoints, task, dict(changes)
    )


def _compare(setting: Setting) -> dict[str, Any]:
    """Times of a case on every side, and the floor; checks the answers first."""
    plain = dataclasses.replace(setting, changes={**setting.changes, **_PLAIN})
    sides = [
        Side(_peer, plain, False),
        Side(_peer, plain, True),
        Side(_ours, plain),
        Side(_ours, setting),
    ]
    answers = [side.value("answer", _CHECKED.value) for side in sides[:3]]
    apart = max(float(np.abs(answers[2] - other).max()) for other in answers[:2])
    if not apart < _TOLERANCE:
        raise InputError(
            f"{setting.task} {dict(setting.changes)}: answers are {apart:.2g} m apart "
            f"after {_CHECKED.value} samples, expected less than {_TOLERANCE}"
        )
    rounds = take_turns(sides, "stream", 0, _CALLS.value, _ROUNDS.value)
    times = {
        name: 1e3 * statistics.median(values)
        for name, values in zip(_SIDES, rounds, strict=True)
    }
    ours = sides[2]
    forward = 1e3 * statistics.median(
        take_turns([ours], "forward", 0, _CALLS.value, _ROUNDS.value)[0]
    )
    options, kernels = ISOOptions(**setting.changes), net_kernels(setting.weights)
    step = step_cost(kernels, setting.task, options.copies)
    size = 1024
    rate = 2 * size**3 / min(take_turns([ours], "product", size, 3, 5)[0])
    # As much memory as the step goes through: caches serve a small net.
    span = int(12 * step.moved)
    bandwidth = span / min(take_turns([ours], "triad", span, 5, 5)[0])
    floor = 1e3 * options.steps * step.seconds(rate, bandwidth)
    for side in sides:
        side.stop()
    return {
        "apart_m": apart,
        "milliseconds": times,
        "forward_ms": forward,
        "steps": options.steps,
        "gflop_per_step": step.flops / 1e9,
        "megabytes_per_step": step.bytes / 1e6,
        "gflop_a_second": rate / 1e9,
        "gigabytes_a_second": bandwidth / 1e9,
        "floor_ms": floor,
    }


def _grown(setting: Setting) -> list[dict[str, float]]:
    """Milliseconds a sample and megabytes, of streams adapted together."""
    rows = []
    for count in map(int, _STREAMS.value):
        # A process each: the largest memory of a process only grows.
        side = Side(_ours, setting)
        before = side.value("memory", 0)
        seconds = take_turns([side], "together", count, 2, _ROUNDS.value)[0]
        rows.append(
            {
                "streams": count,
                "ms_a_sample": 1e3 * statistics.median(seconds) / count,
                "megabytes": side.value("memory", 0) - before,
            }
        )
        side.stop()
    return rows


def _print(name: str, case: str, row: dict[str, Any]) -> None:
    times = row["milliseconds"]
    cells = ", ".join(f"{side} {value:.2f}" for side, value in times.items())
    print(f"{name}, {case}: {cells} ms a sample; plain forward {row['forward_ms']:.2f}")
    print(
        f"  tfpose takes {times['tfpose'] / times['PyTorch']:.2f} of PyTorch's time; "
        f"floor {row['floor_ms']:.2f} ms ({row['steps']} x "
        f"{row['gflop_per_step']:.3f} GFLOP at {row['gflop_a_second']:.0f} a second, "
        f"{row['megabytes_per_step']:.1f} MB at {row['gigabytes_a_second']:.1f} GB a "
        f"second), {times['tfpose'] / row['floor_ms']:.1f} times that; answers "
        f"{1e6 * row['apart_m']:.1f} um apart",
        flush=True,
    )


def main(_: list[str]) -> None:
    """Prints a line for each net and mode, and writes them."""
    poses = load_lifting_dataset(
        "mocap", _DATA_DIR.value, "test", get_skeleton("h36m16"), stride=4
    )
    keypoints = LiftingEvaluation(poses).keypoints
    found: dict[str, Any] = {}
    for name in [_MODEL.value] if _MODEL.value else _NETS.value:
        found[name] = {}
        with tempfile.TemporaryDirectory() as folder:
            for case, (task, changes) in _CASES.items():
                setting = _setting(name, task, changes, keypoints, folder)
                found[name][case] = row = _compare(setting)
                _print(name, case, row)
            found[name]["together"] = {}
            for mode in _TOGETHER:
                changes = {**MODES[mode], **_PLAIN}
                setting = _setting(name, "refine", changes, keypoints, folder)
                found[name]["together"][mode] = rows = _grown(setting)
                for row in rows:
                    print(
                        f"  {row['streams']:3d} streams together, {mode}: "
                        f"{row['ms_a_sample']:.2f} ms a sample, "
                        f"{row['megabytes']:.0f} MB",
                        flush=True,
                    )
    if _OUT.value:
        pathlib.Path(_OUT.value).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    app.run(main)
