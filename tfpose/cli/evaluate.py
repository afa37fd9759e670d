"""`python -m tfpose evaluate`: the figures of a pose net on a data set."""

import json
import math
import pathlib

import numpy as np
import tensorflow as tf

from data_pipelines.batches import evaluation_batches, input_error
from data_pipelines.datasets import load_dataset
from data_pipelines.top_down import TopDownEvaluation, labelled_people, pose_truth
from tfpose.cli.models import load_estimator
from tfpose.errors import InputError
from tfpose.files import write_whole
from tfpose.metrics.pose_scores import pose_scores
from tfpose.top_down.crop import invert_matrices, transform_points
from tfpose.top_down.estimator import PoseEstimator

__all__ = ["evaluate"]

_BATCH_SIZE = 32


def evaluate(
    model: str, dataset: str, data_dir: str, split: str, flip_test: bool, out: str = ""
) -> dict[str, float]:
    """Prints PCK and AP of a pose net on the true boxes of a data set, and notes on
    what they rest on; returns the figures.

    Args:
      model: a `.keras` pose net.
      dataset: kind of data set.
      data_dir: its folder.
      split: `train` or `val`.
      flip_test: average over image and mirrored image.
      out: JSON file for figures and notes; empty for none.

    Raises:
      InputError: no pose net, bad data, or joints that are not the net's.
    """
    estimator = load_estimator(model, flip_test)
    people = labelled_people(load_dataset(dataset, data_dir, split))
    if people.skeleton.joints != estimator.skeleton.joints:
        raise InputError(
            f"{data_dir}: has the joints of {people.skeleton.name}, expected those of "
            f"the model, {estimator.skeleton.name}"
        )
    sampler = TopDownEvaluation(people, estimator.net.input_size)
    keypoints, scores = _locate(estimator, sampler)
    keypoints = transform_points(invert_matrices(sampler.matrices), keypoints)
    figures, notes = pose_scores(pose_truth(people), people.skeleton, keypoints, scores)
    notes.insert(0, f"{len(people)} people; flip test: {'yes' if flip_test else 'no'}")
    for name, value in figures.items():
        print(f"{name:10s} {value:.4f}")
    for note in notes:
        print(f"  {note}")
    if out:
        known = {k: v if math.isfinite(v) else None for k, v in figures.items()}
        text = json.dumps({"figures": known, "notes": notes}, indent=2) + "\n"
        write_whole(pathlib.Path(out), lambda aside: aside.write_text(text))
    return figures


def _locate(
    estimator: PoseEstimator, sampler: TopDownEvaluation
) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints `[P, J, 2]` in input pixels and scores `[P, J]` of all samples."""
    locate = tf.function(estimator.locate)
    found = []
    try:
        for batch in evaluation_batches(sampler, len(sampler), _BATCH_SIZE):
            found.append([part.numpy() for part in locate(batch["image"])])
    except tf.errors.OpError as error:
        raise input_error(error) from None
    keypoints, scores = zip(*found, strict=True)
    count = len(sampler)
    return np.concatenate(keypoints)[:count], np.concatenate(scores)[:count]
