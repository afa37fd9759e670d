"""`python -m tfpose calibrate`: what the scores of a pose net mean."""

import json
import pathlib

import matplotlib.figure
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

from data_pipelines.common_joints import in_joints_of
from data_pipelines.readers.datasets import load_dataset
from data_pipelines.top_down import labelled_people, pose_truth
from tfpose.cli.dataset_people import find_people
from tfpose.cli.models import load_predictor
from tfpose.errors import InputError
from tfpose.files import usable_folder, write_whole
from tfpose.metrics.pck import correct_keypoints
from tfpose.metrics.pose_scores import reference_length
from tfpose.metrics.reliability import Reliability, measure_reliability
from tfpose.top_down.predictor import TopDownPredictor
from tfpose.weights.keras_file import save_small

__all__ = ["calibrate"]


def calibrate(model: str, dataset: str, data_dir: str, split: str, out: str) -> None:
    """Compares the scores of a pose net's joints with how often they are right.

    A joint is right as PCK@0.2 counts it. Written are `model.keras`, the net with the
    score in it above which `predict` takes joints for certain; and `reliability.json`,
    `reliability.md` and `reliability.png`.

    Args:
        model: a `.keras` pose net; empty for the one that ships with the package.
        dataset: kind of data set.
        data_dir: its folder; people the net was not trained with, in true boxes.
        split: `train` or `val`.
        out: folder, made if need be.

    Raises:
        InputError: no pose net that looks into boxes, bad data, none of the net's
            joints, nobody to compare with, or a disk that cannot be written to.
    """
    folder = usable_folder(out)
    predictor = load_predictor(model)
    if not isinstance(predictor, TopDownPredictor):
        raise InputError(f"{model}: expected a net that looks into people's boxes")
    people = labelled_people(load_dataset(dataset, data_dir, split))
    people = in_joints_of(people, predictor.skeleton, data_dir)
    found = find_people(predictor, people)
    truth = pose_truth(people)
    reference, length, _ = reference_length(truth, people.skeleton)
    right, counted = correct_keypoints(found.keypoints, truth.keypoints, reference)
    if not counted.any():
        raise InputError(f"{data_dir}: nobody has a {length}, nothing to compare with")
    result = measure_reliability(
        found.joint_scores[counted],
        right[counted],
        found.joint_scores[_unlabelled(truth.keypoints)],
    )
    source = f"{len(people)} people of {pathlib.Path(data_dir).resolve().name}, {split}"
    told = {"people": source, "right": f"within 0.2 of the {length}"}
    text = json.dumps({**told, **result.to_dict()}, indent=1) + "\n"
    write_whole(folder / "reliability.json", lambda aside: aside.write_text(text))
    page = "\n".join(_table(result)) + "\n"
    write_whole(folder / "reliability.md", lambda aside: aside.write_text(page))
    figure = _figure(result, f"{source}; right: {told['right']}")
    write_whole(
        folder / "reliability.png", lambda aside: figure.savefig(aside, dpi=100)
    )
    net = predictor.net
    net.info = {**net.info, "score_threshold": result.threshold}
    save_small(net, folder / "model.keras")
    print(f"score_threshold {result.threshold:.2f}; in {folder}", flush=True)


def _unlabelled(keypoints: np.ndarray) -> np.ndarray:
    """Bool `[P, J]`: joints without a label, of those that others have a label of."""
    labelled = keypoints[..., 2] > 0
    return ~labelled & labelled.any(axis=0)


def _table(result: Reliability) -> list[str]:
    """Lines of Markdown."""
    rows = zip(
        result.edges[:-1],
        result.edges[1:],
        result.counts,
        result.right,
        result.unlabelled,
        strict=True,
    )
    return [
        "| score | labelled joints | of these right | unlabelled joints |",
        "|---|---:|---:|---:|",
        *(
            f"| {low:.1f} to {high:.1f} | {count} | "
            f"{'' if np.isnan(right) else f'{100 * right:.0f} %'} | {absent} |"
            for low, high, count, right, absent in rows
        ),
        f"| above {result.threshold:.2f} | {100 * result.kept[0]:.0f} % of them | "
        f"{100 * result.above[0]:.0f} % | {100 * result.kept[1]:.0f} % of them |",
        f"| below {result.threshold:.2f} | {100 - 100 * result.kept[0]:.0f} % | "
        f"{100 * result.above[1]:.0f} % | {100 - 100 * result.kept[1]:.0f} % |",
    ]


def _figure(result: Reliability, title: str) -> matplotlib.figure.Figure:
    figure = matplotlib.figure.Figure((6.4, 5.6), layout="constrained")
    FigureCanvasAgg(figure)
    shares, counts = figure.subplots(
        2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 1]}
    )
    width = result.edges[1] - result.edges[0]
    middles = result.edges[:-1] + width / 2
    shares.bar(middles, 100 * result.right, 0.9 * width, color="#7fb3e6")
    shares.plot(
        result.mean_scores, 100 * result.right, "o-", color="#1f5f99", label="measured"
    )
    shares.plot([0, 1], [0, 100], "--", color="#888888", label="score = share")
    for axes in (shares, counts):
        axes.axvline(result.threshold, color="#d9641e", label="score_threshold")
    shares.set(ylabel="joints that are right, %", ylim=(0, 100), xlim=(0, 1))
    shares.set_title(title, fontsize=9)
    shares.legend(loc="upper left", fontsize=8)
    counts.bar(middles - 0.2 * width, result.counts, 0.4 * width, label="labelled")
    counts.bar(
        middles + 0.2 * width, result.unlabelled, 0.4 * width, label="unlabelled"
    )
    counts.set(xlabel="score of a joint", ylabel="joints")
    counts.legend(fontsize=8)
    return figure
