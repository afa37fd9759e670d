"""What an exporter takes: a pure function with named inputs and outputs.

Exporters know nothing of the method behind it. `export.pose_net` and others make
functions of nets.
"""

import contextlib
import dataclasses
import json
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

import tfpose
from tfpose.errors import InputError

__all__ = ["EXACT_SCOPE", "ExportFunction", "exact"]

EXACT_SCOPE = "exact"
"""Name of the scope whose operators an exporter leaves in float; see `exact`."""


def exact() -> contextlib.AbstractContextManager[Any]:
    """Operators made under this stay in float when the others are quantised.

    For what computes coordinates: 256 steps do not tell where a joint is.
    """
    return keras.name_scope(EXACT_SCOPE)


@dataclasses.dataclass(frozen=True)
class ExportFunction:
    """A pure function of named arrays, and what its user has to know of it.

    Attributes:
        name: of the model, for files and servers: letters, digits, `_`, `-`, `.`.
        call: dict of tensors to dict of tensors, in `keras.ops` or TensorFlow's
            operators; changes no variable.
        inputs: name to `tf.TensorSpec`. A leading None is a free batch; every other
            side is fixed.
        outputs: names of what `call` returns.
        metadata: anything JSON can hold: task, skeleton, sizes, units,
            normalisation, training. `version` (tfpose's) is added.
        kept: regular expressions for names of operators that stay in float, as those
            made under `exact` do, where a layer of a net is meant.
        varied: others, for operators whose values have another range for every input,
            such as those of a transformer: no range is fixed for them in int8.

    Raises:
        InputError: a name that files or servers cannot have, no inputs or outputs,
            or metadata that is not JSON.
    """

    name: str
    call: Callable[[dict[str, Any]], dict[str, Any]]
    inputs: dict[str, tf.TensorSpec]
    outputs: tuple[str, ...]
    metadata: dict[str, Any]
    kept: tuple[str, ...] = ()
    varied: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.name or not all(c.isalnum() or c in "_-." for c in self.name):
            raise InputError(
                f"name is {self.name!r}, expected letters, digits, '_', '-' and '.'"
            )
        if not self.inputs or not self.outputs:
            raise InputError(f"{self.name}: expected named inputs and outputs")
        for name, spec in self.inputs.items():
            if None in spec.shape.as_list()[1:]:
                raise InputError(
                    f"{self.name}: input {name!r} has shape {spec.shape}, expected "
                    "fixed sides behind the batch"
                )
        metadata = {"version": tfpose.__version__, "name": self.name, **self.metadata}
        try:
            metadata = json.loads(json.dumps(metadata))
        except TypeError as error:
            raise InputError(f"{self.name}: metadata is no JSON: {error}") from None
        object.__setattr__(self, "metadata", metadata)

    def __call__(self, **inputs: Any) -> dict[str, Any]:
        """The named outputs of the named inputs.

        Raises:
            InputError: the inputs' names are others.
        """
        if set(inputs) != set(self.inputs):
            raise InputError(
                f"{self.name}: inputs are {sorted(inputs)}, expected "
                f"{sorted(self.inputs)}"
            )
        found = self.call(inputs)
        return {name: found[name] for name in self.outputs}

    def concrete(
        self, batch: int | None = None
    ) -> tf.types.experimental.ConcreteFunction:
        """Traced by TensorFlow, with a batch of that size, or free as it is."""
        specs = [
            tf.TensorSpec([batch or spec.shape[0], *spec.shape[1:]], spec.dtype, name)
            for name, spec in self.inputs.items()
        ]

        def call(*values):
            return self(**dict(zip(self.inputs, values, strict=True)))

        return tf.function(call, input_signature=specs).get_concrete_function()
