"""A lifter, poses and a way to adapt: what each analysis starts from."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from data_pipelines.lifting.batches import LiftingEvaluation
from data_pipelines.lifting.datasets import load_lifting_dataset
from data_pipelines.lifting.poses import LiftingDataset
from tfpose.adaptation import AdaptedModel, AdaptedStreams
from tfpose.adapters import parse_adaptation
from tfpose.cli.progress import Progress
from tfpose.errors import InputError
from tfpose.iso.adapt import ISOAdapter
from tfpose.iso.options import MODES, ISOOptions
from tfpose.lifters.net import LiftingNet
from tfpose.weights.keras_file import load_keras

__all__ = ["ADAPTED", "COLOURS", "UNADAPTED", "Finding", "Study", "load_study"]

UNADAPTED, ADAPTED = "unadapted", "adapted"
"""Names of the two kinds of predictions, in files and figures."""
COLOURS = {UNADAPTED: "#c8553d", ADAPTED: "#4f86c6"}
"""Their colours in all figures."""

_BATCH = 1024
_compiler = functools.partial(tf.function, autograph=False, jit_compile=True)


@dataclasses.dataclass(frozen=True)
class Finding:
    """What one analysis found.

    Attributes:
        numbers: for the JSON file.
        lines: a small table, for print.
        draw: draws the figure.
    """

    numbers: dict[str, Any]
    lines: list[str]
    draw: Callable[[Figure], None]


@dataclasses.dataclass(frozen=True)
class Study:
    """A lifter, N poses in their order, and a way to adapt.

    Attributes:
        net: the lifter; never changed.
        poses: with the net's joints.
        options: how to adapt.
    """

    net: LiftingNet
    poses: LiftingDataset
    options: ISOOptions

    @functools.cached_property
    def keypoints(self) -> np.ndarray:
        """Float32 `[N, J, 2]`, normalised."""
        return LiftingEvaluation(self.poses).keypoints

    @functools.cached_property
    def truth(self) -> np.ndarray:
        """Float32 `[N, J, 3]`, metres, relative to the root."""
        positions = self.poses.positions
        return positions - positions[:, [self.net.skeleton.root]]

    def adapter(self, options: ISOOptions | None = None) -> ISOAdapter:
        """The adapter with the study's options, or with others."""
        return ISOAdapter(self.net, options or self.options)

    def stream(self, options: ISOOptions) -> AdaptedModel:
        """A model that adapts to one pose after the other; compiled once for options.

        It begins a new stream.
        """
        if options not in self._models:
            adapter = self.adapter(options)
            self._models[options] = AdaptedModel(adapter, self.net.variables, _compiler)
        model = self._models[options]
        model.begin()
        return model

    @functools.cached_property
    def _models(self) -> dict[ISOOptions, AdaptedModel]:
        return {}

    def streams(self, options: ISOOptions, count: int) -> AdaptedStreams:
        """The same for so many streams side by side."""
        adapter = self.adapter(options)
        return AdaptedStreams(
            adapter, self.net.variables, count, tf.vectorized_map, _compiler
        )

    def in_mode(self, mode: str) -> ISOOptions:
        """The study's options, but in one of `MODES`."""
        usual = {"online": True, "steps": 1, "every": 1}
        return dataclasses.replace(self.options, **(usual | MODES[mode]))

    def unadapted(self, keypoints: np.ndarray | None = None) -> np.ndarray:
        """Predictions by the trained weights.

        They are mirrored and refined as the adapted ones are, so that adaptation is the
        only difference.

        Args:
            keypoints: `[N, J, 2]`, normalised; the poses' own by default.

        Returns:
            Float32 `[N, J, 3]`, metres, relative to the root.
        """
        keypoints = self.keypoints if keypoints is None else keypoints
        starts = range(0, len(keypoints), _BATCH)
        batches = [tf.constant(keypoints[i : i + _BATCH]) for i in starts]
        return np.concatenate([self._predict(batch).numpy() for batch in batches])

    @functools.cached_property
    def _predict(self) -> Callable[[tf.Tensor], tf.Tensor]:
        adapter = self.adapter()
        state = adapter.init(self.net.variables)
        return tf.function(
            lambda batch: adapter.predict(state, {"keypoints": batch})["positions"],
            reduce_retracing=True,
        )

    def adapted(
        self,
        options: ISOOptions | None = None,
        keypoints: np.ndarray | None = None,
        name: str = ADAPTED,
    ) -> np.ndarray:
        """Predictions of one stream of all poses, each after adapting to it.

        Args:
            options: in place of the study's.
            keypoints: `[N, J, 2]`, normalised; the poses' own by default.
            name: for the progress.

        Returns:
            Float32 `[N, J, 3]`, metres, relative to the root.
        """
        keypoints = self.keypoints if keypoints is None else keypoints
        model = self.stream(options or self.options)
        progress = Progress(len(keypoints))
        found = []
        for done, pose in enumerate(keypoints, start=1):
            sample = {"keypoints": tf.constant(pose[None])}
            found.append(model(sample)["positions"].numpy())
            progress.report(done, name)
        progress.clear()
        return np.concatenate(found)

    def scores(self, positions: np.ndarray) -> dict[str, dict[str, float]]:
        """MPJPE in mm, PCK and AUC as shares, by protocol."""
        scores = LiftingEvaluation(self.poses).scores(positions, self.options.flip)
        return {
            protocol: {
                "mpjpe": score.overall.mpjpe,
                "pck": score.overall.pck,
                "auc": score.overall.auc,
            }
            for protocol, score in scores.items()
        }


def load_study(
    model: str,
    dataset: str,
    data_dir: str,
    split: str,
    keypoints: str,
    subjects: Sequence[str],
    stride: int,
    adapt: str,
) -> Study:
    """Reads what `python -m tfpose analyse_adaptation` is given.

    Raises:
        InputError: no lifter, one that cannot be adapted so, no such mode, bad data;
            names the file.
    """
    net = load_keras(model)
    if not isinstance(net, LiftingNet):
        raise InputError(f"{model}: expected a lifter, got a {type(net).__name__}")
    options = _options(adapt)
    try:
        ISOAdapter(net, options)
    except InputError as error:
        raise InputError(f"{model}: {error}") from None
    poses = load_lifting_dataset(
        dataset,
        data_dir,
        split,
        net.skeleton,
        keypoints=keypoints or None,
        subjects=list(subjects) or None,
        stride=stride,
    )
    if not len(poses):
        raise InputError(f"{data_dir}: no pose is left, expected one or more")
    return Study(net, poses, options)


def _options(adapt: str) -> ISOOptions:
    options = parse_adaptation(adapt).options
    if not isinstance(options, ISOOptions):
        raise InputError(f"adapt: the analyses are of iso, got {adapt!r}")
    return options
