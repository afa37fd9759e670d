"""How accurate adapting pose nets are after each gradient step, for MeTTA's tables."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.ttt import TTTNet, adapt_by_rotation
from data_pipelines.readers.datasets import load_dataset
from data_pipelines.top_down import TopDownEvaluation, labelled_people
from tfpose.metta.adapt import MeTTAAdapter
from tfpose.metta.options import MeTTAOptions
from tfpose.top_down.predictor import TopDownPredictor

__all__ = ["Trace", "accuracy", "trace_metta", "trace_rotation"]

_BATCH_SIZE = 50

Trace = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Crops `[B, H, W, 3]` to keypoints `[steps + 1, B, J, 2]`, pixels of the crop, and
scores `[steps + 1, B, J]`."""


def trace_metta(net: keras.Model, **options: Any) -> Trace:
    """A `MeTTANet` that adapts; options as of `MeTTAOptions`."""
    adapter = MeTTAAdapter(net, MeTTAOptions(**options))
    trace = tf.function(adapter.trace)
    state = adapter.init(net.variables)

    def locate(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = trace(state, {"image": tf.constant(images)})
        return np.asarray(found["keypoints"]), np.asarray(found["scores"])

    return locate


def trace_rotation(net: TTTNet, steps: int, learning_rate: float) -> Trace:
    """A net that adapts by telling how its photo was turned."""
    predictor = TopDownPredictor(net, flip_test=False)
    adapt = adapt_by_rotation(net, steps, learning_rate)

    def locate(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        of_steps = [
            predictor.codec.decode(tf.constant(heatmaps), predictor.decoder)
            for heatmaps in adapt(images)
        ]
        keypoints, scores = zip(*of_steps, strict=True)
        return np.stack(keypoints), np.stack(scores)

    return locate


def accuracy(trace: Trace, folder: str, size: tuple[int, int]) -> list[float]:
    """PCK@0.2 after 0, 1, ... steps, of the validation people of a folder."""
    people = labelled_people(load_dataset("coco_format", folder, "val"))
    sampler = TopDownEvaluation(people, size)
    found = [
        trace(
            np.stack(
                [
                    sampler(row)["image"]
                    for row in range(first, min(first + _BATCH_SIZE, len(people)))
                ]
            )
        )
        for first in range(0, len(people), _BATCH_SIZE)
    ]
    keypoints, scores = (
        np.concatenate(part, axis=1) for part in zip(*found, strict=True)
    )
    return [
        sampler.scores(*of_step)[0]["pck"]
        for of_step in zip(keypoints, scores, strict=True)
    ]
