"""The report on exported models: JSON, Markdown and a figure."""

import json
import math
import pathlib
from collections.abc import Sequence
from typing import Any

import matplotlib.figure
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

from export.litert.latency import Latency
from export.litert.measure import THREADS, Measured
from export.litert.operators import Operators
from export.model import ExportedModel
from export.validation import Validation
from tfpose.files import write_whole

__all__ = ["write_report"]

_GPUS = (
    "what the documentation of LiteRT's GPU delegate does not list, but for "
    "RESIZE_NEAREST_NEIGHBOR and DEQUANTIZE, which its source takes"
)


def write_report(
    out: pathlib.Path,
    model: ExportedModel,
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
        "metadata": model.metadata,
        "data": source,
        "unit_of_difference": unit,
        "machine": machine,
        "forms": [row.to_dict() for row in rows],
    }
    text = json.dumps(content, indent=1) + "\n"
    write_whole(out / "report.json", lambda aside: aside.write_text(text))
    page = _markdown(model, rows, source, unit, machine)
    write_whole(out / "report.md", lambda aside: aside.write_text(page))
    figure = _figure(model, rows, unit)
    write_whole(out / "report.png", lambda aside: figure.savefig(aside, dpi=110))


def _markdown(
    model: ExportedModel,
    rows: Sequence[Measured],
    source: str,
    unit: str,
    machine: dict[str, Any],
) -> str:
    metrics = list(rows[0].metrics)
    differences = [f"{name}, {unit}" for name in ("median", "95 %", "max")] * bool(unit)
    times = [f"{threads} thread, ms" for threads in THREADS]
    head = ["", *metrics, *differences, "MB", *times, "not delegated", "not on GPUs"]
    lines = [
        f"# {model.name}",
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
        cells = [_accuracy(row, name) for name in metrics]
        found = row.difference()
        cells += [f"{found[key]:.4f}" if found else "" for key in _keys(unit)]
        cells.append(f"{row.size / 1e6:.2f}" if row.size else "")
        times = [_time(latency) for latency in row.latencies]
        cells += times or ["", ""]
        left = row.operators.undelegated
        cells += [_listed(left), _gpu(row.operators)]
        lines.append(f"| {_title(row, model)} | " + " | ".join(cells) + " |")
    notes = [*rows[0].notes, f"not on GPUs: {_GPUS}"]
    lines += ["", *(f"- {note}" for note in notes), "", "![](report.png)", ""]
    return "\n".join(lines)


def _listed(kinds: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items())


def _gpu(operators: Operators) -> str:
    """How many operators no GPU delegate takes; empty for Keras."""
    left = operators.not_on_gpu
    count = f"{sum(left.values())} of {operators.nodes}" if operators.nodes else ""
    return f"{count}: {_listed(left)}" if left else count


def _keys(unit: str) -> tuple[str, ...]:
    return ("median", "p95", "max") if unit else ()


def _title(row: Measured, model: ExportedModel) -> str:
    several = len(model.signatures) > 1
    return f"{row.name}, {row.signature}" if several else row.name


def _accuracy(row: Measured, name: str) -> str:
    """Shares in per cent, lengths as they are; empty where it was not measured."""
    if name not in row.metrics:
        return ""
    value = row.metrics[name]
    return f"{value:.2f}" if name.endswith("_mm") else f"{100 * value:.2f} %"


def _time(latency: Latency) -> str:
    if latency.problem:
        return latency.problem.replace("|", "/")
    low, high = latency.quantile_ms(0.25), latency.quantile_ms(0.75)
    return f"{latency.median_ms:.2f} ({low:.2f} to {high:.2f})"


def _figure(
    model: ExportedModel, rows: Sequence[Measured], unit: str
) -> matplotlib.figure.Figure:
    figure = matplotlib.figure.Figure((11, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    accuracy, differences, latency = figure.subplots(1, 3)
    titles = [_title(row, model) for row in rows]
    _draw_accuracy(accuracy, rows, titles)
    for row, title in zip(rows, titles, strict=True):
        if row.distances is not None:
            found = np.sort(row.distances[np.isfinite(row.distances)])
            share = np.arange(1, len(found) + 1) / len(found)
            # A logarithmic axis has no place for 0.
            differences.plot(np.maximum(found, 1e-6), 100 * share, label=title)
    differences.set(xscale="log", xlabel=f"distance from Keras, {unit}", ylabel="%")
    differences.set_title("joints within a distance")
    if differences.lines:
        differences.legend(fontsize=7)
    timed = [row for row in rows if row.latencies]
    _draw_latencies(latency, timed, [_title(row, model) for row in timed])
    return figure


def _draw_accuracy(axes: Any, rows: Sequence[Measured], titles: Sequence[str]) -> None:
    shown = [name for name in rows[0].metrics if name in ("pck", "ap", "mpjpe_mm")]
    width = 0.8 / max(len(shown), 1)
    for i, name in enumerate(shown):
        scale = 1 if name.endswith("_mm") else 100
        heights = [scale * row.metrics.get(name, math.nan) for row in rows]
        places = np.arange(len(rows)) + i * width
        bars = axes.bar(places, heights, width, label=name)
        axes.bar_label(bars, fmt="%.1f", fontsize=7)
    axes.set_title("accuracy" if shown else "no data, no accuracy")
    middle = np.arange(len(rows)) + width * (len(shown) - 1) / 2
    axes.set_xticks(middle, titles, rotation=20, fontsize=8)
    if shown:
        axes.legend(fontsize=7, loc="lower left")


def _draw_latencies(axes: Any, rows: Sequence[Measured], titles: Sequence[str]) -> None:
    for i, threads in enumerate(THREADS):
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
    axes.set_xticks(np.arange(len(rows)) + 0.2, titles, fontsize=8)
    axes.tick_params(axis="x", rotation=20)
    axes.set(title="latency", ylabel="ms")
    if rows:
        axes.legend(fontsize=7)
