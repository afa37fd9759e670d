"""How a MeTTA net adapts to an image."""

import dataclasses
import math

from tfpose.errors import InputError

__all__ = ["MOVES", "MeTTAOptions"]

MOVES = ("all", "hidden", "maps")
"""Weights of the self-supervised head that move: all, or of one of its two layers."""


@dataclasses.dataclass(frozen=True)
class MeTTAOptions:
    """Options of adaptation; the defaults are what the net was meta-trained for.

    Attributes:
        steps: K, gradient steps for an image; 0 for the net's own.
        learning_rate: of every step; 0 for the net's own, which may be learned ones.
        moves: one of `MOVES`.
        online: whether an image starts from what the one before has moved the weights
            to, as of a video; else each starts from the trained weights.
        guard: whether to give the plain answer where inpainting did not get better.
        limit: the plain answer, too, where joints moved by more than this on average,
            share of the picture's shorter side; 0 for no limit.

    Raises:
        InputError: a value out of range.
    """

    steps: int = 0
    learning_rate: float = 0.0
    moves: str = "all"
    online: bool = False
    guard: bool = True
    limit: float = 0.1

    def __post_init__(self) -> None:
        for name in ("steps", "learning_rate", "limit"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise InputError(f"{name}: expected at least 0, got {value}")
        if self.moves not in MOVES:
            raise InputError(
                f"moves: expected one of {', '.join(MOVES)}, got {self.moves!r}"
            )
