"""Options of PoseAug, and its paper's and its code's recipes as presets."""

import dataclasses

from tfpose.errors import InputError
from tfpose.poseaug.augmentor import OPERATORS
from trainers.engine.config import option
from trainers.lifter_config import LifterConfig

__all__ = ["PRESETS", "PoseAugConfig"]


@dataclasses.dataclass(frozen=True)
class PoseAugConfig(LifterConfig):
    """Options of PoseAug; the defaults are the paper's and its supplement's.

    What they do not say is as in the released code, or decided here:

    * Parts train by turns at every step, not every epoch: Algorithm 1 allows both.
      Then a whole step is one compiled function, the lifter sees what the augmentor
      makes now, and no epoch of augmented poses has to be kept. The code has passes
      over the whole set: all of A and D, then all of P.
    * The lifter learns from source and augmented pairs in one batch. By turns, batch by
      batch, its batch normalisation would keep the mean of two sets of statistics of
      which it has never trained with the mean: validation errors doubled. (The code
      ends each epoch with the source's, so that its statistics are theirs.)
    * The feedback asks the lifter as it is used, without dropout; asking does not move
      its batch statistics (the code's does).
    * `exponential` feedback is of the lifter's loss in square metres, as equation 9 is
      written. At that scale it is nearly linear.
    * An augmented pair outside the image on any side is replaced by its source (the
      code drops those beyond the right and lower sides, and keeps others).
    * Nothing in paper or code keeps the augmentor from rotating all bodies alike, and
      it does: one view satisfies discriminators, regulariser and feedback.
      `view_spread`, which is off in their presets, asks for many. Its measure is
      `tfpose.poseaug.loss.view_spread`; what is above 0.42 has to come from tilting,
      which is what other cameras differ by: people face all ways before any.

    Raises:
        InputError: an impossible value.
    """

    linear_decay: bool = option(
        True, "Let the learning rate fall from epoch to epoch, in a line, towards 0."
    )
    learning_rate_augmentor: float = option(
        1e-3, "Adam's learning rate at first.", above=0
    )
    learning_rate_discriminators: float = option(
        1e-3, "Adam's learning rate at first.", above=0
    )
    operators: tuple[str, ...] = option(
        OPERATORS, f"What may be done to a pose; of {', '.join(OPERATORS)}."
    )
    feedback: str = option(
        "exponential",
        "How the lifter's errors guide the augmentor: equation 9, the code's, or not.",
        choices=("exponential", "bounded", "none"),
    )
    feedback_weight: float = option(1.0, "Of the whole augmented pose's.", at_least=0)
    feedback_weight_rotated: float = option(
        0.0, "Of the pose in which only limbs were rotated.", at_least=0
    )
    hardness_start: float = option(
        2.0, "How many times as hard a pose is to be, at first.", above=0
    )
    hardness_end: float = option(20.0, "The same at the end.", above=0)
    hardness_slack: float = option(15.0, "Of the bounded feedback.", at_least=0)
    hardness_rotated_start: float = option(3.0, "For rotated limbs only.", above=0)
    hardness_rotated_end: float = option(5.0, "For rotated limbs only.", above=0)
    hardness_rotated_slack: float = option(2.0, "For rotated limbs only.", at_least=0)
    regulariser: str = option(
        "hinged", "Equation 10, or the code's.", choices=("hinged", "range")
    )
    regulariser_weight: float = option(1.0, "Of the augmentor's loss.", at_least=0)
    adversarial_weight_3d: float = option(1.0, "Of the augmentor's loss.", at_least=0)
    adversarial_weight_2d: float = option(1.0, "Of the augmentor's loss.", at_least=0)
    view_spread: float = option(
        0.0,
        "How much rotations of augmented bodies shall differ, 0 (alike) to 1; ours.",
        at_least=0,
        at_most=1,
    )
    view_weight: float = option(
        100.0, "Of what lacks of view_spread, squared.", at_least=0
    )
    discriminator_every: int = option(
        1, "Steps of the augmentor for one of the discriminators.", at_least=1
    )
    warmup_epochs: int = option(
        0, "Epochs in which augmentor and discriminators train alone.", at_least=0
    )
    pool_size: int = option(4096, "Augmented poses that are shown again.", at_least=1)
    gentle_start: bool = option(
        False,
        "Begin with small changes of upright bodies where people are; ours, for small "
        "data.",
    )
    swap_lengths: bool = option(
        True, "Give every source pose the limb lengths of a training subject."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = [name for name in self.operators if name not in OPERATORS]
        if unknown or not self.operators:
            raise InputError(
                f"operators: expected some of {', '.join(OPERATORS)}, got "
                f"{', '.join(unknown) or 'none'}"
            )
        if self.pool_size < self.batch_size:
            raise InputError(
                f"pool_size: must be at least the batch_size, {self.batch_size}, got "
                f"{self.pool_size}"
            )


_PAPER = PoseAugConfig()
_RELEASED = PoseAugConfig(
    learning_rate=1e-4,
    learning_rate_augmentor=1e-4,
    learning_rate_discriminators=1e-4,
    feedback="bounded",
    feedback_weight=0.01,
    feedback_weight_rotated=0.1,
    hardness_start=17.0,
    hardness_end=17.0,
    regulariser="range",
    regulariser_weight=3.0,
    adversarial_weight_3d=6.0,
    discriminator_every=2,
    warmup_epochs=2,
)

PRESETS = {
    "paper": _PAPER,
    "released": _RELEASED,
    "small": dataclasses.replace(
        _RELEASED,
        dataset="mocap",
        gentle_start=True,
        view_spread=0.5,
        feedback_weight=0.3,
        feedback_weight_rotated=0.3,
        hardness_start=1.5,
        hardness_end=2.5,
        hardness_slack=0.5,
        hardness_rotated_start=1.3,
        hardness_rotated_end=1.8,
        hardness_rotated_slack=0.3,
        batch_size=256,
        epochs=40,
        learning_rate=1e-3,
    ),
}
"""`paper`: the paper and its supplement. `released`: the authors' code, which starts
from a trained lifter (`--init_from`). `small`: the latter, for some ten thousand poses
on 2 CPU cores. Its lifters err twice as much on their own poses as Human3.6M's, so
poses that are 2 to 32 times as hard, which the code asks for, would have to leave the
image; those of 1 to 3 times need not. Bodies are rotated about the vertical axis and
tilted by some 20 degrees each way. The lifter learns at its baseline's pace, the
augmentor and its discriminators at the code's: at three times that they lose hold of
each other, in some seeds and not in others."""
