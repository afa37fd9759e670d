"""What all ways to train a lifter share: data, metrics, pictures."""

import pathlib
from typing import Any

import keras
import numpy as np
from keras import ops

from data_pipelines.lifting.batches import LiftingEvaluation
from data_pipelines.lifting.datasets import load_lifting_dataset
from data_pipelines.lifting.poses import LiftingDataset
from data_pipelines.lifting.validation import split_off
from tfpose.drawing import draw_skeleton
from tfpose.drawing import grid as contact_sheet
from tfpose.drawing_3d import draw_positions
from tfpose.errors import InputError
from tfpose.files import write_picture
from tfpose.geometry import limb_lengths, limb_vectors
from tfpose.lifters.build import build_lifter
from tfpose.lifters.pose_lifter import PoseLifter
from tfpose.metrics.mpjpe import PROTOCOLS
from tfpose.skeletons import Skeleton, get_skeleton
from tfpose.weights.keras_file import load_keras
from trainers.engine.devices import Devices
from trainers.engine.optimizer import LinearDecay, adam
from trainers.engine.task import Task
from trainers.engine.workdir import Workdir
from trainers.lifter_config import LifterConfig

__all__ = ["LiftingTask", "draw_pose", "lifter_optimizer"]

_SHOWN = 8
_TILE = 150
_SIDE_VIEW = 70.0
_METRICS = dict(zip(PROTOCOLS, ("mpjpe", "n_mpjpe", "pa_mpjpe"), strict=True))


def lifter_optimizer(
    config: LifterConfig,
    epoch_steps: float,
    rate: float | None = None,
    averaged: bool = True,
) -> keras.optimizers.Optimizer:
    """Adam by the config's schedule and limit of the gradients' norm.

    Args:
        config: the options.
        epoch_steps: updates in an epoch.
        rate: learning rate at the start; None for the config's.
        averaged: whether to keep the moving average that the config asks for.
    """
    rate = config.learning_rate if rate is None else rate
    schedule: Any = rate
    if config.linear_decay:
        schedule = LinearDecay(rate, epoch_steps, config.epochs)
    elif config.decay_per_epoch < 1:
        schedule = keras.optimizers.schedules.ExponentialDecay(
            rate, epoch_steps, config.decay_per_epoch, staircase=True
        )
    return adam(config, round(epoch_steps), schedule, config.clip_norm, averaged)


class LiftingTask(Task):
    """What is the same for all ways to train a lifter."""

    def __init__(self, config: LifterConfig, workdir: Workdir):
        """
        Args:
            config: the run's options.
            workdir: gets the reports of what cannot be used.

        Raises:
            InputError: bad data, or a start that is no such lifter.
        """
        self.config = config
        skeleton = get_skeleton(config.skeleton)
        start = None
        if config.init_from and not workdir.begun:
            start = _load_start(config, skeleton)
        self.train, self._poses = _load_pairs(config, workdir)
        self._validation = LiftingEvaluation(self._poses)
        # What was built before must not decide the initial weights.
        keras.utils.set_random_seed(config.seed)
        dropout = None if config.dropout < 0 else config.dropout
        self.net = build_lifter(
            config.net, skeleton, dropout=dropout, centred=config.centred
        )
        self.net.info = {"limb_lengths": _limb_lengths(self.train)}
        if start is not None:
            _copy_weights(start, self.net, config)
        self.lifter = PoseLifter(self.net, config.flip_test)

    def evaluate(self, devices: Devices) -> tuple[dict[str, float], list[str]]:
        """MPJPE, N-MPJPE and PA-MPJPE in millimetres, PCK at 150 mm and its AUC."""
        found = devices.predict(self._lift, self._validation, len(self._poses))
        by_protocol = self._validation.scores(found["positions"], self.config.flip_test)
        scores = list(by_protocol.values())
        metrics = {_METRICS[score.protocol]: score.overall.mpjpe for score in scores}
        metrics |= {"pck": scores[0].overall.pck, "auc": scores[0].overall.auc}
        return metrics, [str(score) for score in scores]

    def _lift(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {"positions": self.lifter.lift(batch["keypoints"])}

    def score(self, metrics: dict[str, float]) -> list[float]:
        """The less the MPJPE, the better."""
        return [-metrics["mpjpe"]]

    def draw(self, folder: pathlib.Path) -> None:
        """2D, ground truth and prediction of validation poses, from two sides."""
        rows = np.linspace(0, len(self._poses) - 1, _SHOWN).astype(int)
        batch = self._validation.many(rows)
        found = np.asarray(self.lifter.lift(batch["keypoints"]))
        tiles, skeleton = [], self._poses.skeleton
        for keypoints, truth, lifted in zip(
            batch["keypoints"], batch["positions"], found, strict=True
        ):
            tiles.append(draw_pose(keypoints, skeleton))
            for positions in (truth, lifted):
                tiles += [
                    draw_positions(positions, skeleton, angle, _TILE)
                    for angle in (0.0, _SIDE_VIEW)
                ]
        titles = ["2D", "truth", "truth, side", "predicted", "predicted, side"] * len(
            rows
        )
        picture = contact_sheet(tiles, columns=10, titles=titles)
        write_picture(folder / "lifted.png", picture)


def draw_pose(keypoints: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Normalised keypoints `[J, 2]` on an empty square in place of the image."""
    paper = np.full((_TILE, _TILE, 3), 250, np.uint8)
    return draw_skeleton(paper, (keypoints + 1) / 2 * (_TILE - 1), skeleton)


def _load_pairs(
    config: LifterConfig, workdir: Workdir
) -> tuple[LiftingDataset, LiftingDataset]:
    """Training and validation pairs, both of the data set's training split."""
    poses = load_lifting_dataset(
        config.dataset,
        config.data_dir,
        "train",
        get_skeleton(config.skeleton),
        keypoints=config.keypoints or None,
        stride=config.stride,
        report_path=workdir.root / "skipped_train.json" if workdir.chief else None,
    )
    return split_off(poses, config.val_subjects)


def _limb_lengths(poses: LiftingDataset) -> dict[str, list[float]]:
    """Mean and standard deviation of each limb's length, metres.

    Lifters keep them: they tell a body of the training data from another.
    """
    limbs = limb_vectors(poses.positions, poses.skeleton.parents)
    lengths = ops.convert_to_numpy(limb_lengths(limbs))
    return {
        "mean": lengths.mean(axis=0).round(5).tolist(),
        "std": lengths.std(axis=0).round(5).tolist(),
    }


def _load_start(config: LifterConfig, skeleton: Skeleton) -> keras.Model:
    start = PoseLifter(load_keras(config.init_from)).net
    if start.skeleton.joints != skeleton.joints:
        raise InputError(
            f"init_from {config.init_from}: lifts the joints of {start.skeleton.name}, "
            f"expected those of {skeleton.name}"
        )
    if start.centred != config.centred:
        raise InputError(
            f"init_from {config.init_from}: centred is {start.centred}, expected "
            f"{config.centred}, as the option says"
        )
    return start


def _copy_weights(start: keras.Model, net: keras.Model, config: LifterConfig) -> None:
    """All weights of a lifter of the same kind."""
    shapes = [[tuple(w.shape) for w in model.weights] for model in (start, net)]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"init_from {config.init_from}: a {start.name} of "
            f"{start.count_params():,} numbers, expected a {config.net} of "
            f"{net.count_params():,}"
        )
    net.set_weights(start.get_weights())
