"""Options of MeTTA's two trainings, and presets."""

import dataclasses
from typing import Any, TypeVar

from tfpose.errors import InputError
from trainers.engine.config import option
from trainers.top_down_config import PRESETS as TOP_DOWN
from trainers.top_down_config import TopDownConfig

__all__ = ["JOINT_PRESETS", "META_PRESETS", "MeTTAConfig", "MeTTAJointConfig"]

_Config = TypeVar("_Config", bound="MeTTAJointConfig")


@dataclasses.dataclass(frozen=True)
class MeTTAJointConfig(TopDownConfig):
    """Options of joint training: labels and inpainting beside each other.

    The main text of the paper is not public, and its supplement gives structures and
    K = 5 alone. What they leave open is decided here:

    * 30 self-supervised maps, as TTP's. The auxiliary loss is the mean squared error of
      what was missing, for pixels from -1 to 1. Its weight is 1e-4: TTP's 1e-3 (of a
      perceptual loss) costs 12 points of PCK on mannequins, 1e-5 gains nothing more.
    * A mask is a square of half the shorter side. In joint training it lies anywhere
      where bodies are; in meta-training and test in fixed places, so that both have the
      same objective. People fill the middle of their crop, so no label is needed to
      hide a part of a body.
    * The inpainted picture is a quarter of the input each way (`shrink`): the auxiliary
      network at the input's size costs many times the backbone.

    Raises:
        InputError: an impossible value.
    """

    num_maps: int = option(30, "Self-supervised maps.", at_least=1)
    hidden: int = option(64, "Channels before the self-supervised maps.", at_least=1)
    map_sigma: float = option(1.0, "Rendered keypoints' sigma, heatmap cells.", above=0)
    temperature: float = option(
        20.0, "Factor on maps before they become keypoints.", above=0
    )
    shrink: int = option(
        4, "Input pixels for one of the inpainted picture, each way.", at_least=1
    )
    filters: tuple[int, ...] = option(
        (64, 128, 256), "Channels of the auxiliary encoders.", at_least=2
    )
    mask_share: float = option(
        0.5, "Side of a mask, share of the shorter side.", above=0, at_most=1
    )
    masks: int = option(1, "Fixed masks of a step of adaptation.", at_least=1)
    pose_guidance: bool = option(True, "Let the inpainting see the keypoints.")
    auxiliary_weight: float = option(
        1e-4,
        "Of the inpainting's loss for the pose net; 0 for labels alone.",
        at_least=0,
    )
    steps: int = option(5, "K, steps of an adaptation.", at_least=1, at_most=20)
    inner_learning_rate: float = option(
        0.1, "Of these steps, at first; in the direction of the gradient.", above=0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.filters) != 3:
            raise InputError(f"filters: expected three numbers, got {self.filters}")
        unit = 8 * self.shrink
        for name in ("input_height", "input_width"):
            side = getattr(self, name)
            if side % unit:
                raise InputError(
                    f"{name}: expected a multiple of {unit}, 8 times shrink, so that "
                    f"the picture can be inpainted, got {side}"
                )

    @property
    def architecture(self) -> dict[str, Any]:
        """Arguments of `MeTTANet`."""
        return {
            "num_maps": self.num_maps,
            "hidden": self.hidden,
            "map_sigma": self.map_sigma,
            "temperature": self.temperature,
            "shrink": self.shrink,
            "filters": self.filters,
            "mask_share": self.mask_share,
            "masks": self.masks,
            "pose_guidance": self.pose_guidance,
            "steps": self.steps,
            "learning_rate": self.inner_learning_rate,
        }


@dataclasses.dataclass(frozen=True)
class MeTTAConfig(MeTTAJointConfig):
    """Options of meta-training; it goes on from joint training (`init_from`).

    The backbone is frozen, as in the paper. K steps on the auxiliary loss, then the
    labels' loss with the weights that these gave. Beside that:

    * `step_share` of the outer loss is of the weights after the other steps, later ones
      more (MAML++, arXiv:1810.09502), so that accuracy rises with each.
    * Learning rates of the steps are learned, one for each step and weight tensor.
    * The auxiliary loss before the first step stays in the outer loss, or the
      inpainting would forget what pictures look like.

    Raises:
        InputError: an impossible value.
    """

    flip_test: bool = option(False, "Must be false: adaptation has no flip test.")
    first_order: bool = option(
        False, "Take the inner gradients as constants in the outer ones."
    )
    learn_rates: bool = option(True, "Learn the inner learning rates.")
    step_share: float = option(
        0.3, "Of the outer loss, for steps before the last.", at_least=0, at_most=1
    )
    clip_norm: float = option(
        1.0, "Outer gradients' norm is held to this; 0 for no limit.", at_least=0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.flip_test:
            raise InputError("flip_test: expected false, adaptation has no flip test")
        if self.freeze:
            raise InputError(
                "freeze: expected none, meta-training freezes the whole backbone, got "
                f"{','.join(self.freeze)}"
            )
        if not self.pose_guidance:
            raise InputError(
                "pose_guidance: expected true, without it nothing can adapt"
            )


def _presets(kind: type[_Config]) -> dict[str, _Config]:
    """Those of `trainers.top_down`, as another kind of config."""
    names = {f.name for f in dataclasses.fields(TopDownConfig)} - {"flip_test"}

    def of(preset: str, **changes: Any) -> _Config:
        values = {name: getattr(TOP_DOWN[preset], name) for name in names}
        return kind(**{**values, "flip_test": False, **changes})

    return {
        "paper": of("paper", input_height=256, input_width=256),
        "small": of("small", shrink=2, filters=(16, 32, 64)),
    }


JOINT_PRESETS = _presets(MeTTAJointConfig)
META_PRESETS = _presets(MeTTAConfig)
"""`paper`: HRNet-W32 at 256 x 256, with HRNet's schedule on COCO. `small`: a small net
and input for a few thousand photos on 2 CPU cores."""
