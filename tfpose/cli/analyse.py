"""`python -m tfpose analyse`: what kinds of error files of poses make, side by side."""

import json
import pathlib
from collections.abc import Sequence
from typing import Any

import matplotlib.figure
import matplotlib.patches
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

from data_pipelines.people import PoseDataset
from data_pipelines.readers.datasets import load_dataset
from data_pipelines.top_down import pose_truth
from tfpose.errors import InputError
from tfpose.files import write_whole
from tfpose.metrics.error_types import ERROR_TYPES, find_error_types
from tfpose.metrics.oks import oks_average_precision
from tfpose.metrics.results_file import read_results
from tfpose.skeletons import Skeleton

__all__ = ["analyse"]

_OKS = [round(0.5 + 0.05 * step, 2) for step in range(10)]
_COLOURS = {
    "good": "#5aa469",
    "jitter": "#f2c14e",
    "inversion": "#4f86c6",
    "swap": "#8e5ea2",
    "miss": "#c8553d",
}


def analyse(
    results: Sequence[str],
    dataset: str,
    data_dir: str,
    split: str,
    out: str,
    box_area_factor: float | None = None,
) -> dict[str, Any]:
    """Writes `<out>/analysis.json`, `ap_by_oks.png` and `error_types.png`, prints the
    main metrics, and returns what the JSON file says.

    Args:
        results: COCO result files of poses, in the order of the plots.
        dataset: kind of the data set that all of them are of.
        data_dir: its folder.
        split: `train` or `val`.
        out: folder, made if need be.
        box_area_factor: share of a box's area that stands for an unknown segment area;
            None refuses unknown areas.

    Raises:
        InputError: no such data set, joints without sigmas, unknown areas, a file that
            does not fit the data set; names the file.
    """
    names = _short_names(results)
    people = load_dataset(dataset, data_dir, split)
    runs = {
        name: _analyse_run(path, people, box_area_factor)
        for name, path in zip(names, results, strict=True)
    }
    document = {
        "dataset": {
            "kind": dataset,
            "data_dir": str(data_dir),
            "split": split,
            "skeleton": people.skeleton.name,
            "sigmas": people.skeleton.sigmas_source,
            "images": len(people.image_ids),
        },
        "runs": runs,
    }
    folder = pathlib.Path(out)
    text = json.dumps(document, indent=1) + "\n"
    write_whole(folder / "analysis.json", lambda aside: aside.write_text(text))
    _draw_curves(runs, folder / "ap_by_oks.png")
    _draw_errors(runs, people.skeleton, folder / "error_types.png")
    for line in _lines(runs):
        print(line)
    print(f"written to {folder}")
    return document


def _analyse_run(
    path: str, people: PoseDataset, box_area_factor: float | None
) -> dict[str, Any]:
    predictions = read_results(path, people.skeleton)
    given = (
        pose_truth(people),
        predictions,
        people.skeleton,
        people.image_ids,
        box_area_factor,
    )
    try:
        metrics, errors = oks_average_precision(*given), find_error_types(*given)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    rows = errors.matches.rows
    matched = int((rows >= 0).sum())
    counts = errors.counts
    return {
        "results": str(path),
        "areas": metrics["area_source"],
        "ap": metrics["AP"],
        "ap_by_oks": dict(zip(map(str, _OKS), metrics["ap_by_oks"], strict=True)),
        "poses": len(rows),
        "poses_unmatched": len(rows) - matched,
        "people": metrics["people"],
        "people_unmatched": metrics["people"] - len(np.unique(rows[rows >= 0])),
        "joints": int(counts.sum()),
        "error_types": {
            kind: {
                "count": int(counts[index].sum()),
                "share": float(counts[index].sum() / max(counts.sum(), 1)),
            }
            for index, kind in enumerate(ERROR_TYPES)
        },
        "by_joint": {
            joint: dict(zip(ERROR_TYPES, counts[:, index].tolist(), strict=True))
            for index, joint in enumerate(people.skeleton.joints)
        },
    }


def _short_names(results: Sequence[str]) -> list[str]:
    """The files' names, or as much more of their paths as tells them apart."""
    paths = [pathlib.Path(result).absolute().with_suffix("") for result in results]
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise InputError(f"{twice}: given more than once, expected different results")
    names = []
    for path in paths:
        for depth in range(1, len(path.parts) + 1):
            end = path.parts[-depth:]
            if sum(other.parts[-depth:] == end for other in paths) == 1:
                names.append("/".join(end))
                break
    return names


def _lines(runs: dict[str, dict[str, Any]]) -> list[str]:
    width = max(map(len, runs))
    heads = "".join(f"{kind:>10s}" for kind in ERROR_TYPES)
    lines = [f"{'':{width}s}     AP{heads}  of joints"]
    for name, run in runs.items():
        shares = (run["error_types"][kind]["share"] for kind in ERROR_TYPES)
        cells = "".join(f"{share:10.1%}" for share in shares)
        lines.append(f"{name:{width}s} {run['ap']:6.3f}{cells}  {run['joints']}")
        lines.append(
            f"{'':{width}s} {run['poses_unmatched']} of {run['poses']} poses match "
            f"nobody, {run['people_unmatched']} of {run['people']} people no pose"
        )
    return lines


def _draw_curves(runs: dict[str, dict[str, Any]], path: pathlib.Path) -> None:
    figure = matplotlib.figure.Figure((6.4, 4.2), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    for name, run in runs.items():
        label = f"{name}  (mean {run['ap']:.3f})"
        axes.plot(_OKS, list(run["ap_by_oks"].values()), marker="o", label=label)
    axes.set_xticks(_OKS)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("least OKS of a right pose")
    axes.set_ylabel("average precision")
    axes.grid(alpha=0.3)
    axes.legend(loc="upper right")
    write_whole(path, lambda aside: canvas.print_png(str(aside)))


def _draw_errors(
    runs: dict[str, dict[str, Any]], skeleton: Skeleton, path: pathlib.Path
) -> None:
    """All kinds for each run; below, the errors of each joint, sides together."""
    groups: dict[str, list[str]] = {}
    for joint in skeleton.joints:
        name = joint.removeprefix("left_").removeprefix("right_")
        groups.setdefault(name.replace("_", " "), []).append(joint)
    count = len(runs)
    bars_height = 0.7 + 0.38 * count
    figure = matplotlib.figure.Figure(
        (max(7.5, 0.3 * len(groups) * (count + 1)), bars_height + 3.6),
        layout="constrained",
    )
    canvas = FigureCanvasAgg(figure)
    whole, joints = figure.subplots(2, 1, height_ratios=(bars_height, 3.6))
    numbered = count > 1
    for row, (name, run) in enumerate(runs.items()):
        label = f"{row + 1}  {name}" if numbered else name
        shares = [run["error_types"][kind]["share"] for kind in ERROR_TYPES]
        _draw_whole(whole, label, shares)
        _draw_joints(joints, run, groups, row, count)
    whole.invert_yaxis()
    whole.set_xlim(0, 1)
    whole.xaxis.set_visible(False)
    whole.tick_params(axis="y", length=0)
    whole.spines[:].set_visible(False)
    whole.set_title("labelled joints of matched poses, %", fontsize=10)
    joints.set_ylabel("share of joints not good")
    joints.set_xticks(range(len(groups)), groups)
    joints.tick_params(axis="x", length=0, pad=14 if numbered else 4)
    if numbered:
        places = [_place(g, r, count) for g in range(len(groups)) for r in range(count)]
        texts = [str(row + 1) for _ in groups for row in range(count)]
        joints.set_xticks(places, texts, minor=True, fontsize=7)
        joints.tick_params(axis="x", which="minor", length=0)
    joints.grid(axis="y", alpha=0.3)
    joints.set_axisbelow(True)
    handles = [
        matplotlib.patches.Patch(color=colour, label=kind)
        for kind, colour in _COLOURS.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    write_whole(path, lambda aside: canvas.print_png(str(aside)))


def _place(group: int, row: int, count: int) -> float:
    """Middle of a run's bar among those of a group of joints."""
    return group + 0.8 * ((row + 0.5) / count - 0.5)


def _draw_whole(axes: Any, label: str, shares: list[float]) -> None:
    left = 0.0
    for kind, share in zip(ERROR_TYPES, shares, strict=True):
        axes.barh(label, share, left=left, color=_COLOURS[kind], height=0.75)
        if share >= 0.04:
            middle = left + share / 2
            axes.text(middle, label, f"{100 * share:.1f}", ha="center", va="center")
        left += share


def _draw_joints(
    axes: Any, run: dict[str, Any], groups: dict[str, list[str]], row: int, count: int
) -> None:
    for group, joints in enumerate(groups.values()):
        counts = np.array([list(run["by_joint"][joint].values()) for joint in joints])
        shares = counts.sum(axis=0) / max(counts.sum(), 1)
        bottom = 0.0
        for kind, share in list(zip(ERROR_TYPES, shares, strict=True))[1:]:
            axes.bar(
                _place(group, row, count),
                share,
                0.8 / count * 0.92,
                bottom=bottom,
                color=_COLOURS[kind],
            )
            bottom += share
