"""Options of ISO's joint training, and its paper's recipes as presets."""

import dataclasses

from tfpose.iso.loss import ADVERSARIAL_LOSSES
from tfpose.iso.net import TASKS
from tfpose.lifters.build import LIFTERS
from trainers.engine.config import option
from trainers.lifter_config import LifterConfig

__all__ = ["PRESETS", "ISOConfig"]


@dataclasses.dataclass(frozen=True)
class ISOConfig(LifterConfig):
    """Options of joint training; the defaults are the paper's (section 4.1).

    What the paper leaves open is decided here:

    * Keypoints are centred and of size 1. The discriminator has to see them so, since a
      lifted pose has no place in an image; then the second lifting of a cycle, of a
      projection without a place, gets what the first one got.
    * A random view is a pinhole camera 5 m from the body (`distance`), about as far as
      in Human3.6M. Keypoints of size 1 depend little on it.
    * The learning rate falls by 1 % an epoch. At Human3.6M's 24,000 steps an epoch
      that is by 4 % in 100,000 steps, as in Martinez et al., whose blocks it has; over
      200 epochs to 13 %.
    * Positions in equation 2 are in metres.
    * The lifter's adversarial loss is the non-saturating one. Equation 3 as written,
      `saturating`, has next to no gradient once the discriminator is right.
    * `cycle_weight_2d` is for keypoints of size 1, see `ISONet`.
    * One step of the discriminator for each of the lifter, by Adam at the lifter's
      learning rate. The lifter asks it as it is used, without dropout.
    * A pose is mirrored with probability 0.5 (`flip`), before both losses.
    * The self-supervised loss is of the SSL head alone; the real poses of the
      discriminator are the batch's own. With `random_views` both losses are of all
      pairs, the turned ones too.
    * Moving averages of batch normalisation are of the labelled pairs. The second
      lifting of a cycle is normalised by its own batch and does not move them, because
      the net has never trained with the mean of two sets of statistics.

    Raises:
        InputError: an impossible value.
    """

    net: str = option("iso", "Lifter.", choices=tuple(LIFTERS))
    centred: bool = option(
        True, "Let the lifter centre the 2D on the root and scale it to size 1."
    )
    epochs: int = option(200, "Times that every pose is seen.", at_least=1)
    batch_size: int = option(64, "Poses per step, over all replicas.", at_least=1)
    learning_rate: float = option(2e-4, "Adam's learning rate at the start.", above=0)
    decay_per_epoch: float = option(
        0.99,
        "What the learning rate is multiplied by after each epoch; 1 for a constant.",
        above=0,
        at_most=1,
    )
    clip_norm: float = option(
        0.0, "Gradients' norm is held to this; 0 for no limit.", at_least=0
    )
    flip_test: bool = option(True, "Evaluate the mean of pose and mirrored pose.")
    flip: bool = option(True, "Train on each pose or, as often, on its mirror image.")
    task: str = option(
        "cycle",
        "Self-supervised task of training and adaptation; refine has none in training.",
        choices=TASKS,
    )
    ssl_weight: float = option(
        0.1, "Lambda of equation 5: of the self-supervised loss.", at_least=0
    )
    shared_layer: str = option(
        "", "Last layer that both heads share; empty for the lifter's own choice."
    )
    adversarial: str = option(
        "non_saturating",
        "Loss of projections; with likelihood, a normalising flow scores them in place "
        "of a discriminator.",
        choices=ADVERSARIAL_LOSSES,
    )
    prior_units: int = option(
        1024, "Units of the discriminator or the flow.", at_least=1
    )
    spectral_norm: bool = option(
        False, "Hold the discriminator's slope by spectral normalisation; one replica."
    )
    learning_rate_prior: float = option(
        2e-4, "Of the discriminator or the flow, at the start.", above=0
    )
    cycle_weight_2d: float = option(
        0.1, "Of the cycle's 2D loss, for keypoints of size 1.", at_least=0
    )
    cycle_weight_3d: float = option(
        0.1, "Of the cycle's 3D loss, in square metres.", at_least=0
    )
    distance: float = option(
        5.0, "Of a random view's camera from the body, metres.", above=0
    )
    view_elevation: float = option(
        20.0,
        "Largest elevation of a self-supervised random view, degrees.",
        at_least=0,
        at_most=90,
    )


PRESETS = {
    "adversary": ISOConfig(task="adversary"),
    "cycle": ISOConfig(),
    "refine": ISOConfig(task="refine", random_views=True),
}
"""`adversary`, `cycle`: the paper's ISO-Adversary and ISO-Cycle, on Human3.6M.
`refine`: the same lifter without a second head, on random views as well; what
adaptation by refined poses starts from."""
