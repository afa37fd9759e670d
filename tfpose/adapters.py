"""The methods that adapt a model at inference, by name."""

import dataclasses
from collections.abc import Callable
from typing import Any

from tfpose.adaptation import Adapter

__all__ = ["ADAPTATIONS", "Adaptation", "adaptation_names"]


@dataclasses.dataclass(frozen=True)
class Adaptation:
    """One method.

    Attributes:
        of_lifters: whether it adapts lifters; otherwise it adapts pose nets.
        build: makes the adapter of a Keras model. Raises InputError for a model that
            it cannot adapt. Imports its method when it is called, so that the names
            can be listed without TensorFlow.
    """

    of_lifters: bool
    build: Callable[[Any], Adapter]


ADAPTATIONS: dict[str, Adaptation] = {}
"""A method is one row. Commands have no `--adapt` while there is none for them."""


def adaptation_names(of_lifters: bool) -> list[str]:
    """The methods for lifters, or for pose nets."""
    return [name for name, a in ADAPTATIONS.items() if a.of_lifters == of_lifters]
