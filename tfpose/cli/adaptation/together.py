"""How time and memory grow with the number of streams that are adapted together."""

import functools
from typing import Any

import numpy as np
import tensorflow as tf
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator, ScalarFormatter

from tfpose.adaptation import AdaptedStreams, Sample
from tfpose.cli.adaptation.study import Study
from tfpose.cli.median_time import median_time
from tfpose.cli.progress import Progress

__all__ = ["STREAMS", "draw_together", "measure_together", "table_together"]

STREAMS = (1, 8, 64)
"""Numbers of streams."""

_MODES = ("online", "vanilla")
# Calls that are timed.
_CALLS = 5


def measure_together(study: Study) -> list[dict[str, Any]]:
    """Milliseconds a sample, and bytes of weights and moments of all streams.

    The bytes are computed. Online keeps them from sample to sample; vanilla needs them
    while it answers. A sample moves each of them in memory at least once in and out, in
    each step.

    Returns:
        A row for each number of streams of each mode: `mode`, `streams`,
        `milliseconds` (a sample; the median call by its number of streams),
        `state_bytes`.
    """
    rows: list[dict[str, Any]] = []
    progress = Progress(len(_MODES) * len(STREAMS))
    for mode in _MODES:
        options = study.in_mode(mode)
        state = study.adapter(options).init(study.net.variables)
        kept = [state[name] for name in ("weights", "first", "second")]
        own = sum(tensor.numpy().nbytes for tensor in tf.nest.flatten(kept))
        for count in STREAMS:
            model = study.streams(options, count)
            poses = np.resize(study.keypoints, (count, *study.keypoints.shape[1:]))
            sample = {"keypoints": tf.constant(poses[:, None])}
            answer = functools.partial(_answer, model, sample)
            rows.append(
                {
                    "mode": mode,
                    "streams": count,
                    "milliseconds": 1e3 * median_time(answer, _CALLS) / count,
                    "state_bytes": count * own,
                }
            )
            progress.report(len(rows), f"{count} streams, {mode}")
    progress.clear()
    return rows


def _answer(model: AdaptedStreams, sample: Sample) -> np.ndarray:
    """Positions, when they are there."""
    return np.asarray(model(sample)["positions"])


def table_together(rows: list[dict[str, Any]]) -> list[str]:
    """Lines to print."""
    lines = [f"{'together':10s}{'streams':>8s}   ms a sample   MB of weights, moments"]
    lines += [
        f"{row['mode']:10s}{row['streams']:8d}{row['milliseconds']:14.2f}"
        f"{row['state_bytes'] / 1e6:25.1f}"
        for row in rows
    ]
    return lines


def draw_together(rows: list[dict[str, Any]], times: Axes, memory: Axes) -> None:
    """Curves of both against the number of streams."""
    for mode in _MODES:
        of = [row for row in rows if row["mode"] == mode]
        counts = [row["streams"] for row in of]
        times.plot(counts, [row["milliseconds"] for row in of], "o-", label=mode)
    # The same in all modes.
    megabytes = [row["state_bytes"] / 1e6 for row in of]
    memory.plot(counts, megabytes, "o-", color="grey")
    memory.set_yscale("log")
    memory.set_yticks(megabytes, [f"{value:.3g}" for value in megabytes])
    memory.minorticks_off()
    times.set_ylim(bottom=0)
    times.legend()
    times.set_ylabel("milliseconds a sample")
    memory.set_ylabel("MB of weights and moments")
    for axes in (times, memory):
        axes.set_xscale("log")
        axes.set_xticks(counts)
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("streams together")
        axes.grid(alpha=0.3)
