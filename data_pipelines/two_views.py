"""People without labels, each seen twice: with small and with large changes.

For learning by consistency (Xie et al., "An Empirical Study of the Collapsing Problem
in Semi-Supervised 2D Human Pose Estimation", ICCV 2021, arXiv:2011.12498).
"""

import dataclasses

import numpy as np
import tensorflow as tf

from data_pipelines.batches import (
    EpochPlans,
    TrainingSampler,
    epoch_rng,
    near_order,
    steps_per_epoch,
)
from data_pipelines.decoded import DecodedImages
from data_pipelines.people import PoseDataset
from tfpose.errors import InputError
from tfpose.top_down.crop import (
    chain_matrices,
    invert_matrices,
    mirror_matrices,
    region_matrices,
)
from tfpose.top_down.regions import Regions, averages_pixels

__all__ = ["Changes", "SideBySide", "TwoViews"]


@dataclasses.dataclass(frozen=True)
class Changes:
    """Bounds of uniform random changes of the region that a view shows.

    Attributes:
        scale: the region's size times 1 +- this.
        rotation: +- degrees.
    """

    scale: float
    rotation: float


@dataclasses.dataclass(frozen=True)
class _Plan:
    """An epoch's draws, a row for each person but `order`."""

    order: np.ndarray
    easy: np.ndarray
    hard: np.ndarray
    cut: np.ndarray


class TwoViews:
    """Sampler of people, each once an epoch (but for the last few of the epoch's order
    that fill no batch).

    Sample: `easy` and `hard`, uint8 `[H, W, 3]`, the same person under small and large
    changes, mirrored alike; `hard_to_easy` float32 `[2, 3]`, from pixels of the hard
    view to those of the easy one; and `cut` float32 `[J]`, uniform in 0..1, which
    decides what is cut out of the hard view.
    """

    def __init__(
        self,
        people: PoseDataset,
        input_size: tuple[int, int],
        joints: int,
        batch_size: int,
        seed: int,
        easy: Changes,
        hard: Changes,
        flip: float = 0.5,
        budget_megabytes: float = 0.0,
        alignment: str = "half_pixel",
    ):
        """
        Args:
            people: their labels are not looked at.
            input_size: (height, width) of the net's input.
            joints: J, of the net.
            batch_size: global batch size; sets how many samples make an epoch.
            seed: of order and changes.
            easy: changes of what the teacher sees.
            hard: changes of what the student sees.
            flip: share of mirrored people.
            budget_megabytes: memory for decoded photos.
            alignment: one of `tfpose.codecs.alignment.ALIGNMENTS`.

        Raises:
            InputError: nobody but crowds is there.
        """
        people = people.select(~people.crowd)
        if not len(people):
            raise InputError(f"{people.name}: no unlabelled person, only crowds")
        self.people, self.input_size, self.alignment = people, input_size, alignment
        self._regions = Regions.of_boxes(
            people.boxes, input_size, alignment, centres=people.centres
        )
        self._images = DecodedImages(people, budget_megabytes)
        self._joints, self._seed, self._flip = joints, seed, flip
        self._changes = easy, hard
        self.steps_per_epoch = steps_per_epoch(len(people), batch_size)
        self._epoch_size = self.steps_per_epoch * batch_size
        self._plans = EpochPlans(self._draw)
        pixels = tf.TensorSpec((*input_size, 3), tf.uint8)
        self.signature = {
            "easy": pixels,
            "hard": pixels,
            "hard_to_easy": tf.TensorSpec((2, 3), tf.float32),
            "cut": tf.TensorSpec((joints,), tf.float32),
        }

    def _draw(self, epoch: int) -> _Plan:
        rng, count = epoch_rng(self._seed, "two_views", epoch), len(self.people)
        order = near_order(rng, self.people.image_index)
        mirror = rng.random(count) < self._flip
        easy, hard = (self._matrices(rng, change, mirror) for change in self._changes)
        return _Plan(order, easy, hard, rng.random((count, self._joints)))

    def _matrices(
        self, rng: np.random.Generator, change: Changes, mirror: np.ndarray
    ) -> np.ndarray:
        scale, turn = rng.uniform(-1, 1, (2, len(self.people)))
        matrices = region_matrices(
            self._regions.centres,
            self._regions.sizes * (1 + change.scale * scale)[:, None],
            self.input_size,
            change.rotation * turn,
            self.alignment,
        )
        matrices[mirror] = mirror_matrices(
            matrices[mirror], self.input_size, self.alignment
        )
        return matrices

    def __call__(self, position: int) -> dict[str, np.ndarray]:
        epoch, place = divmod(position, self._epoch_size)
        plan = self._plans[epoch]
        row = plan.order[place]
        photo = int(self.people.image_index[row])
        antialias = averages_pixels(self.alignment)
        easy, hard = (
            self._images.crop(photo, matrix, self.input_size, antialias)
            for matrix in (plan.easy[row], plan.hard[row])
        )
        to_easy = chain_matrices(invert_matrices(plan.hard[row]), plan.easy[row])
        return {
            "easy": easy,
            "hard": hard,
            "hard_to_easy": to_easy.astype(np.float32),
            "cut": plan.cut[row].astype(np.float32),
        }

    def sample_id(self, position: int) -> str:
        """Which person is at a place of the stream, for messages."""
        epoch, place = divmod(position, self._epoch_size)
        return self.people.describe(self._plans[epoch].order[place])


class SideBySide:
    """Sampler whose samples have what two samplers' have.

    An epoch is one of the second sampler; the first one's stream just goes on.
    """

    def __init__(self, first: TrainingSampler, second: TrainingSampler) -> None:
        """Their samples' names are different."""
        self._first, self._second = first, second
        self.steps_per_epoch = second.steps_per_epoch
        self.signature = {**first.signature, **second.signature}

    def __call__(self, position: int) -> dict[str, np.ndarray]:
        return {**self._first(position), **self._second(position)}

    def sample_id(self, position: int) -> str:
        """Both people at a place of the stream."""
        ids = self._first.sample_id(position), self._second.sample_id(position)
        return " and ".join(ids)
