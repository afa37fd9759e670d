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
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

__all__ = ["Adapter", "Outputs", "Sample", "State", "adapt_stream"]

Sample = dict[str, Any]
"""One sample: tensors by name, such as keypoints `[1, J, 2]`. No ground truth."""

State = dict[str, Any]
"""Whatever an adapter keeps: tensors, or lists of them, by name; static shapes."""

Outputs = dict[str, Any]
"""Predictions: tensors by name."""


class Adapter(abc.ABC):
    """A way to adapt a net to the sample before it.

    Attributes:
        online: whether a stream of samples carries the state from one to the next. If
            not, each sample starts from the trained weights (episodic).
    """

    online: bool = False

    @abc.abstractmethod
    def init(self, weights: Sequence[Any]) -> State:
        """The state before any sample.

        Args:
            weights: the trained ones, in the net's order; they are not changed.
        """

    @abc.abstractmethod
    def adapt(self, state: State, sample: Sample) -> State:
        """The state after a sample: its gradient steps; of the same structure."""

    @abc.abstractmethod
    def predict(self, state: State, sample: Sample) -> Outputs:
        """Predictions for a sample by the weights of a state; changes nothing."""


def adapt_stream(
    adapter: Adapter, weights: Sequence[Any], samples: Iterable[Sample]
) -> Iterator[Outputs]:
    """Predictions for samples in order, each after its adaptation.

    Args:
        adapter: online or episodic, which decides where each sample starts.
        weights: the trained ones.
        samples: one after the other, such as the frames of a video.
    """
    trained = adapter.init(weights)
    state = trained
    for sample in samples:
        state = adapter.adapt(state if adapter.online else trained, sample)
        yield adapter.predict(state, sample)
