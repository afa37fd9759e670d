"""Every trainer, as the contract's tests run it: a row for each method."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from trainers import (
    hsjp_pretrain,
    iso,
    lifter,
    logocap,
    metta,
    metta_joint,
    poseaug,
    semi_supervised,
    top_down,
)
from trainers.alternating import AlternatingModel
from trainers.engine.config import RunConfig
from trainers.engine.task import Task
from trainers.engine.train_step import takes_summed_gradients
from trainers.engine.workdir import Workdir

__all__ = ["METHODS", "Method", "command_line", "use_plain_descent"]


@dataclasses.dataclass(frozen=True)
class Method:
    """A trainer and a run of it that takes seconds.

    Attributes:
        config: of that run, without folders; a few steps an epoch, two epochs.
        make_task: builds the method's task.
        data: fixture that writes its data set, "photos", "pairs" or "crowds".
        impossible: changes of the config that are refused, and by which words, beside
            the bounds of single options, which are tested of themselves.
        descent: learning rate of plain descent on replicas; 0 for the data's usual.
        on_replicas: options that differ there, as rounding would decide otherwise.
        not_linear: metrics that are no means over samples, so that the mean of two
            replicas' is not that of one: how far they may be apart, relatively.
    """

    config: RunConfig
    make_task: Callable[[Any, Workdir], Task]
    data: str
    impossible: tuple[tuple[dict[str, Any], str], ...] = ()
    descent: float = 0.0
    on_replicas: dict[str, Any] = dataclasses.field(default_factory=dict)
    not_linear: dict[str, float] = dataclasses.field(default_factory=dict)

    def settle(self, data_dir: Path | str, workdir: Path | str) -> RunConfig:
        """The config with its folders."""
        return dataclasses.replace(
            self.config, data_dir=str(data_dir), workdir=str(workdir)
        )


_HEATMAPS: dict[str, Any] = {
    "net": "hrnet_tiny",
    "batch_size": 8,
    "epochs": 2,
    "lr_drop_epochs": (1,),
}
_LIFTING: dict[str, Any] = {
    "dataset": "mannequin",
    "net": "martinez_small",
    # Its random masks differ from replica to replica and under XLA.
    "dropout": 0.0,
    "batch_size": 32,
    "epochs": 2,
}

_METTA: dict[str, Any] = {
    **_HEATMAPS,
    "input_height": 32,
    "input_width": 32,
    "shrink": 2,
    "filters": (4, 8, 8),
    "num_maps": 4,
    "hidden": 8,
    "steps": 2,
    # New weights make much of rounding errors, if steps are large or maps have peaks.
    "inner_learning_rate": 1e-3,
    "temperature": 1.0,
    "ema_momentum": 0.5,
}

METHODS: dict[str, Method] = {
    "hsjp_pretrain": Method(
        config=dataclasses.replace(
            hsjp_pretrain.PRESETS["small"],
            **_HEATMAPS,
            input_side=32,
            grid=2,
            sigma=2.6,
            ramp_epochs=1.0,
        ),
        make_task=hsjp_pretrain.HSJPTask,
        data="photos",
        impossible=(
            ({"grid": 9}, "grid: .*N from 2 to 8, got N = 9"),
            ({"sigma": 99.0}, "sigma: must be above 0 and below"),
            ({"input_side": 226}, "input"),
            ({"net": "hrnet_huge"}, "unknown net 'hrnet_huge'"),
        ),
    ),
    "top_down": Method(
        config=dataclasses.replace(
            top_down.PRESETS["small"],
            **_HEATMAPS,
            input_height=32,
            input_width=32,
            ema_momentum=0.5,
        ),
        make_task=top_down.TopDownTask,
        data="photos",
        impossible=(
            ({"net": "hrnet_huge"}, "unknown net 'hrnet_huge'"),
            ({"input_width": 33}, "input"),
            ({"blur_kernel": 4}, "blur_kernel"),
        ),
    ),
    "semi_supervised": Method(
        config=dataclasses.replace(
            semi_supervised.PRESETS["small"],
            **_HEATMAPS,
            input_height=32,
            input_width=32,
            label_fraction=0.5,
            ema_momentum=0.5,
        ),
        make_task=semi_supervised.SemiSupervisedTask,
        data="photos",
        # A new net's maps are flat: the last bit says where their peaks are cut out.
        on_replicas={"cut_share": 0.0},
        impossible=(
            (
                {"unlabelled_dir": "PEOPLE"},
                "unlabelled_dataset, unlabelled_dir: expected both or neither",
            ),
            ({"net": "hrnet_huge"}, "unknown net 'hrnet_huge'"),
        ),
    ),
    "metta_joint": Method(
        config=dataclasses.replace(metta_joint.PRESETS["small"], **_METTA),
        make_task=metta_joint.MeTTAJointTask,
        data="photos",
        # The auxiliary loss is some hundred times as large as that of labels.
        descent=0.01,
        impossible=(
            ({"filters": (8, 8)}, "filters: expected three numbers"),
            ({"input_width": 40}, "input_width: expected a multiple of 16, 8 times"),
            ({"net": "hrnet_huge"}, "unknown net 'hrnet_huge'"),
        ),
    ),
    "metta": Method(
        config=dataclasses.replace(metta.PRESETS["small"], **_METTA),
        make_task=metta.MetaTask,
        data="photos",
        # The auxiliary loss is some hundred times as large as that of labels.
        descent=0.05,
        impossible=(
            ({"flip_test": True}, "flip_test: expected false"),
            ({"freeze": ("stem",)}, "freeze: expected none, .* got stem"),
            ({"pose_guidance": False}, "pose_guidance: expected true"),
        ),
    ),
    "logocap": Method(
        config=dataclasses.replace(
            logocap.PRESETS["small"],
            **_HEATMAPS,
            input_side=64,
            slots=4,
            feature_filters=4,
            offset_filters=8,
            message_filters=(8, 8, 8),
            window_radius=8,
            ema_momentum=0.5,
        ),
        make_task=logocap.LogoCapTask,
        data="crowds",
        impossible=(
            ({"net": "resnet50"}, "net: expected an HRNet or one with a feature"),
            ({"input_side": 72}, "input_side: expected a multiple of 32, got 72"),
            ({"message_filters": (8, 8)}, "message_filters: expected three numbers"),
            ({"smallest": 2.0}, "smallest: expected at most largest"),
        ),
    ),
    "lifter": Method(
        config=dataclasses.replace(lifter.PRESETS["small"], **_LIFTING),
        make_task=lifter.LifterTask,
        data="pairs",
        impossible=(({"lr_drop_epochs": (1,)}, "lr_drop_epochs: expected none with"),),
    ),
    "poseaug": Method(
        config=dataclasses.replace(
            poseaug.PRESETS["paper"],
            **_LIFTING,
            pool_size=4096,
            warmup_epochs=0,
            ema_momentum=0.5,
        ),
        make_task=poseaug.PoseAugTask,
        data="pairs",
        impossible=(
            ({"operators": ("bend",)}, "operators: expected some of .*, got bend"),
            ({"pool_size": 8}, "pool_size: must be at least the batch_size, 32, got 8"),
            ({"lr_drop_epochs": (1,)}, "lr_drop_epochs: expected none with"),
        ),
        # A ratio of the batch's errors, and the spread of the batch's rotations.
        not_linear={"error_ratio": 0.02, "view_spread": 0.1},
    ),
    "iso": Method(
        config=dataclasses.replace(
            iso.PRESETS["cycle"],
            **_LIFTING,
            random_views=True,
            prior_units=32,
            ema_momentum=0.5,
        ),
        make_task=iso.ISOTask,
        data="pairs",
        impossible=(
            ({"lr_drop_epochs": (1,)}, "lr_drop_epochs: expected none with decay"),
            ({"linear_decay": True}, "decay_per_epoch: expected 1 with linear_decay"),
        ),
    ),
}
"""A new trainer adds its row here, and no other test."""


def command_line(config: RunConfig) -> dict[str, Any]:
    """The config as flags of its program, by name."""
    values = {
        field.name: getattr(config, field.name) for field in dataclasses.fields(config)
    }
    return {
        name: ",".join(map(str, value)) if isinstance(value, tuple) else value
        for name, value in values.items()
    }


def use_plain_descent(task: Task, rate: float) -> None:
    """Gradient descent in place of Adam.

    Adam divides by the gradient's size at first, and would make a difference in the
    last bit of a small gradient as large as a step.
    """

    def descent() -> keras.optimizers.Optimizer:
        optimizer = keras.optimizers.SGD(rate, use_ema=True, ema_momentum=0.5)
        return takes_summed_gradients(optimizer)

    if isinstance(task.model, AlternatingModel):
        for name in task.model.optimizer.of:
            task.model.optimizer.of[name] = descent()
    else:
        task.model.compile(descent())
    task.model.optimizer.build(task.model.trainable_variables)
