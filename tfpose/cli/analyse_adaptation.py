"""`python -m tfpose analyse_adaptation`: what adaptation changes, and what it costs."""

import json
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib.figure
from matplotlib.backends.backend_agg import FigureCanvasAgg

from data_pipelines.lifting.datasets import load_lifting_dataset
from tfpose.cli.adaptation import accuracy, bodies, costs, origins
from tfpose.cli.adaptation.study import Finding, Study, load_study
from tfpose.errors import InputError
from tfpose.files import write_whole

__all__ = ["analyse_adaptation"]

_OF_STUDY: dict[str, Callable[[Study], Finding]] = {
    "limbs": bodies.limbs,
    "parts": accuracy.parts,
    "gradients": costs.gradients,
    "time": costs.seconds,
}
_OF_VALUES: dict[str, tuple[Callable[..., Finding], Sequence[float]]] = {
    "steps": (accuracy.steps, accuracy.STEPS),
    "rates": (accuracy.rates, accuracy.RATES),
    "noise": (accuracy.noise, accuracy.NOISE),
}
_OF_SOURCE = {"datasets": origins.datasets}


def analyse_adaptation(
    what: str,
    model: str,
    dataset: str,
    data_dir: str,
    out: str,
    *,
    split: str = "test",
    keypoints: str = "",
    subjects: Sequence[str] = (),
    stride: int = 1,
    adapt: str = "iso",
    values: Sequence[float] = (),
    source_dataset: str = "",
    source_data_dir: str = "",
    source_split: str = "train",
) -> dict[str, Any]:
    """Writes `<out>/<what>.json` and `<what>.png`, prints a table, and returns what
    the JSON file says.

    Args:
        what: `steps`, `rates`, `limbs`, `datasets`, `parts`, `noise`, `gradients` or
            `time`.
        model: a `.keras` lifter.
        dataset: one of `LIFTING_DATASETS`, of the target.
        data_dir: its folder.
        out: folder, made if need be.
        split: `train` or `test`.
        keypoints: source of the 2D; empty for the data set's own choice.
        subjects: people, in place of the split's.
        stride: every how many frames one is taken.
        adapt: see `tfpose.adapters.parse_adaptation`; only `iso`, with options.
        values: of steps, rates or noise, in place of the usual ones.
        source_dataset: of `datasets`: what the lifter was trained on; empty for
            another folder of `dataset`.
        source_data_dir: its folder.
        source_split: its split.

    Raises:
        InputError: no lifter, bad data, an option that is missing or of another
            analysis; names the file or the option.
    """
    _check(what, values, source_data_dir)
    study = load_study(
        model, dataset, data_dir, split, keypoints, subjects, stride, adapt
    )
    if what in _OF_VALUES:
        analyse, usual = _OF_VALUES[what]
        found = analyse(study, values or usual)
    elif what in _OF_SOURCE:
        source = load_lifting_dataset(
            source_dataset or dataset,
            source_data_dir,
            source_split,
            study.net.skeleton,
            stride=stride,
        )
        found = _OF_SOURCE[what](study, source)
    else:
        found = _OF_STUDY[what](study)
    document = {
        "analysis": what,
        "model": model,
        "data": study.poses.name,
        "poses": len(study.poses),
        "keypoints": study.poses.keypoint_source,
        "adaptation": adapt,
        **found.numbers,
    }
    _write(pathlib.Path(out), what, document, found)
    for line in found.lines:
        print(line)
    print(f"written to {pathlib.Path(out) / what}.json and .png")
    return document


def _check(what: str, values: Sequence[float], source_data_dir: str) -> None:
    if values and what not in _OF_VALUES:
        raise InputError(f"values is given, but {what} has none")
    if bool(source_data_dir) != (what in _OF_SOURCE):
        raise InputError(
            f"source_data_dir: {what} needs the folder of the lifter's training data"
            if what in _OF_SOURCE
            else f"source_data_dir is given, but {what} needs no source"
        )


def _write(
    folder: pathlib.Path, what: str, document: dict[str, Any], found: Finding
) -> None:
    text = json.dumps(document, indent=1) + "\n"
    write_whole(folder / f"{what}.json", lambda aside: aside.write_text(text))
    figure = matplotlib.figure.Figure((9.0, 3.8), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    found.draw(figure)
    write_whole(folder / f"{what}.png", lambda aside: canvas.print_png(str(aside)))
