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

import numpy as np

__all__ = ["AdaptedModel", "AdaptedStreams", "Adapter", "Outputs", "Sample", "State"]

Sample = dict[str, Any]
"""One sample: tensors by name, without ground truth. For a lifter `keypoints` `[1, J,
2]`, normalised; for a top-down net `image` `[1, H, W, 3]`, pixels 0..255 of a crop, and
where it is known `side` `[1]`, the shorter side in the photo of what the crop shows,
pixels."""

State = dict[str, Any]
"""What an adapter keeps: tensors, or lists of them, by name; of static shapes."""

Outputs = dict[str, Any]
"""Predictions: tensors by name. Of a lifter `positions` `[1, J, 3]`, metres; of a
top-down net `keypoints` `[1, J, 2]`, pixels of the crop, and `scores` `[1, J]`."""

Compiler = Callable[[Callable], Callable]
"""Makes a fast function of a function of tensors, such as `tf.function`."""

Vectorizer = Callable[[Callable, Any], Any]
"""Calls a function for each row of nested tensors at once, such as
`tf.vectorized_map`."""


class Adapter(abc.ABC):
    """A way to adapt a net to the sample before it.

    Attributes:
        online: whether a stream of samples carries the state from one to the next. If
            not, each sample starts from the trained weights (episodic).
        every: of a stream, how many samples there are for one that is adapted to.
        counters: entries of the state, tensors that count what was left out.
    """

    online: bool = False
    every: int = 1
    counters: Sequence[str] = ()

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

    def trace(self, state: State, sample: Sample) -> Outputs:
        """Predictions before and after each gradient step, as if nothing were left out.

        Args:
            state: of one sample.
            sample: as for `adapt`, but may be B samples that all start from the state.

        Returns:
            as of `predict`, each tensor with an axis of steps + 1 in front; empty where
            a method does not tell them.
        """
        return {}

    def describe(self, state: State) -> str:
        """What adaptation left out, from the counters of a state; empty for nothing."""
        return ""


class AdaptedModel:
    """Answers a stream of samples, each after adapting to it; keeps the state.

    Args:
        adapter: online or episodic, which decides where each sample starts. Of an
            online one the first of `every` samples is adapted to.
        weights: the trained ones, in the order of the net's `variables`.
        compiler: see `Compiler`.
    """

    def __init__(
        self,
        adapter: Adapter,
        weights: Sequence[Any],
        compiler: Compiler = lambda step: step,
    ) -> None:
        self.adapter, self.weights = adapter, weights
        self._fresh = self._start = adapter.init(weights)
        self._step = compiler(_step_of(adapter))
        self._predict = compiler(adapter.predict)
        self._left_out = {
            name: np.array(self._fresh[name]) for name in adapter.counters
        }
        self.begin()

    def begin(self) -> None:
        """A new stream: the next sample starts from the trained weights."""
        self._state, self._samples = self._start, 0

    def __call__(self, sample: Sample) -> Outputs:
        """Predictions for the next sample of the stream."""
        turn = self._samples % self.adapter.every
        self._samples += 1
        if turn:
            return self._predict(self._state, sample)
        state, outputs = self._step(self._state, sample)
        for name, total in self._left_out.items():
            more = np.asarray(state[name]) - np.asarray(self._state[name])
            # Of one stream, or of many.
            total += more.reshape(-1, *total.shape).sum(axis=0)
        if self.adapter.online:
            self._state = state
        return outputs

    def unadapted(self, sample: Sample) -> Outputs:
        """Predictions by the trained weights; the stream does not notice."""
        return self._predict(self._start, sample)

    def left_out(self) -> str:
        """What adaptation left out, of all streams; empty for nothing."""
        return self.adapter.describe({**self._fresh, **self._left_out})


class AdaptedStreams(AdaptedModel):
    """Answers many streams side by side, one sample of each at a time.

    The same as an `AdaptedModel` each, but that the tensors of samples and outputs have
    an axis of `count` in front. Samples of an episodic adapter are independent, so
    there the streams are a batch.

    Args:
        adapter: see `AdaptedModel`.
        weights: see `AdaptedModel`.
        count: number of streams.
        vectorizer: see `Vectorizer`.
        compiler: see `Compiler`.
    """

    def __init__(
        self,
        adapter: Adapter,
        weights: Sequence[Any],
        count: int,
        vectorizer: Vectorizer,
        compiler: Compiler = lambda step: step,
    ) -> None:
        self.count, self._vectorizer = count, vectorizer
        super().__init__(adapter, weights, lambda step: compiler(self._each(step)))
        if adapter.online:
            self._start = {
                name: [_repeated(one, count) for one in value]
                if isinstance(value, list)
                else _repeated(value, count)
                for name, value in self._fresh.items()
            }
            self.begin()

    def _each(self, function: Callable) -> Callable:
        """A function of a state and a sample, for all streams at once."""
        kept = self.adapter.counters

        def episodes(state: State, samples: Sample) -> Any:
            def one(sample: Sample) -> Any:
                found = function(state, sample)
                if isinstance(found, tuple):
                    # The adapted weights of each are not wanted.
                    return {name: found[0][name] for name in kept}, found[1]
                return found

            return self._vectorizer(one, samples)

        def streams(state: State, samples: Sample) -> Any:
            return self._vectorizer(lambda both: function(*both), (state, samples))

        return streams if self.adapter.online else episodes


def _repeated(tensor: Any, count: int) -> Any:
    return np.repeat(np.asarray(tensor)[None], count, axis=0)


def _step_of(adapter: Adapter) -> Callable[[State, Sample], tuple[State, Outputs]]:
    def step(state: State, sample: Sample) -> tuple[State, Outputs]:
        state = adapter.adapt(state, sample)
        return state, adapter.predict(state, sample)

    return step
