"""From a model and any `Adapter` to a model with one more signature, which adapts.

The gradient steps are inside the signature's graph. An episodic adapter starts each row
from the trained weights. An online adapter goes on from sample to sample of a stream:
its state is explicit, more named inputs and outputs that the caller keeps.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops

from export.model import EVERYTHING, ExportedModel, Tensors
from tfpose.adaptation import Adapter, Outputs, Sample, State
from tfpose.errors import InputError

__all__ = ["RESTART", "with_adaptation"]

RESTART = "restart"
"""Input of an online signature: start from the trained weights, not from the state."""

_COUNT = "samples"
_VALID = "valid"

Prepare = Callable[[Tensors], tuple[Sample, Tensors]]
Finish = Callable[[Outputs, Tensors], Tensors]


def with_adaptation(
    model: ExportedModel,
    adapter: Adapter,
    weights: Sequence[Any],
    *,
    prepare: Prepare,
    finish: Finish,
) -> ExportedModel:
    """The model with a second signature: beside `lift`, say, `adapt_and_lift`.

    It has the main signature's inputs and outputs, and each row is predicted after the
    adapter has adapted to this row alone. For an online adapter it also has

    - inputs and outputs `state_...`: the tensors of the adapter's state, one row for
      each row of the batch, so that a server may mix the rows of several streams;
    - an input `restart`, bool `[B]`: true where a stream begins, from the trained
      weights and not from the state.

    A row that is not valid leaves its state as it was. Of an adapter that adapts to
    `every` n-th sample, the state has one tensor more, which counts them.

    Args:
        model: whose main signature is the one to be adapted.
        adapter: of its net.
        weights: the trained ones, as `adapter.init` takes them. The net's variables,
            not their values: those would be stored a second time.
        prepare: from the main signature's inputs to samples of the adapter, with an
            axis B in front, and what `finish` needs besides: tensors by name, of which
            `valid`, bool `[B]`, says which rows can be used; without it all can.
        finish: from predictions, and what `prepare` kept, to the outputs.

    Raises:
        InputError: the state and the main signature have a name in common.
    """
    name, main = next(iter(model.signatures.items()))
    if adapter.every > 1:
        adapter = _EveryNth(adapter)
    states = _States.of(adapter.init(weights))
    online: dict[str, np.ndarray] = {}
    if adapter.online:
        online = {RESTART: np.array([False]), **states.example}
    if clash := sorted(set(online) & {*main.inputs, *main.outputs}):
        raise InputError(f"{model.name}: {name} has names of the state: {clash}")

    def adapt_row(sample: Sample, stream: Tensors) -> tuple[Outputs, Tensors]:
        state = trained = adapter.init(weights)
        if not online:
            return adapter.predict(adapter.adapt(state, sample), sample), {}
        state = states.chosen(stream[RESTART], trained, states.read(stream))
        adapted = adapter.adapt(state, sample)
        after = states.chosen(stream[_VALID], adapted, state)
        return adapter.predict(adapted, sample), states.written(after)

    def call(inputs: Tensors) -> Tensors:
        sample, kept = prepare({key: inputs[key] for key in main.inputs})
        stream = {key: inputs[key] for key in online}
        if online:
            stream[_VALID] = kept.get(_VALID, tf.ones_like(stream[RESTART]))
        found, state = _row_by_row(adapt_row, sample, stream)
        return finish(found, kept) | state

    adapting = dataclasses.replace(
        main,
        call=call,
        inputs=main.inputs | {key: _spec(row) for key, row in online.items()},
        outputs=(*main.outputs, *(key for key in online if key != RESTART)),
        example={**main.example, **online},
        described={**main.described, **_words(online)},
        # Weights may be stored in 8 bits; gradients need the values between them.
        kept=(EVERYTHING,),
        varied=(),
    )
    return dataclasses.replace(
        model, signatures={**model.signatures, f"adapt_and_{name}": adapting}
    )


class _EveryNth(Adapter):
    """An adapter that counts samples itself and leaves some out.

    State: the adapter's, and `samples`, how many since it last adapted.
    """

    def __init__(self, adapter: Adapter) -> None:
        self._adapter = adapter
        self._every = adapter.every
        self.online = adapter.online

    def init(self, weights: Sequence[Any]) -> State:
        return {**self._adapter.init(weights), _COUNT: tf.zeros((), tf.int32)}

    def adapt(self, state: State, sample: Sample) -> State:
        before = dict(state)
        count = before.pop(_COUNT)
        # A branch, not a choice between results: what is left out costs no time.
        after = tf.cond(
            tf.equal(count, 0),
            lambda: self._adapter.adapt(before, sample),
            lambda: before,
        )
        return {**after, _COUNT: tf.math.floormod(count + 1, self._every)}

    def predict(self, state: State, sample: Sample) -> Outputs:
        return self._adapter.predict(state, sample)


def _spec(row: np.ndarray) -> tf.TensorSpec:
    return tf.TensorSpec([None, *row.shape[1:]], row.dtype)


def _words(online: dict[str, np.ndarray]) -> dict[str, str]:
    words = {}
    for key, row in online.items():
        shape = ", ".join(map(str, ["B", *row.shape[1:]]))
        words[key] = f"{row.dtype} [{shape}]: the state after the sample before"
    if online:
        words[RESTART] = "bool [B]: start from the trained weights, not from the state"
    return words


def _row_by_row(call: Callable[..., Any], *inputs: Tensors) -> Any:
    """The call's outputs for batches of one, stacked.

    If the batch is known to be one, as for LiteRT, there is no loop in the graph.
    """
    nest = tf.nest.map_structure
    rows = nest(tf.convert_to_tensor, inputs)
    if all(value.shape[0] == 1 for value in tf.nest.flatten(rows)):
        return call(*rows)

    def one(row: tuple[Tensors, ...]) -> Any:
        found = call(*nest(lambda value: value[None], row))
        return nest(lambda value: value[0], found)

    specs = nest(lambda value: tf.TensorSpec(value.shape[1:], value.dtype), rows)
    traced = tf.function(one, autograph=False).get_concrete_function(specs)
    kinds = nest(
        lambda value: tf.TensorSpec(value.shape, value.dtype),
        traced.structured_outputs,
    )
    return tf.map_fn(one, rows, fn_output_signature=kinds)


@dataclasses.dataclass(frozen=True)
class _States:
    """States of an adapter as named tensors with a row for each stream, and back."""

    structure: State
    # The trained state by name, as one row.
    example: dict[str, np.ndarray]

    @classmethod
    def of(cls, state: State) -> "_States":
        example = {}
        for key in sorted(state):
            values = tf.nest.flatten(state[key])
            for place, value in enumerate(values):
                number = f"_{place}" * tf.nest.is_nested(state[key])
                example[f"state_{key}{number}"] = ops.convert_to_numpy(value)[None]
        return cls(tf.nest.map_structure(lambda _: None, state), example)

    def read(self, inputs: Tensors) -> State:
        """The state of a batch of one."""
        values = [tf.squeeze(inputs[key], 0) for key in self.example]
        return tf.nest.pack_sequence_as(self.structure, values)

    def written(self, state: State) -> Tensors:
        """Named tensors of a batch of one."""
        values = [value[None] for value in tf.nest.flatten(state)]
        return dict(zip(self.example, values, strict=True))

    def chosen(self, condition: Any, first: State, second: State) -> State:
        """The first state where the condition `[1]` is true."""
        first_is_meant = tf.squeeze(condition, 0)
        return tf.nest.map_structure(
            lambda one, other: tf.where(first_is_meant, one, other), first, second
        )
