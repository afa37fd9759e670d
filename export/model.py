"""What an exporter takes: a model with named signatures over the same weights.

Exporters know nothing of the net behind it. `export.kinds` says for each kind of net
how it becomes an `ExportedModel`.
"""

import contextlib
import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import tfpose
from tfpose.errors import InputError

__all__ = [
    "EVERYTHING",
    "EXACT_SCOPE",
    "SERVING_DEFAULT",
    "ExportedModel",
    "Signature",
    "exact",
]

EVERYTHING = ".*"
"""What a signature has `kept` that computes in float, whatever its weights are."""

EXACT_SCOPE = "exact"
"""Name of the scope whose operators an exporter leaves in float; see `exact`."""

SERVING_DEFAULT = "serving_default"
"""TF Serving's name for the signature of clients that name none: the main one."""

Arrays = Mapping[str, np.ndarray]
# Tensors of any backend by name.
Tensors = dict[str, Any]


def exact() -> contextlib.AbstractContextManager[Any]:
    """Operators made under this stay in float when the others are quantised.

    For what computes coordinates: 256 steps do not tell where a joint is.
    """
    return keras.name_scope(EXACT_SCOPE)


@dataclasses.dataclass(frozen=True)
class Signature:
    """One thing that a model does: a pure function of named tensors.

    A name that is both an input and an output is a state: who calls the signature
    keeps what comes out, and puts it in with the next sample.

    Attributes:
        call: dict of tensors to dict of tensors, in `keras.ops` or TensorFlow's
            operators; changes no variable.
        inputs: name to `tf.TensorSpec`. A leading None is a free batch; every other
            side is fixed.
        outputs: names of what `call` returns.
        example: a batch of one row: real enough to warm up with, and the first state.
        described: type, shape and unit of inputs and outputs, in words.
        kept: regular expressions for names of operators that stay in float, as those
            made under `exact` do, where a layer of a net is meant.
        client: what its caller makes of the outputs, outside of the graph; None for
            nothing.
        varied: others, for operators whose values have another range for every input,
            such as those of a transformer: no range is fixed for them in int8.

    Raises:
        InputError: no inputs or outputs, a side that is not fixed, or an example of
            another shape or type.
    """

    call: Callable[[Tensors], Tensors]
    inputs: dict[str, tf.TensorSpec]
    outputs: tuple[str, ...]
    example: Arrays
    described: Mapping[str, str] = dataclasses.field(default_factory=dict)
    kept: tuple[str, ...] = ()
    varied: tuple[str, ...] = ()
    client: Callable[[Arrays], Arrays] | None = None

    def __post_init__(self) -> None:
        if not self.inputs or not self.outputs:
            raise InputError("signature: expected named inputs and outputs")
        if set(self.example) != set(self.inputs):
            raise InputError(
                f"example: is of {sorted(self.example)}, expected {sorted(self.inputs)}"
            )
        for name, spec in self.inputs.items():
            if None in spec.shape.as_list()[1:]:
                raise InputError(
                    f"input {name!r} has shape {spec.shape}, expected fixed sides "
                    "behind the batch"
                )
            row = self.example[name]
            found = tf.TensorSpec(row.shape, row.dtype)
            expected = tf.TensorSpec([1, *spec.shape[1:]], spec.dtype)
            if found != expected:
                raise InputError(
                    f"example of {name!r} is {found.dtype.name} {found.shape}, "
                    f"expected {expected.dtype.name} {expected.shape}"
                )

    def __call__(self, **inputs: Any) -> Tensors:
        """The named outputs of the named inputs.

        Raises:
            InputError: the inputs' names are others.
        """
        if set(inputs) != set(self.inputs):
            raise InputError(
                f"inputs are {sorted(inputs)}, expected {sorted(self.inputs)}"
            )
        found = self.call(inputs)
        return {name: found[name] for name in self.outputs}

    @property
    def state(self) -> tuple[str, ...]:
        """Names that are inputs and outputs."""
        return tuple(name for name in self.inputs if name in self.outputs)

    def completed(self, row: Arrays) -> dict[str, np.ndarray]:
        """All inputs: the row's, and the example's where the row has none."""
        return {name: row.get(name, self.example[name]) for name in self.inputs}

    def concrete(
        self, batch: int | None = None
    ) -> tf.types.experimental.ConcreteFunction:
        """Traced by TensorFlow, with a batch of that size, or free as it is."""
        specs = {
            name: tf.TensorSpec(
                [batch or spec.shape[0], *spec.shape[1:]], spec.dtype, name
            )
            for name, spec in self.inputs.items()
        }
        graph = tf.function(lambda **inputs: self(**inputs), autograph=False)
        return graph.get_concrete_function(**specs)


@dataclasses.dataclass(frozen=True)
class ExportedModel:
    """Named signatures over the same weights, and what their user has to know.

    Attributes:
        name: of the model, for files and servers: letters, digits, `_`, `-`, `.`.
        signatures: by name (letters, digits, `_`). The first is the main one: runtimes
            call it when none is named.
        metadata: anything JSON can hold: task, skeleton, sizes, units, normalisation,
            training. Added are `version` (tfpose's), `name`, and under `signatures`
            what each takes and returns.

    Raises:
        InputError: a name that files or servers cannot have, no signatures, or
            metadata that is not JSON.
    """

    name: str
    signatures: Mapping[str, Signature]
    metadata: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not self.name or not all(c.isalnum() or c in "_-." for c in self.name):
            raise InputError(
                f"name is {self.name!r}, expected letters, digits, '_', '-' and '.'"
            )
        if not self.signatures:
            raise InputError(f"{self.name}: expected at least one signature")
        for name in self.signatures:
            if not name.isidentifier() or name == SERVING_DEFAULT:
                raise InputError(
                    f"{self.name}: signature {name!r}, expected letters, digits and "
                    f"'_', and not {SERVING_DEFAULT}"
                )
        metadata = {
            "version": tfpose.__version__,
            "name": self.name,
            **self.metadata,
            "signatures": {
                name: {
                    "inputs": _described(signature, signature.inputs),
                    "outputs": _described(signature, signature.outputs),
                }
                for name, signature in self.signatures.items()
            },
        }
        try:
            metadata = json.loads(json.dumps(metadata))
        except TypeError as error:
            raise InputError(f"{self.name}: metadata is no JSON: {error}") from None
        object.__setattr__(self, "metadata", metadata)

    @property
    def main(self) -> Signature:
        """The first signature."""
        return next(iter(self.signatures.values()))

    def concrete(
        self, batch: int | None = None
    ) -> tuple[dict[str, tf.types.experimental.ConcreteFunction], tf.Module]:
        """All signatures traced, and an owner of the weights that they share."""
        traced = {
            name: signature.concrete(batch)
            for name, signature in self.signatures.items()
        }
        # TensorFlow saves only variables that something tracks.
        owner = tf.Module()
        owner.weights = list(
            {id(v): v for one in traced.values() for v in one.variables}.values()
        )
        return traced, owner


def _described(
    signature: Signature, names: Mapping[str, Any] | tuple[str, ...]
) -> dict[str, str]:
    return {name: signature.described.get(name, "") for name in names}
