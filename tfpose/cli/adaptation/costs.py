"""Whether adaptation can help, told beforehand by gradients, and what it costs."""

import dataclasses
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from tfpose.cli.adaptation.study import Finding, Study
from tfpose.cli.adaptation.together import (
    draw_together,
    measure_together,
    table_together,
)
from tfpose.cli.progress import Progress
from tfpose.errors import InputError
from tfpose.iso.options import MODES

__all__ = ["gradients", "seconds"]

_PLAIN = "plain forward"
# Samples of a block: one of them is adapted to where `every` is 10.
_BLOCK, _BLOCKS = 10, 30
_LEAST = 1e-20


def gradients(study: Study) -> Finding:
    """Cosine between the self-supervised gradient and that of the true error.

    Of each pose, at the trained weights, in the random views that vanilla mode begins
    with. The true error is the squared distance from the ground truth by the FSL head.
    The cosine is over the weights that both reach: the shared extractor's (and the FSL
    head's where adaptation moves it). Below 0, a step makes that pose worse.
    """
    options = dataclasses.replace(study.options, refined=False, flip=False)
    adapter = study.adapter(options)
    state = adapter.init(study.net.variables)

    @tf.function(jit_compile=True)
    def cosine(keypoints: Any, truth: Any) -> Any:
        sample = {"keypoints": keypoints}
        with tf.GradientTape() as tape:
            tape.watch(state["weights"])
            off = adapter.predict(state, sample)["positions"] - truth
            error = tf.reduce_sum(off * off)
        true = tape.gradient(error, state["weights"])
        own = adapter.gradients(state, sample)
        both = [(a, b) for a, b in zip(own, true, strict=True) if None not in (a, b)]
        product, own_norm, true_norm = (
            sum(tf.reduce_sum(x * y) for x, y in pairs)
            for pairs in (
                both,
                [(a, a) for a, _ in both],
                [(b, b) for _, b in both],
            )
        )
        return product / tf.sqrt(tf.maximum(own_norm * true_norm, _LEAST))

    progress = Progress(len(study.keypoints))
    found = []
    for done, (pose, truth) in enumerate(
        zip(study.keypoints, study.truth, strict=True), start=1
    ):
        found.append(float(cosine(tf.constant(pose[None]), tf.constant(truth[None]))))
        progress.report(done, "gradients")
    progress.clear()
    cosines = np.array(found)
    counts, edges = np.histogram(cosines, 40, (-1, 1))
    mean, spread = float(cosines.mean()), float(cosines.std())
    above = float(np.mean(cosines > 0))
    numbers = {
        "mean": mean,
        "spread": spread,
        "share_above_0": above,
        "bin_edges": edges.round(6).tolist(),
        "counts": counts.tolist(),
        "cosines": cosines.round(5).tolist(),
    }
    lines = [
        f"cosine {mean:+.3f} +- {spread:.3f} of {len(cosines)} poses, above 0 for "
        f"{above:.1%}"
    ]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.stairs(counts, edges, fill=True, alpha=0.7)
        axes.axvline(0, color="black", lw=0.8)
        axes.axvline(mean, color="#c8553d", label=f"mean {mean:+.3f}")
        axes.set_xlabel("cosine of self-supervised and true gradient")
        axes.set_ylabel("poses")
        axes.legend()

    return Finding(numbers, lines, draw)


def seconds(study: Study) -> Finding:
    """Milliseconds a sample of each mode and of the plain forward, by turns (Table 4).

    In turn each has the next ten samples; a mode's time is the median of these blocks.
    Then of many streams together, see `measure_together`.

    Raises:
        InputError: fewer than twenty samples: a block to warm up and one to time.
    """
    count = min(len(study.keypoints) // _BLOCK, _BLOCKS + 1)
    if count < 2:
        raise InputError(
            f"{len(study.keypoints)} poses, expected {2 * _BLOCK} or more to time"
        )
    calls: dict[str, Callable[[Any], Any]] = {_PLAIN: _plain(study)}
    for mode in MODES:
        calls[mode] = _positions(study.stream(study.in_mode(mode)))
    progress = Progress(count * len(calls))
    times: dict[str, list[float]] = {name: [] for name in calls}
    done = 0
    for block in range(count):
        rows = study.keypoints[block * _BLOCK : (block + 1) * _BLOCK]
        samples = [tf.constant(row[None]) for row in rows]
        for name, call in calls.items():
            start = time.perf_counter()
            for sample in samples:
                call(sample)
            times[name].append((time.perf_counter() - start) * 1e3 / _BLOCK)
            done += 1
            progress.report(done, name)
    progress.clear()
    # The first block compiles.
    medians = {name: float(np.median(values[1:])) for name, values in times.items()}
    together = measure_together(study)
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    numbers = {
        "milliseconds": medians,
        "blocks": {name: np.round(v[1:], 4).tolist() for name, v in times.items()},
        "threads": threads or os.cpu_count(),
        "parameters": study.net.count_params(),
        "together": together,
    }
    lines = [f"{'mode':14s}   ms a sample   times the plain forward"]
    lines += [
        f"{name:14s}{value:14.2f}{value / medians[_PLAIN]:26.1f}"
        for name, value in medians.items()
    ]
    lines += table_together(together)

    def draw(figure: Figure) -> None:
        axes, *curves = figure.subplots(1, 3, width_ratios=(1.4, 1, 1))
        draw_together(together, *curves)
        bars = axes.barh(list(medians), list(medians.values()))
        axes.bar_label(bars, fmt=" %.2f")
        axes.invert_yaxis()
        axes.set_xscale("log")
        axes.margins(x=0.3)
        axes.set_xlabel("milliseconds a sample")

    return Finding(numbers, lines, draw)


def _plain(study: Study) -> Callable[[Any], Any]:
    forward = tf.function(
        lambda keypoints: study.net(keypoints, training=False), jit_compile=True
    )
    return lambda keypoints: forward(keypoints).numpy()


def _positions(model: Any) -> Callable[[Any], Any]:
    return lambda keypoints: model({"keypoints": keypoints})["positions"].numpy()
