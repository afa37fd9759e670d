"""`python -m tfpose calibrate`: what the scores of a pose net mean."""

import dataclasses
import json
import pathlib
from typing import Any

import matplotlib.figure
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg

from data_pipelines.common_joints import in_joints_of
from data_pipelines.multi_person import BOX_AREA_FACTOR
from data_pipelines.people import PoseDataset
from data_pipelines.readers.datasets import load_dataset
from data_pipelines.top_down import labelled_people, pose_truth
from tfpose.cli.dataset_people import DatasetPeople, find_people
from tfpose.cli.models import load_predictor
from tfpose.errors import InputError
from tfpose.files import usable_folder, write_whole
from tfpose.logocap.predictor import CentrePredictor
from tfpose.metrics.oks import PosePredictions, match_poses
from tfpose.metrics.pck import correct_keypoints
from tfpose.metrics.pose_scores import reference_length
from tfpose.metrics.reliability import (
    PersonThreshold,
    Reliability,
    find_person_threshold,
    measure_reliability,
)
from tfpose.top_down.predictor import TopDownPredictor
from tfpose.weights.keras_file import save_small

__all__ = ["calibrate"]

# Least OKS by which a pose is a labelled person's, as where error types are counted.
_SOMEBODY = 0.1


def calibrate(model: str, dataset: str, data_dir: str, split: str, out: str) -> None:
    """Compares the scores of a pose net's joints with how often they are right.

    A joint is right as PCK@0.2 counts it. Written are `model.keras`, the net with the
    score in it above which `predict` takes joints for certain; and `reliability.json`,
    `reliability.md` and `reliability.png`.

    Of a net that finds people by itself, the joints of those people count who are
    matched to a labelled one (OKS of 0.1 or more), and the net gets the score, too,
    above which `predict` takes somebody for a person.

    Args:
        model: a `.keras` pose net; empty for the one that ships with the package.
        dataset: kind of data set.
        data_dir: its folder; people the net was not trained with, in true boxes, or
            photos on which everybody is labelled.
        split: `train` or `val`.
        out: folder, made if need be.

    Raises:
        InputError: no pose net, bad data, none of the net's joints, nobody to compare
            with, or a disk that cannot be written to.
    """
    folder = usable_folder(out)
    predictor = load_predictor(model)
    assert isinstance(predictor, TopDownPredictor | CentrePredictor)
    people = load_dataset(dataset, data_dir, split)
    if predictor.wants_boxes:
        people = labelled_people(people)
    people = in_joints_of(people, predictor.skeleton, data_dir)
    found = find_people(predictor, people)
    persons, rows = None, np.arange(len(found))
    if not predictor.wants_boxes:
        rows = _matches(found, people)
        if (rows < 0).all():
            raise InputError(f"{data_dir}: the net finds none of the labelled people")
        count = int((~people.crowd & (people.num_labelled > 0)).sum())
        persons = find_person_threshold(found.person_scores, rows >= 0, count)
    truth = pose_truth(people)
    reference, length, _ = reference_length(truth, people.skeleton)
    matched = rows >= 0
    rows = rows[matched]
    scores, labels = found.joint_scores[matched], truth.keypoints[rows]
    right, counted = correct_keypoints(
        found.keypoints[matched], labels, reference[rows]
    )
    if not counted.any():
        raise InputError(f"{data_dir}: nobody has a {length}, nothing to compare with")
    result = measure_reliability(
        scores[counted], right[counted], scores[_unlabelled(labels)]
    )
    source = f"{len(people)} people of {pathlib.Path(data_dir).resolve().name}, {split}"
    told: dict[str, Any] = {"people": source, "right": f"within 0.2 of the {length}"}
    thresholds = {"score_threshold": result.threshold}
    if persons is not None:
        told |= dataclasses.asdict(persons)
        thresholds["person_threshold"] = persons.person_threshold
    text = json.dumps({**told, **result.to_dict()}, indent=1) + "\n"
    write_whole(folder / "reliability.json", lambda aside: aside.write_text(text))
    page = "\n".join([*_table(result), *_of_persons(persons)]) + "\n"
    write_whole(folder / "reliability.md", lambda aside: aside.write_text(page))
    figure = _figure(result, f"{source}; right: {told['right']}")
    write_whole(
        folder / "reliability.png", lambda aside: figure.savefig(aside, dpi=100)
    )
    net = predictor.net
    net.info = {**net.info, **thresholds}
    save_small(net, folder / "model.keras")
    said = ", ".join(f"{name} {value:g}" for name, value in thresholds.items())
    print(f"{said}; in {folder}", flush=True)


def _matches(found: DatasetPeople, people: PoseDataset) -> np.ndarray:
    """Int `[Q]`: the row of the labelled person whom each is; -1 for nobody."""
    predictions = PosePredictions(
        people.image_ids[found.image_index],
        found.keypoints,
        found.joint_scores,
        found.person_scores,
    )
    return match_poses(
        pose_truth(people),
        predictions,
        people.skeleton,
        _SOMEBODY,
        people.image_ids,
        BOX_AREA_FACTOR,
    ).rows


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


def _of_persons(persons: PersonThreshold | None) -> list[str]:
    """Lines of Markdown."""
    if persons is None:
        return []
    return [
        "",
        f"Of people who score above {persons.person_threshold:g}, "
        f"{100 * persons.right:.0f} % are labelled people, and of labelled people "
        f"{100 * persons.found:.0f} % are among them.",
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
