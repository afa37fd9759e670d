r"""Trains LOGO-CAP, which finds everybody in a photo at once, without boxes.

    python -m trainers.logocap --dataset=coco --data_dir=... --workdir=...

All parts learn together, as in the paper: heatmaps, offsets, and what moves the poses
that these give.
"""

import pathlib
from typing import Any

import keras
import numpy as np
from keras import ops

from data_pipelines.multi_person import MultiPersonTraining
from data_pipelines.people import PoseDataset
from data_pipelines.whole_photos import WholePhotos
from tfpose.drawing import colour_heatmap, draw_skeleton
from tfpose.drawing import grid as contact_sheet
from tfpose.errors import InputError
from tfpose.files import write_picture
from tfpose.logocap.net import LogoCapNet
from tfpose.logocap.suppression import suppress_near
from tfpose.skeletons import Skeleton
from tfpose.top_down.net import find_net
from tfpose.top_down.transfer import freeze_groups, weighted_layers
from tfpose.weights.keras_file import load_keras
from trainers.engine.devices import Devices
from trainers.engine.optimizer import adam
from trainers.engine.program import run_main
from trainers.engine.task import Task
from trainers.engine.workdir import Workdir
from trainers.logocap_config import PRESETS, LogoCapConfig
from trainers.logocap_model import LogoCapModel
from trainers.people import load_people

__all__ = ["PRESETS", "LogoCapConfig", "LogoCapTask", "main"]

_SHOWN = 6
_TITLES = ["labels", "start poses", "refined poses", "centres", "joints"]
# Of a pose that is drawn, and of its joints.
_LEAST_SCORE = 0.05


class LogoCapTask(Task):
    """LOGO-CAP's training as the engine's task."""

    def __init__(self, config: LogoCapConfig, workdir: Workdir):
        """
        Args:
            config: the run's options.
            workdir: gets the reports of records that cannot be used.

        Raises:
            InputError: bad data, or a net to start from that does not fit.
        """
        self._config = config
        start = None
        if config.init_from and not workdir.begun:
            start = load_keras(config.init_from)
        train, val = (load_people(config, workdir, split) for split in ("train", "val"))
        if val.skeleton.joints != train.skeleton.joints:
            raise InputError(f"{config.data_dir}: train and val have different joints")
        budget = config.cache_megabytes / 2
        self._validation = WholePhotos(val, config.input_size, budget)
        self.sampler = _training(config, train, budget)
        # What was built before must not decide the initial weights.
        keras.utils.set_random_seed(config.seed)
        self.net = _build_net(config, val.skeleton)
        if start is not None:
            _initialise(self.net, start)
        freeze_groups(self.net.backbone.layer_groups(), config.freeze)
        self.model = LogoCapModel(self.net, config)
        self.model.compile(optimizer=adam(config, self.steps_per_epoch))

    def evaluate(self, devices: Devices) -> tuple[dict[str, float], list[str]]:
        """OKS AP of refined poses, and of start poses (`start_ap`, ...)."""
        count = len(self._validation)
        found = devices.predict(self._find, self._validation, count)
        scores = _of_the_best(found["poses"], found["scores"])
        metrics, notes = self._validation.scores(found["poses"], scores)
        scores = _of_the_best(found["start"], found["start_scores"])
        before, _ = self._validation.scores(found["start"], scores)
        return {**metrics, **{f"start_{k}": v for k, v in before.items()}}, notes

    def _find(self, batch: dict[str, Any]) -> dict[str, Any]:
        dense = self.net.dense(batch["image"])
        start = self.net.start_poses(dense)
        poses, scores = self.net.adapted(dense, start, "full")
        before, before_scores = self.net.adapted(dense, start, "none")
        return {
            "poses": poses,
            "scores": scores,
            "start": before,
            "start_scores": before_scores,
        }

    def score(self, metrics: dict[str, float]) -> list[float]:
        """AP of refined poses, then of start poses."""
        return [metrics["ap"], metrics["start_ap"]]

    def describe(self, metrics: dict[str, float]) -> str:
        """The losses, and how many poses a photo gives to learn from."""
        return (
            f"heatmaps {metrics['heatmaps']:.5f}, offsets {metrics['offsets']:.4f}, "
            f"attraction {metrics['attraction']:.5f}, refined "
            f"{metrics['refined']:.5f}, {metrics['kept_poses']:.1f} poses a photo"
        )

    def draw(self, folder: pathlib.Path) -> None:
        """Photos with labels, start poses and refined poses, and with heatmaps."""
        rows = range(min(_SHOWN, len(self._validation)))
        photos = [self._validation(row)["image"] for row in rows]
        images = np.stack(photos)
        found = {**self._find({"image": images}), "maps": self.net.dense(images)[0]}
        found = {name: ops.convert_to_numpy(value) for name, value in found.items()}
        tiles, skeleton = [], self.net.skeleton
        for row, photo in zip(rows, photos, strict=True):
            heatmaps = found["maps"][row].clip(0, 1)
            labels = self._validation.in_input(row)
            tiles += [
                draw_skeleton(photo, labels, skeleton, threshold=0.5),
                self._drawn(photo, found["start"][row], found["start_scores"][row]),
                self._drawn(photo, found["poses"][row], found["scores"][row]),
                colour_heatmap(heatmaps[..., -1], photo, highest=1.0),
                colour_heatmap(heatmaps[..., :-1], photo, highest=1.0),
            ]
        columns = len(_TITLES)
        sheet = contact_sheet(tiles, columns, titles=_TITLES * len(photos))
        write_picture(folder / "poses.png", sheet)

    def _drawn(
        self, photo: np.ndarray, poses: np.ndarray, scores: np.ndarray
    ) -> np.ndarray:
        """The photo with the people who score enough, all of their joints."""
        shown = poses[scores > _LEAST_SCORE, :, :2]
        return draw_skeleton(photo, shown, self.net.skeleton) if len(shown) else photo


def _of_the_best(poses: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Scores `[I, S]` of poses `[I, S, J, 3]`, 0 where a better one lies on it."""
    found = np.zeros_like(scores)
    for row, (keypoints, values) in enumerate(zip(poses[..., :2], scores, strict=True)):
        filled = np.flatnonzero(values > 0)
        kept = filled[suppress_near(keypoints[filled], values[filled])]
        found[row, kept] = values[kept]
    return found


def _training(
    config: LogoCapConfig, people: PoseDataset, budget: float
) -> MultiPersonTraining:
    return MultiPersonTraining(
        people,
        config.input_size,
        config.slots,
        config.batch_size,
        config.seed,
        config.augmentation,
        budget,
        stride=LogoCapNet.stride,
        least_area=config.least_area,
        released=config.released,
    )


def _build_net(config: LogoCapConfig, skeleton: Skeleton) -> LogoCapNet:
    found = find_net(config.net)
    arguments = {**found["arguments"], "return_all": True}
    backbone = found["backbone"]((None, None, 3), name="backbone", **arguments)
    info = {
        "task": "logocap",
        "skeleton": skeleton.to_dict(),
        "short_side": config.input_side,
    }
    return LogoCapNet(skeleton, backbone, info=info, **config.architecture)


def _initialise(net: LogoCapNet, start: keras.Model) -> None:
    """Copies what another net has: all of the same net, of others the backbone and the
    feature pyramid.

    Raises:
        InputError: these differ.
    """
    if isinstance(start, LogoCapNet) and [w.shape for w in start.weights] == [
        w.shape for w in net.weights
    ]:
        net.set_weights(start.get_weights())
        return
    of_backbone = weighted_layers(getattr(start, "backbone", start))
    source = {
        name: layer
        for name, layer in weighted_layers(start).items()
        if name in of_backbone or name.startswith("pyramid")
    }
    target = weighted_layers(net.dense_model)
    for name, layer in source.items():
        expected = (
            [tuple(w.shape) for w in target[name].weights] if name in target else None
        )
        found = [tuple(w.shape) for w in layer.weights]
        if found != expected:
            raise InputError(
                f"init_from: layer {name} has weights {found}, expected "
                f"{expected if expected is not None else 'no such layer'}"
            )
    for name, layer in source.items():
        target[name].set_weights(layer.get_weights())


def main() -> None:
    """The command-line program."""
    run_main(LogoCapConfig, PRESETS, LogoCapTask)


if __name__ == "__main__":
    main()
