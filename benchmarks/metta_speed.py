"""Time of MeTTA's adaptation beside its backbone, and memory of meta-training.

    python -m benchmarks.metta_speed --out=runs/metta_speed.json

Five gradient steps and the new prediction, from an image's features on, beside one
forward of the frozen backbone, in turn, each compiled, one image at a time; for several
sizes of the inpainted picture, 1 being the size that the paper prints. Beside them the
whole, backbone included, with the guards and without. Then the memory that a step of
meta-training takes at its peak, with compiling it, by the number of inner steps, each
in a process of its own.
"""

import dataclasses
import json
import pathlib
import statistics
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import app, flags

from benchmarks.peers import Side, peak_megabytes
from benchmarks.pose_info import POSE_INFO
from tfpose.cli.median_time import median_time
from tfpose.metta.adapt import InnerLoop, MeTTAAdapter
from tfpose.metta.net import MeTTANet
from tfpose.metta.options import MeTTAOptions
from tfpose.top_down.net import build_heatmap_net
from trainers.metta_config import META_PRESETS, MeTTAConfig
from trainers.metta_model import MetaModel

__all__ = ["main"]

_NET = flags.DEFINE_string("net", "hrnet_w32", "Pose net of the timing.")
_SIDE = flags.DEFINE_integer("side", 256, "Input height and width, pixels.")
_SHRINKS = flags.DEFINE_list("shrinks", ["1", "2", "4", "8"], "Values of `shrink`.")
_STEPS = flags.DEFINE_list(
    "steps", ["1", "2", "3", "5", "10"], "Inner steps, for memory."
)
_SMALL = flags.DEFINE_string("small_net", "hrnet_tiny", "Pose net of the memory.")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Rounds of timing.")
_CALLS = flags.DEFINE_integer("calls", 5, "Calls in a round.", lower_bound=1)
_OUT = flags.DEFINE_string("out", "", "JSON file for all numbers.")

_JOINTS = 17


def _make_net(net: str, side: int, config: MeTTAConfig) -> MeTTANet:
    keras.utils.set_random_seed(0)
    return MeTTANet(
        build_heatmap_net(net, (side, side), _JOINTS, info=POSE_INFO),
        **config.architecture,
    )


def _functions(net: MeTTANet) -> dict[str, Callable[[], Any]]:
    """The backbone alone, and all that adaptation does beside it."""
    loop = InnerLoop(net, first_order=True)
    rng = np.random.default_rng(0)
    image = tf.constant(rng.uniform(0, 255, (1, *net.input_size, 3)), tf.float32)

    @tf.function(jit_compile=True)
    def extract() -> Any:
        return net.extractor(image, training=False)

    features = extract()

    @tf.function(jit_compile=True)
    def adapt() -> Any:
        pictures = net.picture(image)
        appearance = net.appearance(pictures, net.fixed_masks)
        start = loop.begin(net.adapted, 1)
        history, _ = loop(start, features, appearance, pictures)
        return net.pose_head(net.self_head.with_weights(features, history[-1]))

    def whole(options: MeTTAOptions) -> Callable[[], Any]:
        adapter = MeTTAAdapter(net, options)

        @tf.function(jit_compile=True)
        def answer() -> Any:
            state = adapter.adapt(adapter.init(net.variables), {"image": image})
            return adapter.predict(state, {"image": image})["keypoints"]

        return answer

    return {
        "backbone": extract,
        "adaptation": adapt,
        "without guards": whole(MeTTAOptions(guard=False, limit=0)),
        "with guards": whole(MeTTAOptions()),
    }


def _times(shrink: int) -> dict[str, float]:
    """Milliseconds: medians of rounds that take turns."""
    config = dataclasses.replace(
        META_PRESETS["paper"],
        input_height=_SIDE.value,
        input_width=_SIDE.value,
        shrink=shrink,
    )
    functions = _functions(_make_net(_NET.value, _SIDE.value, config))
    found: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(_ROUNDS.value):
        for name, function in functions.items():
            seconds = median_time(lambda f=function: np.asarray(f()), _CALLS.value)
            found[name].append(1000 * seconds)
    return {name: statistics.median(values) for name, values in found.items()}


def _meta_training(net: str, steps: int) -> dict[str, Callable]:
    """For a `Side`: the megabytes that a step of meta-training, its compilation
    included, adds to the process.
    """
    config = dataclasses.replace(META_PRESETS["small"], steps=steps)
    metta = _make_net(net, config.input_height, config)
    model = MetaModel(metta, config)
    model.compile(keras.optimizers.Adam(1e-4))
    model.optimizer.build(model.trainable_variables)

    def megabytes() -> float:
        rng, count = np.random.default_rng(0), config.batch_size
        points = rng.uniform(0, 63, (count, _JOINTS, 2))
        batch = {
            "image": tf.constant(rng.integers(0, 256, (count, *config.input_size, 3))),
            "keypoints": tf.constant(points, tf.float32),
            "weights": tf.ones((count, _JOINTS)),
        }
        before = peak_megabytes()
        step = tf.function(model.train_step, jit_compile=True)
        for _ in range(2):
            step(batch)
        return peak_megabytes() - before

    return {"memory": lambda size: megabytes}


def _memory(steps: int) -> float:
    # A process each: the largest memory of a process only grows.
    side = Side(_meta_training, _SMALL.value, steps)
    found = side.value("memory", 0)
    side.stop()
    return found


def main(argv: list[str]) -> None:
    """Prints both tables."""
    times = {int(shrink): _times(int(shrink)) for shrink in _SHRINKS.value}
    print(
        "shrink   backbone, ms   5 steps and prediction, ms   of the backbone   "
        "all without guards, ms   with guards, ms"
    )
    for shrink, row in times.items():
        share = row["adaptation"] / row["backbone"]
        print(
            f"{shrink:6}{row['backbone']:15.1f}{row['adaptation']:29.1f}{share:18.2f}"
            f"{row['without guards']:25.1f}{row['with guards']:18.1f}",
            flush=True,
        )
    memory = {}
    print("inner steps   MB of meta-training, compiled whole")
    for steps in map(int, _STEPS.value):
        memory[steps] = _memory(steps)
        print(f"{steps:11}{memory[steps]:45.0f}", flush=True)
    if _OUT.value:
        content = {"milliseconds": times, "megabytes": memory}
        pathlib.Path(_OUT.value).write_text(json.dumps(content, indent=1))


if __name__ == "__main__":
    app.run(main)
