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

__all__ = ["accuracy_by_step", "metrics_by_step"]

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
    trace = functools.partial(tf.function(adapter.trace), adapter.init(net.variables))
    sampler = TopDownEvaluation(people, net.input_size, alignment=alignment)
    image = tf.constant(sampler(0)["image"][None])
    rows = []
    for steps, metrics in enumerate(metrics_by_step(trace, sampler)):
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


def metrics_by_step(
    trace: Callable[[Sample], Outputs], sampler: TopDownEvaluation
) -> list[dict[str, float]]:
    """Metrics of all people of a sampler after 0, 1, ... steps.

    Args:
        trace: as `Adapter.trace` of a state that everybody starts from.
        sampler: of the people.

    Returns:
        As of `TopDownEvaluation.scores`; empty for a method that does not tell its
        steps.
    """
    found: list[tuple[Any, Any]] = []
    count = len(sampler)
    for batch in evaluation_batches(sampler, count, _BATCH_SIZE):
        outputs = trace({"image": batch["image"]})
        if not outputs:
            return []
        found.append((np.asarray(outputs["keypoints"]), np.asarray(outputs["scores"])))
    keypoints, scores = (
        np.concatenate(parts, axis=1)[:, :count] for parts in zip(*found, strict=True)
    )
    return [
        sampler.scores(*of_step)[0] for of_step in zip(keypoints, scores, strict=True)
    ]


def _answer(call: Callable[[Sample], Outputs], sample: Sample) -> np.ndarray:
    """Keypoints, when they are there."""
    return np.asarray(call(sample)["keypoints"])
