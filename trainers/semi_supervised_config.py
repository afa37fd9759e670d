"""Options of semi-supervised training, and presets."""

import dataclasses
from typing import Any

from data_pipelines.readers.datasets import DATASETS
from tfpose.errors import InputError
from trainers.engine.config import option
from trainers.top_down_config import PRESETS as TOP_DOWN
from trainers.top_down_config import TopDownConfig

__all__ = ["PRESETS", "SemiSupervisedConfig"]


@dataclasses.dataclass(frozen=True)
class SemiSupervisedConfig(TopDownConfig):
    """Options of semi-supervised training; of labelled people as `TopDownConfig`.

    Hard and easy views have the paper's bounds: rotation of 60 and 30 degrees, scale of
    0.25 both, and squares of 20 pixels at 256 x 192, a tenth of the shorter side, on
    joints of the hard view. The paper cuts 5 of 17 joints out.

    The paper starts from a net that is trained on ImageNet. A new net's heatmaps are
    next to 0; it agrees with itself that there is nothing, and with full weight from
    the first step on it stays there, whatever the labels say. `ramp_epochs` lets labels
    come first.

    Raises:
        InputError: an impossible value.
    """

    unlabelled_dataset: str = option(
        "",
        "Kind of data set to learn from without labels; empty for the training split.",
        choices=("", *DATASETS),
    )
    unlabelled_dir: str = option("", "Its folder.")
    consistency_weight: float = option(1.0, "Of the loss without labels.", at_least=0)
    ramp_epochs: float = option(
        0.0, "Epochs in which that weight grows from 0 to its full value.", at_least=0
    )
    easy_scale: float = option(
        0.25, "Scaling of the teacher's view, 1 +- this.", at_least=0, at_most=0.9
    )
    easy_rotation: float = option(
        30.0, "Its rotation, +- degrees.", at_least=0, at_most=180
    )
    hard_scale: float = option(
        0.25, "Scaling of the student's view, 1 +- this.", at_least=0, at_most=0.9
    )
    hard_rotation: float = option(
        60.0, "Its rotation, +- degrees.", at_least=0, at_most=180
    )
    cut_share: float = option(
        0.3, "Share of joints cut out of the student's view.", at_least=0, at_most=1
    )
    cut_side: float = option(
        0.1, "Side of what is cut out, of the shorter side.", above=0, at_most=1
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.unlabelled_dataset) != bool(self.unlabelled_dir):
            raise InputError(
                "unlabelled_dataset, unlabelled_dir: expected both or neither, got "
                f"{self.unlabelled_dataset!r} and {self.unlabelled_dir!r}"
            )

    @property
    def unlabelled(self) -> "SemiSupervisedConfig":
        """The same options with the data set without labels as the data set."""
        if not self.unlabelled_dataset:
            return self
        return dataclasses.replace(
            self, dataset=self.unlabelled_dataset, data_dir=self.unlabelled_dir
        )


def _of(preset: TopDownConfig, **changes: Any) -> SemiSupervisedConfig:
    return SemiSupervisedConfig(**{**dataclasses.asdict(preset), **changes})


PRESETS = {
    "paper": _of(TOP_DOWN["paper"]),
    "small": _of(TOP_DOWN["small"], ramp_epochs=10.0),
    "demo": _of(TOP_DOWN["demo"], label_fraction=0.1, ramp_epochs=3.0),
}
"""`paper`, `small` and `demo` of `trainers.top_down`, with people without labels beside
the labelled ones; `demo` uses a tenth of the labels."""
