"""What a net is worth after it has left: accuracy, differences, size, latency."""

import dataclasses
import json
import math
import pathlib
from collections.abc import Sequence
from typing import Any

import matplotlib.figure
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from matplotlib.backends.backend_agg import FigureCanvasAgg

from export.benchmark import Latency, Setting, measure_apart
from export.function import ExportFunction
from export.litert.operators import count_operators
from export.validation import Validation
from tfpose.files import write_whole

__all__ = ["Measured", "answers", "keras_answers", "measure_form", "write_report"]

_BATCH = 32
_THREADS = (1, 2)

Arrays = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Measured:
    """One form of a net.

    Attributes:
        name: "Keras float", "LiteRT float" and so on.
        metrics: its accuracy, by the name of the figure; empty without labels.
        notes: what the metrics rest on.
        distances: of each joint from where Keras has it; None for Keras itself or
            where there was nothing to run it on.
        size: bytes of the file; 0 for Keras.
        latencies: at 1 and 2 threads.
        operators: number of each kind.
        undelegated: of these, what XNNPACK leaves to plain kernels.
        parts: that XNNPACK takes the others in.
    """

    name: str
    metrics: dict[str, float]
    notes: Sequence[str] = ()
    distances: np.ndarray | None = None
    size: int = 0
    latencies: Sequence[Latency] = ()
    operators: dict[str, int] = dataclasses.field(default_factory=dict)
    undelegated: dict[str, int] = dataclasses.field(default_factory=dict)
    parts: int = 0

    def difference(self) -> dict[str, float]:
        """Median, 95 % and maximum of the distances."""
        if self.distances is None:
            return {}
        found = self.distances[np.isfinite(self.distances)]
        return {
            "median": float(np.median(found)),
            "p95": float(np.quantile(found, 0.95)),
            "max": float(found.max()),
        }

    def to_dict(self) -> dict[str, Any]:
        """Everything in it, for JSON."""
        return {
            "name": self.name,
            "metrics": {k: v if math.isfinite(v) else None for k, v in self._metrics()},
            "notes": list(self.notes),
            "difference": self.difference(),
            "bytes": self.size,
            "latency": [row.to_dict() for row in self.latencies],
            "operators": self.operators,
            "not_delegated": self.undelegated,
            "delegated_parts": self.parts,
        }

    def _metrics(self) -> list[tuple[str, float]]:
        return [(name, float(value)) for name, value in self.metrics.items()]


def answers(model: bytes, inputs: Arrays) -> Arrays:
    """Outputs of a `.tflite` model for N rows of inputs, one by one."""
    run = Interpreter(model_content=model).get_signature_runner()
    count = len(next(iter(inputs.values())))
    found = [
        run(**{name: values[i : i + 1] for name, values in inputs.items()})
        for i in range(count)
    ]
    return {name: np.concatenate([one[name] for one in found]) for name in found[0]}


def keras_answers(function: ExportFunction, inputs: Arrays) -> Arrays:
    """Outputs of the function itself for N rows of inputs."""
    run = function.concrete()
    count = len(next(iter(inputs.values())))
    found = [
        run(**{k: tf.constant(v[i : i + _BATCH]) for k, v in inputs.items()})
        for i in range(0, count, _BATCH)
    ]
    return {
        name: np.concatenate([one[name].numpy() for one in found])
        for name in function.outputs
    }


def measure_form(
    name: str,
    path: pathlib.Path,
    validation: Validation | None,
    reference: Arrays | None,
    runs: int,
) -> Measured:
    """A `.tflite` file beside the Keras net.

    Args:
        name: for the report.
        path: of the file.
        validation: what to run it on; None for nothing.
        reference: the Keras net's answers to that.
        runs: timed ones; 0 for no latency.
    """
    model = path.read_bytes()
    operators, undelegated, parts = count_operators(model)
    metrics: dict[str, float] = {}
    notes: list[str] = []
    distances = None
    if validation is not None and reference is not None:
        found = answers(model, validation.inputs)
        metrics, notes = validation.score(found)
        distances = validation.distances(found, reference)
    latencies = [
        measure_apart(str(path), Setting(threads), runs)
        for threads in (_THREADS if runs else ())
    ]
    return Measured(
        name,
        metrics,
        notes,
        distances,
        len(model),
        latencies,
        operators,
        undelegated,
        parts,
    )


def write_report(
    out: pathlib.Path,
    function: ExportFunction,
    rows: Sequence[Measured],
    validation: Validation | None,
    machine: dict[str, Any],
) -> None:
    """Writes `report.json`, `report.md` and `report.png`.

    Raises:
        InputError: the disk cannot be written to.
    """
    source = validation.source if validation else ""
    unit = validation.unit if validation else ""
    content = {
        "metadata": function.metadata,
        "data": source,
        "unit_of_difference": unit,
        "machine": machine,
        "forms": [row.to_dict() for row in rows],
    }
    text = json.dumps(content, indent=1) + "\n"
    write_whole(out / "report.json", lambda aside: aside.write_text(text))
    told = _markdown(function, rows, source, unit, machine)
    write_whole(out / "report.md", lambda aside: aside.write_text(told))
    figure = _figure(rows, unit)
    write_whole(out / "report.png", lambda aside: figure.savefig(aside, dpi=110))


def _markdown(
    function: ExportFunction,
    rows: Sequence[Measured],
    source: str,
    unit: str,
    machine: dict[str, Any],
) -> str:
    metrics = list(rows[0].metrics)
    differences = [f"{name}, {unit}" for name in ("median", "95 %", "max")] * bool(unit)
    times = [f"{threads} thread, ms" for threads in _THREADS]
    head = ["", *metrics, *differences, "MB", *times, "not delegated"]
    lines = [
        f"# {function.name}",
        "",
        f"Accuracy on {source}." if source else "No data given: no accuracy.",
        "Differences are distances from where the Keras net has the same joint."
        if unit
        else "",
        f"Latency: median (middle half) of runs on {machine['processor']}, "
        f"{machine['cores']} cores, load {machine['load']}.",
        "",
        "| " + " | ".join(head) + " |",
        "|---|" + "---:|" * (len(head) - 1),
    ]
    for row in rows:
        cells = [_accuracy(name, row.metrics.get(name, math.nan)) for name in metrics]
        found = row.difference()
        cells += [f"{found[key]:.4f}" if found else "" for key in _keys(unit)]
        cells.append(f"{row.size / 1e6:.2f}" if row.size else "")
        times = [_time(latency) for latency in row.latencies]
        cells += times or ["", ""]
        cells.append(", ".join(f"{n} {kind}" for kind, n in row.undelegated.items()))
        lines.append(f"| {row.name} | " + " | ".join(cells) + " |")
    lines += ["", *(f"- {note}" for note in rows[0].notes), "", "![](report.png)", ""]
    return "\n".join(lines)


def _keys(unit: str) -> tuple[str, ...]:
    return ("median", "p95", "max") if unit else ()


def _accuracy(name: str, value: float) -> str:
    """Shares in per cent, lengths as they are."""
    return f"{value:.2f}" if name.endswith("_mm") else f"{100 * value:.2f} %"


def _time(latency: Latency) -> str:
    if latency.problem:
        return latency.problem.replace("|", "/")
    low, high = latency.quantile_ms(0.25), latency.quantile_ms(0.75)
    return f"{latency.median_ms:.2f} ({low:.2f} to {high:.2f})"


def _figure(rows: Sequence[Measured], unit: str) -> matplotlib.figure.Figure:
    figure = matplotlib.figure.Figure((11, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    accuracy, differences, latency = figure.subplots(1, 3)
    names = [row.name for row in rows]
    shown = [name for name in rows[0].metrics if name in ("pck", "ap", "mpjpe_mm")]
    width = 0.8 / max(len(shown), 1)
    for i, name in enumerate(shown):
        scale = 1 if name.endswith("_mm") else 100
        heights = [scale * row.metrics[name] for row in rows]
        places = np.arange(len(rows)) + i * width
        bars = accuracy.bar(places, heights, width, label=name)
        accuracy.bar_label(bars, fmt="%.1f", fontsize=7)
    accuracy.set_title("accuracy" if shown else "no data, no accuracy")
    middle = np.arange(len(rows)) + width * (len(shown) - 1) / 2
    accuracy.set_xticks(middle, names, rotation=20, fontsize=8)
    if shown:
        accuracy.legend(fontsize=7, loc="lower left")
    for row in rows:
        if row.distances is not None:
            found = np.sort(row.distances[np.isfinite(row.distances)])
            share = np.arange(1, len(found) + 1) / len(found)
            # What is 0 would be nowhere on a logarithmic axis.
            differences.plot(np.maximum(found, 1e-6), 100 * share, label=row.name)
    differences.set(xscale="log", xlabel=f"distance from Keras, {unit}", ylabel="%")
    differences.set_title("joints within a distance")
    if differences.lines:
        differences.legend(fontsize=7)
    _draw_latencies(latency, [row for row in rows if row.latencies])
    return figure


def _draw_latencies(axes: Any, rows: Sequence[Measured]) -> None:
    for i, threads in enumerate(_THREADS):
        times = [row.latencies[i] for row in rows]
        middles = np.array([time.median_ms for time in times])
        spread = np.array(
            [
                [m - t.quantile_ms(0.25), t.quantile_ms(0.75) - m]
                for t, m in zip(times, middles, strict=True)
            ]
        ).reshape(-1, 2)
        places = np.arange(len(rows)) + 0.4 * i
        label = f"{threads} thread" + "s" * (threads > 1)
        axes.bar(places, middles, 0.4, yerr=spread.T, label=label, capsize=2)
    axes.set_xticks(np.arange(len(rows)) + 0.2, [row.name for row in rows], fontsize=8)
    axes.tick_params(axis="x", rotation=20)
    axes.set(title="latency", ylabel="ms")
    if rows:
        axes.legend(fontsize=7)
