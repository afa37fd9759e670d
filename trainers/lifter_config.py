"""Options of training a lifter, and the papers' recipes as presets."""

import dataclasses

from data_pipelines.lifting.datasets import LIFTING_DATASETS
from tfpose.errors import InputError
from tfpose.lifters.build import LIFTERS
from tfpose.skeletons import SKELETONS
from trainers.engine.config import RunConfig, option

__all__ = ["PRESETS", "LifterConfig"]


@dataclasses.dataclass(frozen=True)
class LifterConfig(RunConfig):
    """Options of training a lifter; the defaults are PoseAug's for its baselines.

    (Their learning rate falls by 4 % every 100,000 steps; at 1,524 steps an epoch that
    is by 3 % in all, so it is constant here.)

    Raises:
        InputError: an impossible value.
    """

    dataset: str = option("h36m", "Kind of data set.", choices=tuple(LIFTING_DATASETS))
    skeleton: str = option("h36m16", "Joints to lift.", choices=tuple(SKELETONS))
    keypoints: str = option(
        "", "Source of 2D keypoints; empty for the data set's own choice."
    )
    stride: int = option(1, "Every how many frames one is used.", at_least=1)
    val_subjects: tuple[str, ...] = option(
        (),
        "People kept out of training to choose the best epoch by; by default the last "
        "with a tenth of the poses. The test split takes no part.",
    )
    net: str = option("vpose", "Lifter.", choices=tuple(LIFTERS))
    dropout: float = option(
        -1.0, "Share of units; -1 for the lifter's own.", at_least=-1, at_most=0.95
    )
    centred: bool = option(
        False,
        "Let the lifter centre the 2D on the root and scale it to size 1, so that it "
        "does not see where people are in the image, and how large.",
    )
    random_views: bool = option(
        False,
        "Train on each batch twice: as it is, and with bodies turned by any angle "
        "about the vertical axis and tilted, projected again.",
    )
    view_tilt: float = option(
        20.0, "Of random_views: standard deviation in degrees.", at_least=0, at_most=90
    )
    target_dir: str = option(
        "",
        "Data set whose test split says, by its 2D alone, where in the image and how "
        "large the second bodies of a batch are: an adaptation to it (GPA of PoseDA, "
        "arXiv:2303.16456).",
    )
    target_dataset: str = option(
        "",
        "Kind of the target's data set; empty for that of dataset.",
        choices=("", *LIFTING_DATASETS),
    )
    target_subjects: tuple[str, ...] = option((), "Its people; empty for the split's.")
    epochs: int = option(50, "Times that every pose is seen.", at_least=1)
    batch_size: int = option(1024, "Poses per step, over all replicas.", at_least=1)
    lr_drop_epochs: tuple[int, ...] = option(
        (),
        "Epochs (from 1) after which the learning rate is divided by 10.",
        at_least=1,
    )
    linear_decay: bool = option(
        False, "Let the learning rate fall from epoch to epoch, in a line, towards 0."
    )
    decay_per_epoch: float = option(
        1.0,
        "What the learning rate is multiplied by after each epoch; 1 for a constant.",
        above=0,
        at_most=1,
    )
    clip_norm: float = option(
        1.0, "Gradients' norm is held to this; 0 for no limit.", at_least=0
    )
    flip_test: bool = option(False, "Evaluate the mean of pose and mirrored pose.")
    eval_batch_size: int = option(
        4096, "Poses per evaluation step.", at_least=1, changes_result=False
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.linear_decay and self.decay_per_epoch < 1:
            raise InputError(
                "decay_per_epoch: expected 1 with linear_decay, got "
                f"{self.decay_per_epoch}"
            )
        other = "linear_decay" if self.linear_decay else "decay_per_epoch"
        if self.lr_drop_epochs and (self.linear_decay or self.decay_per_epoch < 1):
            raise InputError(
                f"lr_drop_epochs: expected none with {other}, got "
                f"{','.join(map(str, self.lr_drop_epochs))}"
            )


PRESETS = {
    "paper": LifterConfig(),
    "semgcn": LifterConfig(net="semgcn", learning_rate=2e-2, epochs=100, dropout=0.0),
    "small": LifterConfig(
        dataset="mocap", epochs=30, batch_size=256, linear_decay=True
    ),
}
"""`paper`: PoseAug's baselines on Human3.6M; `semgcn`: its setting for SemGCN;
`small`: for some ten thousand poses of motion capture on 2 CPU cores."""
