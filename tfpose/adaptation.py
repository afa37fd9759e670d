"""Adaptation at inference: the contract that every method fulfils.

An adapter is pure. Everything that changes from sample to sample (weights, an
optimiser's moments, counters) is in a state that goes in and comes out, so that a model
is never changed, streams can be adapted side by side, and a whole adaptation can be
compiled or exported. Commands, evaluation and export see this and no method.

    state = adapter.init(weights)
    state = adapter.adapt(state, sample)
    outputs = adapter.predict(state, sample)
"""

import abc
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["AdaptedModel", "Adapter", "Outputs", "Sample", "State"]

Sample = dict[str, Any]
"""One sample: tensors by name, without ground truth. For a lifter `keypoints` `[1, J,
2]`, normalised; for a top-down net `image` `[1, H, W, 3]`, pixels 0..255 of a crop."""

State = dict[str, Any]
"""What an adapter keeps: tensors, or lists of them, by name; of static shapes."""

Outputs = dict[str, Any]
"""Predictions: tensors by name. Of a lifter `positions` `[1, J, 3]`, metres; of a
top-down net `keypoints` `[1, J, 2]`, pixels of the crop, and `scores` `[1, J]`."""

Step = Callable[[State, Sample], tuple[State, Outputs]]


class Adapter(abc.ABC):
    """A way to adapt a net to the sample before it.

    Attributes:
        online: whether a stream of samples carries the state from one to the next. If
            not, each sample starts from the trained weights (episodic).
        every: of a stream, how many samples there are for one that is adapted to.
    """

    online: bool = False
    every: int = 1

    @abc.abstractmethod
    def init(self, weights: Sequence[Any]) -> State:
        """The state before any sample.

        Args:
            weights: the trained ones, in the order of the net's `variables`; they are
                not changed.
        """

    @abc.abstractmethod
    def adapt(self, state: State, sample: Sample) -> State:
        """The state after a sample: its gradient steps; of the same structure."""

    @abc.abstractmethod
    def predict(self, state: State, sample: Sample) -> Outputs:
        """Predictions for a sample by the weights of a state; changes nothing."""


class AdaptedModel:
    """Answers one stream of samples, each after adapting to it; keeps the state.

    Args:
        adapter: online or episodic, which decides where each sample starts.
        weights: the trained ones, in the order of the net's `variables`.
        compiler: makes a fast function of a function of tensors, such as
            `tf.function`.
    """

    def __init__(
        self,
        adapter: Adapter,
        weights: Sequence[Any],
        compiler: Callable[[Step], Step] = lambda step: step,
    ) -> None:
        def step(state: State, sample: Sample) -> tuple[State, Outputs]:
            state = adapter.adapt(state, sample)
            return state, adapter.predict(state, sample)

        self._online = adapter.online
        self._state = adapter.init(weights)
        self._step = compiler(step)

    def __call__(self, sample: Sample) -> Outputs:
        """Predictions for the next sample of the stream."""
        state, outputs = self._step(self._state, sample)
        if self._online:
            self._state = state
        return outputs
