"""How ISO adapts: modes of the paper, and what is free in each."""

import dataclasses
from typing import Any

from tfpose.errors import InputError

__all__ = ["MODES", "ISOOptions"]


@dataclasses.dataclass(frozen=True)
class ISOOptions:
    """Options of adaptation at inference; the defaults are the paper's online mode.

    What the paper leaves open is decided here:

    * Random views are evenly spread (an additive recurrence) instead of drawn: the same
      on every device, without a random generator inside an exported model, and 8 of
      them vary less than 8 drawn ones.
    * Adam's moments stay with the weights in a stream (`keep_moments`): without them
      every step has the size of the learning rate in all weights.
    * A batch has 8 copies of the sample: 32 gain little and cost four times as much.

    Attributes:
        online: a stream carries weights from sample to sample; otherwise each starts
            from the trained ones ("vanilla").
        steps: gradient steps on a sample (T).
        learning_rate: Adam's (alpha).
        every: adapt to one of so many samples of a stream.
        copies: of the sample in a batch, each in another random view.
        view_tilt: largest tilt of a random view, degrees, of the task `refine`; the
            paper's tasks keep the elevation that they were trained with.
        keep_moments: whether a stream carries Adam's moments, too.
        soft_reset: 0 to 1: how far weights go back to the trained ones after each
            sample (arXiv:2511.18851).
        whole: the FSL head moves, too; only for the task `refine`.
        refined: predictions are refined (`tfpose.lifters.refine`).
        refine_steps: of the refinement.
        limb_weight: of the refinement.
        stay_weight: of the refinement.
        flip: predictions are means with those of the mirrored pose.
        guard: the trained weights are taken again where the objective of the adapted
            ones is so many times that of the trained ones, on average; 0 for never.
        jump: a pose that differs so much from the one before, in sizes of the person,
            is not adapted to; 0 for no limit.
    """

    online: bool = True
    steps: int = 1
    learning_rate: float = 2e-5
    every: int = 1
    copies: int = 8
    view_tilt: float = 50.0
    keep_moments: bool = True
    soft_reset: float = 0.0
    whole: bool = False
    refined: bool = False
    refine_steps: int = 60
    limb_weight: float = 0.02
    stay_weight: float = 0.3
    flip: bool = False
    guard: float = 3.0
    jump: float = 1.0

    def __post_init__(self) -> None:
        for name, least in (
            ("steps", 0),
            ("every", 1),
            ("copies", 1),
            ("refine_steps", 1),
            ("learning_rate", 0),
            ("view_tilt", 0),
            ("limb_weight", 0),
            ("stay_weight", 0),
            ("guard", 0),
            ("jump", 0),
        ):
            if not getattr(self, name) >= least:
                raise InputError(
                    f"{name}: expected {least} or more, got {getattr(self, name)}"
                )
        if not 0 <= self.soft_reset <= 1:
            raise InputError(f"soft_reset: expected 0 to 1, got {self.soft_reset}")
        if self.every > 1 and not self.online:
            raise InputError("every: expected 1 where each sample starts anew")


MODES: dict[str, dict[str, Any]] = {
    "vanilla": {"online": False, "steps": 10},
    "vanilla-lr": {"online": False, "learning_rate": 2e-4},
    "online": {},
    "online-skip": {"every": 10},
}
"""The paper's modes (section 4.1, Table 4) as changes of the defaults."""
