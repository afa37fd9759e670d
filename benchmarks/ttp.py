r"""Test-time personalization, a baseline of MeTTA: joint training, and adaptation.

    python -m benchmarks.ttp --preset=small --dataset=coco_format --data_dir=... \
        --net=hrnet_tiny --workdir=...

The net is MeTTA's. Where that fills in a part of one photo, here a whole frame of a
film is drawn again, from the looks of another frame and the frame's own self-supervised
keypoints. A film is followed online: steps at each frame, the weights go on to the
next; all that both tasks share moves, with the auxiliary network.

What the authors' code has beside this: a perceptual loss, a transformer that mixes the
maps anew for each image, and steps on 32 augmented copies of the frame.

Reference: Li et al., "Test-Time Personalization with a Transformer for Human Pose
Estimation", NeurIPS 2021 (arXiv:2107.02133).
"""

import pathlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from benchmarks.films import films_of
from data_pipelines.top_down import TopDownTraining
from tfpose.drawing import grid as contact_sheet
from tfpose.files import write_picture
from tfpose.metta.net import MeTTANet
from tfpose.metta.pictures import to_pixels
from tfpose.top_down.crop import chain_matrices, invert_matrices
from tfpose.top_down.regions import averages_pixels
from trainers.engine.optimizer import adam
from trainers.engine.program import run_main
from trainers.engine.workdir import Workdir
from trainers.metta_config import JOINT_PRESETS as PRESETS
from trainers.metta_config import MeTTAJointConfig
from trainers.metta_joint import MeTTAJointTask
from trainers.metta_model import JointModel
from trainers.pose_task import PoseTask

__all__ = ["PRESETS", "FilmPairs", "TTPTask", "follow_film", "main", "redraw_losses"]

_SOURCES = 4
"""Frames seen before, drawn with replacement, that a step draws the frame from."""
_SHOWN = 6


class FilmPairs(TopDownTraining):
    """Sampler of people as `TopDownTraining`, each with another frame of the film.

    Sample: also `source` uint8 `[H, W, 3]`, the other frame under the same change.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As of `TopDownTraining`; people are of `benchmarks.films`."""
        super().__init__(*args, **kwargs)
        self._films = films_of(self.people)
        self.signature = {**self.signature, "source": self.signature["image"]}

    def __call__(self, position: int) -> dict[str, np.ndarray]:
        epoch, place = divmod(position, self._epoch_size)
        rows, matrices, _ = self._plans[epoch]
        row = rows[place]
        rng = np.random.default_rng([self._seed, position])
        other = int(rng.choice(np.flatnonzero(self._films == self._films[row])))
        # From the frame's upright region to its changed one, as of the other.
        change = chain_matrices(
            invert_matrices(self.regions.matrices[row]), matrices[row]
        )
        matrix = chain_matrices(self.regions.matrices[other], change)
        source = self._images.crop(
            int(self.people.image_index[other]),
            matrix,
            self.input_size,
            averages_pixels(self.alignment),
        )
        return {**super().__call__(position), "source": source}


def redraw_losses(net: MeTTANet, maps: Any, frames: Any, sources: Any) -> Any:
    """Mean squared error of whole frames that are drawn again, `[B]`.

    Args:
        net: it is called, not changed.
        maps: what its `self_head` returned for `frames`.
        frames: `[B, H, W, 3]`, pixels 0..255.
        sources: another frame of each one's film, of the same shape.
    """
    whole = np.ones((1, *net.picture_size, 1), np.float32)
    return net.auxiliary_losses(maps, _looks(net, sources), net.picture(frames), whole)


def _looks(net: MeTTANet, sources: Any) -> Any:
    """What the auxiliary network sees of frames, of which nothing is hidden."""
    nothing = np.zeros((1, *net.picture_size, 1), np.float32)
    return net.appearance(net.picture(sources), nothing)


class _TTPModel(JointModel):
    """A `MeTTANet` that learns from labels and by pairs of frames."""

    def auxiliary_losses(self, maps: Any, batch: dict[str, Any]) -> Any:
        return redraw_losses(self.net, maps, batch["image"], batch["source"])


class TTPTask(MeTTAJointTask):
    """Joint training as the engine's task."""

    def __init__(self, config: MeTTAJointConfig, workdir: Workdir):
        """As of `MeTTAJointTask`."""
        super().__init__(config, workdir)
        self.sampler = FilmPairs(
            self.sampler.people,
            config.input_size,
            config.batch_size,
            config.seed,
            config.augmentation,
            config.cache_megabytes / 2,
            config.alignment,
        )
        self.model = _TTPModel(self.net, config)
        self.model.compile(optimizer=adam(config, self.steps_per_epoch))

    def draw(self, folder: pathlib.Path) -> None:
        """As `PoseTask`, and frames beside what they are drawn from and drawn as."""
        PoseTask.draw(self, folder)
        samples = [self.sampler(position) for position in range(_SHOWN)]
        frames, sources = (
            np.stack([sample[name] for sample in samples])
            for name in ("image", "source")
        )
        net = self.net
        maps = net.self_head(net.extractor(frames.astype("float32"), training=False))
        drawn = net.inpaint(net.points(maps), _looks(net, sources), 1)[:, 0]
        pictures = (*map(net.picture, (sources, frames)), drawn)
        columns = [to_pixels(one) for one in pictures]
        tiles = [column[row] for row in range(_SHOWN) for column in columns]
        titles = ["source", "frame", "drawn"] * _SHOWN
        sheet = contact_sheet(tiles, columns=3, titles=titles)
        write_picture(folder / "pairs.png", sheet)


def follow_film(
    net: MeTTANet, learning_rate: float
) -> Callable[[np.ndarray, int], np.ndarray]:
    """A function from a film's frames to their heatmaps, each after adapting to it.

    It takes `[T, H, W, 3]`, 0..255, in order, and the number of steps of Adam for each,
    which may be 0; returns `[T, h, w, J]`. Every film starts from the trained weights,
    which the net then has again.

    Args:
        net: of `TTPTask`. The scales and shifts of normalisations, batch statistics and
            the pose head do not move.
        learning_rate: of the steps; the authors' is 1e-4.
    """
    moved = [
        v
        for v in (
            *net.extractor.trainable_variables,
            *net.adapted,
            *net.auxiliary_variables,
        )
        if v.name not in ("gamma", "beta")
    ]
    optimizer = keras.optimizers.Adam(learning_rate)
    optimizer.build(moved)
    kept = [*moved, *optimizer.variables]
    trained = [np.asarray(v) for v in kept]

    @tf.function
    def step(frame: Any, sources: Any) -> None:
        with tf.GradientTape() as tape:
            maps = net.self_head(net.extractor(frame, training=False))
            both = (ops.repeat(one, _SOURCES, axis=0) for one in (maps, frame))
            loss = ops.mean(redraw_losses(net, *both, sources))
        optimizer.apply(tape.gradient(loss, [v.value for v in moved]))

    @tf.function
    def answer(frame: Any) -> Any:
        return net(frame, training=False)

    def follow(frames: np.ndarray, steps: int) -> np.ndarray:
        rng, found = np.random.default_rng(0), []
        frames = tf.constant(frames, tf.float32)
        for now in range(len(frames)):
            frame = frames[now : now + 1]
            for _ in range(steps):
                step(frame, tf.gather(frames, rng.integers(0, now + 1, _SOURCES)))
            found.append(np.asarray(answer(frame)))
        for variable, value in zip(kept, trained, strict=True):
            variable.assign(value)
        return np.concatenate(found)

    return follow


def main() -> None:
    """The command-line program."""
    run_main(MeTTAJointConfig, PRESETS, TTPTask)


if __name__ == "__main__":
    main()
