"""How accurate adapting pose nets are after each gradient step, for MeTTA's tables."""

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.ttt import TTTNet, adapt_by_rotation
from data_pipelines.readers.datasets import load_dataset
from data_pipelines.top_down import TopDownEvaluation, labelled_people
from tfpose.adaptation import Outputs, Sample
from tfpose.cli.adaptation_steps import metrics_by_step
from tfpose.metta.adapt import MeTTAAdapter
from tfpose.metta.options import MeTTAOptions
from tfpose.top_down.predictor import TopDownPredictor

__all__ = ["Trace", "accuracy", "trace_metta", "trace_plain", "trace_rotation"]

Trace = Callable[[Sample], Outputs]
"""See `tfpose.cli.adaptation_steps.metrics_by_step`."""


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


def accuracy(trace: Trace, folder: str, size: tuple[int, int]) -> list[float]:
    """PCK@0.2 after 0, 1, ... steps, of the validation people of a folder."""
    people = labelled_people(load_dataset("coco_format", folder, "val"))
    sampler = TopDownEvaluation(people, size)
    return [metrics["pck"] for metrics in metrics_by_step(trace, sampler)]
