"""One form of an exported model, run on real inputs beside the Keras net."""

import dataclasses
import math
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from export.litert.latency import Latency, Setting, measure_apart
from export.litert.operators import Operators, count_operators
from export.model import Arrays, ExportedModel, Signature
from export.validation import Validation

__all__ = [
    "THREADS",
    "Measured",
    "answers",
    "keras_answers",
    "measure_form",
    "measure_keras",
]

THREADS = (1, 2)
"""Latencies are measured with so many."""

_BATCH = 32

Answers = dict[str, Arrays]
# Outputs by the name of the signature.


@dataclasses.dataclass(frozen=True)
class Measured:
    """One signature of one form of a model.

    Attributes:
        name: of the form: "Keras float", "LiteRT float" and so on.
        signature: its name.
        metrics: its accuracy by the metric's name; empty without labels.
        notes: what the metrics rest on.
        distances: of each joint from where Keras has it; None for Keras itself or
            where there was nothing to run it on.
        size: bytes of the file, which has all signatures; 0 for Keras.
        latencies: with as many threads as `THREADS` says.
        operators: None for Keras.
    """

    name: str
    signature: str
    metrics: dict[str, float] = dataclasses.field(default_factory=dict)
    notes: Sequence[str] = ()
    distances: np.ndarray | None = None
    size: int = 0
    latencies: Sequence[Latency] = ()
    operators: Operators = Operators({}, {}, 0)

    def difference(self) -> dict[str, float]:
        """Median, 95 % and maximum of the distances."""
        if self.distances is None:
            return {}
        found = self.distances[np.isfinite(self.distances)]
        return {
            "median": float(np.median(found)),
            "p95": float(np.quantile(found, 0.95)),
            "max": float(found.max()),
        }

    def to_dict(self) -> dict[str, Any]:
        """Everything in it, for JSON."""
        metrics = {name: float(value) for name, value in self.metrics.items()}
        return {
            "name": self.name,
            "signature": self.signature,
            "metrics": {k: v if math.isfinite(v) else None for k, v in metrics.items()},
            "notes": list(self.notes),
            "difference": self.difference(),
            "bytes": self.size,
            "latency": [row.to_dict() for row in self.latencies],
            "operators": self.operators.kinds,
            "not_delegated": self.operators.undelegated,
            "not_on_gpu": self.operators.not_on_gpu,
            "delegated_parts": self.operators.parts,
        }


def answers(file: bytes, model: ExportedModel, inputs: Arrays) -> Answers:
    """Outputs of a `.tflite` file for N rows of inputs, one by one.

    Of every signature that has these inputs. Others that it has are those of its
    example; a state goes on from row to row.
    """
    interpreter = Interpreter(model_content=file)
    return {
        name: _one_by_one(signature, interpreter.get_signature_runner(name), inputs)
        for name, signature in _taking(model, inputs).items()
    }


def keras_answers(model: ExportedModel, inputs: Arrays) -> Answers:
    """The same, by the functions that were exported."""
    found = {}
    for name, signature in _taking(model, inputs).items():
        graph = signature.concrete()
        free = all(spec.shape[0] is None for spec in signature.inputs.values())
        if free and set(signature.inputs) == set(inputs):
            found[name] = _in_batches(signature, graph, inputs)
        else:
            found[name] = _one_by_one(signature, _with_arrays(graph), inputs)
    return found


def _taking(model: ExportedModel, inputs: Arrays) -> dict[str, Signature]:
    return {
        name: signature
        for name, signature in model.signatures.items()
        if set(inputs) <= set(signature.inputs)
    }


def _with_arrays(graph: Callable[..., Any]) -> Callable[..., Arrays]:
    def run(**row: np.ndarray) -> Arrays:
        found = graph(**{name: tf.constant(values) for name, values in row.items()})
        return {name: values.numpy() for name, values in found.items()}

    return run


def _in_batches(
    signature: Signature, graph: Callable[..., Any], inputs: Arrays
) -> Arrays:
    run = _with_arrays(graph)
    count = len(next(iter(inputs.values())))
    batches = (
        {name: values[i : i + _BATCH] for name, values in inputs.items()}
        for i in range(0, count, _BATCH)
    )
    return _joined([_read(signature, run(**batch)) for batch in batches])


def _read(signature: Signature, outputs: Arrays) -> Arrays:
    """What the caller of a signature makes of its outputs."""
    return signature.client(outputs) if signature.client else outputs


def _one_by_one(
    signature: Signature, run: Callable[..., Arrays], inputs: Arrays
) -> Arrays:
    found: list[Arrays] = []
    state: Arrays = {}
    for i in range(len(next(iter(inputs.values())))):
        row = {name: values[i : i + 1] for name, values in inputs.items()}
        outputs = run(**signature.completed({**row, **state}))
        state = {name: outputs[name] for name in signature.state}
        own = {k: v for k, v in outputs.items() if k not in state}
        found.append(_read(signature, own))
    return _joined(found)


def _joined(found: Sequence[Arrays]) -> Arrays:
    return {name: np.concatenate([one[name] for one in found]) for name in found[0]}


def measure_keras(
    validation: Validation, reference: Answers, name: str = "Keras float"
) -> list[Measured]:
    """The accuracy of each signature's answers to the validation's inputs."""
    return [
        Measured(name, signature, *validation.score(outputs))
        for signature, outputs in reference.items()
    ]


def measure_form(
    name: str,
    path: pathlib.Path,
    model: ExportedModel,
    validation: Validation | None,
    reference: Answers,
    runs: int,
) -> list[Measured]:
    """The signatures of a `.tflite` file beside the Keras net.

    Args:
        name: of the form, for the report.
        path: of the file.
        model: what was exported.
        validation: what to run it on; None for nothing.
        reference: the Keras net's answers to that.
        runs: timed ones; 0 for no latency.
    """
    file = path.read_bytes()
    found = answers(file, model, validation.inputs) if validation else {}
    rows = []
    for signature in model.signatures:
        row = Measured(name, signature)
        if validation and signature in found:
            outputs = found[signature]
            metrics, notes = validation.score(outputs)
            distances = validation.distances(outputs, reference[signature])
            row = Measured(name, signature, metrics, notes, distances)
        latencies = [
            measure_apart(str(path), Setting(threads, signature=signature), runs)
            for threads in (THREADS if runs else ())
        ]
        rows.append(
            dataclasses.replace(
                row,
                size=len(file),
                latencies=latencies,
                operators=count_operators(file, signature),
            )
        )
    return rows
