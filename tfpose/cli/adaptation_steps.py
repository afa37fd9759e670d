"""How accurate an adapting pose net is after each of its gradient steps, and how soon.

As table 2 of MeTTA's supplement.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from data_pipelines.batches import evaluation_batches
from data_pipelines.people import PoseDataset
from data_pipelines.top_down import TopDownEvaluation
from tfpose.adaptation import AdaptedModel, Outputs, Sample
from tfpose.adapters import parse_adaptation
from tfpose.cli.median_time import median_time

__all__ = ["accuracy_by_step"]

_BATCH_SIZE = 16
_TIMED = 20


def accuracy_by_step(
    net: keras.Model, adapt: str, people: PoseDataset, alignment: str
) -> list[dict[str, float]]:
    """Metrics of a data set's people after 0, 1, ... steps, each person by itself.

    Guards and what adaptation leaves out take no part.

    Args:
        net: a pose net.
        adapt: see `tfpose.adapters.parse_adaptation`.
        people: labelled ones.
        alignment: one of `tfpose.codecs.alignment.ALIGNMENTS`.

    Returns:
        For each number of steps `pck`, `ap` where there is one, and `ms`, the median
        time of a person with so many steps, compiled. Empty for a method that does not
        tell its steps.
    """
    chosen = parse_adaptation(adapt)
    adapter = chosen.method.build(net, chosen.options)
    state = adapter.init(net.variables)
    sampler = TopDownEvaluation(people, net.input_size, alignment=alignment)
    trace = tf.function(adapter.trace)
    found: list[tuple[Any, Any]] = []
    for batch in evaluation_batches(sampler, len(people), _BATCH_SIZE):
        outputs = trace(state, {"image": batch["image"]})
        if not outputs:
            return []
        found.append((np.asarray(outputs["keypoints"]), np.asarray(outputs["scores"])))
    keypoints, scores = (
        np.concatenate(parts, axis=1)[:, : len(people)]
        for parts in zip(*found, strict=True)
    )
    image = tf.constant(sampler(0)["image"][None])
    rows = []
    for steps in range(len(keypoints)):
        metrics, _ = sampler.scores(keypoints[steps], scores[steps])
        options = dataclasses.replace(chosen.options, steps=max(1, steps))
        model = AdaptedModel(
            chosen.method.build(net, options), net.variables, tf.function
        )
        call = model if steps else model.unadapted
        row: dict[str, float] = {
            name: metrics[name] for name in ("pck", "ap") if name in metrics
        }
        row["ms"] = 1000 * median_time(
            functools.partial(_answer, call, {"image": image}), _TIMED
        )
        rows.append(row)
    return rows


def _answer(call: Callable[[Sample], Outputs], sample: Sample) -> np.ndarray:
    """Keypoints, when they are there."""
    return np.asarray(call(sample)["keypoints"])
