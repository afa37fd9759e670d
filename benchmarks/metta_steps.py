"""How accurate adapting pose nets are after each gradient step, for MeTTA's tables."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.films import films_of
from benchmarks.ttp import follow_film
from benchmarks.ttt import TTTNet, adapt_by_rotation
from data_pipelines.readers.datasets import load_dataset
from data_pipelines.top_down import TopDownEvaluation, labelled_people
from tfpose.adaptation import AdaptedModel, Outputs, Sample
from tfpose.cli.adaptation_steps import metrics_by_step
from tfpose.metta.adapt import MeTTAAdapter
from tfpose.metta.options import MeTTAOptions
from tfpose.top_down.predictor import TopDownPredictor

__all__ = [
    "Follow",
    "Trace",
    "accuracy",
    "accuracy_of_films",
    "follow_metta",
    "follow_pairs",
    "trace_metta",
    "trace_plain",
    "trace_rotation",
]

Trace = Callable[[Sample], Outputs]
"""See `tfpose.cli.adaptation_steps.metrics_by_step`."""

Follow = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]
"""From a film's frames `[T, H, W, 3]`, pixels 0..255, in order, and a number of steps
for each, 1 or more, to keypoints `[T, J, 2]`, input pixels, and scores `[T, J]`."""


def trace_metta(net: keras.Model, **options: Any) -> Trace:
    """A `MeTTANet` that adapts; options as of `MeTTAOptions`."""
    adapter = MeTTAAdapter(net, MeTTAOptions(**options))
    return functools.partial(tf.function(adapter.trace), adapter.init(net.variables))


def trace_plain(net: keras.Model) -> Trace:
    """A net that does not adapt: no steps."""
    predictor = TopDownPredictor(net, flip_test=False)

    def trace(sample: Sample) -> Outputs:
        keypoints, scores = predictor.locate(sample["image"])
        return {"keypoints": keypoints[None], "scores": scores[None]}

    return trace


def trace_rotation(net: TTTNet, steps: int, learning_rate: float) -> Trace:
    """A net that adapts by telling how its photo was turned."""
    predictor = TopDownPredictor(net, flip_test=False)
    adapt = adapt_by_rotation(net, steps, learning_rate)

    def trace(sample: Sample) -> Outputs:
        of_steps = [
            predictor.codec.decode(tf.constant(heatmaps), predictor.decoder)
            for heatmaps in adapt(np.asarray(sample["image"]))
        ]
        keypoints, scores = zip(*of_steps, strict=True)
        return {"keypoints": np.stack(keypoints), "scores": np.stack(scores)}

    return trace


def accuracy(
    trace: Trace, folder: str, size: tuple[int, int], most: int = 0
) -> list[float]:
    """PCK@0.2 after 0, 1, ... steps, of the validation people of a folder: of all, or
    of so many that are evenly spread over them.
    """
    people = labelled_people(load_dataset("coco_format", folder, "val"))
    if 0 < most < len(people):
        people = people.select(np.linspace(0, len(people) - 1, most).astype(int))
    sampler = TopDownEvaluation(people, size)
    return [metrics["pck"] for metrics in metrics_by_step(trace, sampler)]


def follow_metta(net: keras.Model, **options: Any) -> Follow:
    """A `MeTTANet` that adapts online, without guards; options as of `MeTTAOptions`."""

    @functools.cache
    def adapted(steps: int) -> AdaptedModel:
        chosen = MeTTAOptions(steps=steps, online=True, guard=False, limit=0, **options)
        return AdaptedModel(MeTTAAdapter(net, chosen), net.variables, tf.function)

    def follow(frames: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
        model = adapted(steps)
        model.begin()
        found = [model({"image": tf.constant(frame[None])}) for frame in frames]
        keypoints, scores = (
            np.concatenate([one[name] for one in found])
            for name in ("keypoints", "scores")
        )
        return keypoints, scores

    return follow


def follow_pairs(net: keras.Model, learning_rate: float) -> Follow:
    """A net of TTP, see `benchmarks.ttp.follow_film`."""
    predictor = TopDownPredictor(net, flip_test=False)
    adapt = follow_film(net, learning_rate)

    def follow(frames: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
        heatmaps = tf.constant(adapt(frames, steps))
        keypoints, scores = predictor.codec.decode(heatmaps, predictor.decoder)
        return np.asarray(keypoints), np.asarray(scores)

    return follow


def accuracy_of_films(
    follow: Follow, steps: int, folder: str, size: tuple[int, int]
) -> float:
    """PCK@0.2 after so many steps for each frame, of the validation people of a folder
    of `benchmarks.films`.
    """
    people = labelled_people(load_dataset("coco_format", folder, "val"))
    sampler, films = TopDownEvaluation(people, size), films_of(people)
    found = []
    for film in np.unique(films):
        rows = np.flatnonzero(films == film)
        frames = np.stack([sampler(int(row))["image"] for row in rows])
        found.append(follow(frames, steps))
    # Films come one after the other in the table, too.
    keypoints, scores = map(np.concatenate, zip(*found, strict=True))
    return sampler.scores(keypoints, scores)[0]["pck"]
