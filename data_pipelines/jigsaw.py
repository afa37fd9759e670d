"""Jigsaw puzzles from photos of people: what the HSJP pretext task is trained on.

A person's square is cropped, cut into N x N patches and shuffled; the mosaic is
scaled, shifted, rotated and recoloured. The pipeline ships the mosaic and the
patches' centres; heatmaps are rendered inside the step. Reference: arXiv 2012.07101,
sections 3.1 and 3.2.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from data_pipelines.batches import (
    EpochPlans,
    epoch_rng,
    near_order,
    steps_per_epoch,
)
from data_pipelines.colour import ColourAugmentation
from data_pipelines.decoded import DecodedImages
from data_pipelines.people import PoseDataset
from tfpose.hsjp import puzzle
from tfpose.top_down.crop import (
    box_regions,
    invert_matrices,
    region_matrices,
    transform_points,
    warp,
)

__all__ = ["JigsawAugmentation", "JigsawEvaluation", "JigsawTraining"]


@dataclasses.dataclass(frozen=True)
class JigsawAugmentation:
    """What is done to the shuffled mosaic in training (section 3.2).

    The paper gives the ranges and no distribution; all are uniform here, so that the
    centres cover the image evenly, which is the purpose it names.

    Attributes:
        scale: factor in 1 +- this.
        translation: shift in +- this, as a fraction of the side.
        rotation: degrees in +- this.
        colour: colour augmentation of the finished mosaic; done last, so that blur also
            runs across the seams and they do not give the puzzle away.
        ramp_epochs: over the first so many epochs everything grows from nothing to full
            strength; 0 is the paper's constant strength. Without augmentation a net
            leaves the plateau of the mean heatmap several times sooner.
    """

    scale: float = 0.35
    translation: float = 0.10
    rotation: float = 45.0
    colour: ColourAugmentation = ColourAugmentation()
    ramp_epochs: float = 0.0

    def amount(self, epoch: int) -> float:
        """Strength in 0..1 in the given epoch (0 is the first)."""
        if self.ramp_epochs <= 0:
            return 1.0
        return min(1.0, epoch / self.ramp_epochs)


class _Puzzles:
    """What training and evaluation share: from a person to a mosaic."""

    def __init__(
        self,
        people: PoseDataset,
        input_size: tuple[int, int],
        grid: int,
        with_original: bool,
        budget_megabytes: float,
    ):
        # A crowd box is no person; everybody else can be a puzzle, labelled or not.
        self.people = people.select(np.flatnonzero(~people.crowd))
        self.input_size, self.grid = (input_size[0], input_size[1]), grid
        self.with_original = with_original
        self._mosaic_size = puzzle.mosaic_size(input_size, grid)
        self._images = DecodedImages(self.people, budget_megabytes)
        self._fit = self._fit_matrix()
        # Through the input's pixels: where a side of the mosaic is rounded up more
        # than the other, each is stretched by its own factor and shrunk again.
        regions = box_regions(self.people.boxes, self.input_size)
        crops = region_matrices(*regions, self.input_size)
        self._crops = [_compose(invert_matrices(self._fit), crop) for crop in crops]
        self._centres = puzzle.cell_centres(self.input_size, grid)
        channels = 6 if with_original else 3
        cells = grid * grid
        self.signature = {
            "image": tf.TensorSpec((*self.input_size, channels), tf.uint8),
            "centres": tf.TensorSpec((cells, 2), tf.float32),
            "inside": tf.TensorSpec((cells,), tf.float32),
        }

    def __len__(self) -> int:
        return len(self.people)

    def _fit_matrix(self) -> np.ndarray:
        """From pixels of the mosaic (N * ceil(size / N)) to input pixels."""
        scale = np.array(self.input_size[::-1]) / np.array(self._mosaic_size[::-1])
        return np.concatenate([np.diag(scale), (scale / 2 - 0.5)[:, None]], axis=1)

    def person(self, row: int) -> np.ndarray:
        """The person's unshuffled square at the mosaic's size, uint8."""
        image = int(self.people.image_index[row])
        return self._images.crop(image, self._crops[row], self._mosaic_size)

    def sample(
        self,
        row: int,
        order: np.ndarray,
        spatial: np.ndarray | None = None,
        colour: np.ndarray | None = None,
    ) -> dict[str, np.ndarray]:
        """The puzzle of a person, under a spatial map and a row of colour changes."""
        person = self.person(row)
        mosaic = puzzle.shuffle_patches(person, order)
        matrix = self._fit if spatial is None else _compose(spatial, self._fit)
        pictures = [warp(mosaic, matrix, self.input_size)]
        if self.with_original:
            pictures.append(warp(person, self._fit, self.input_size))
        if colour is not None:
            pictures = [ColourAugmentation.apply(p, colour) for p in pictures]
        centres = self._centres[puzzle.patch_cells(order)]
        if spatial is not None:
            centres = transform_points(spatial, centres)
        limit = np.array(self.input_size[::-1]) - 0.5
        inside = np.all((centres >= -0.5) & (centres < limit), axis=-1)
        return {
            "image": np.concatenate(pictures, axis=-1),
            "centres": centres.astype(np.float32),
            "inside": inside.astype(np.float32),
        }


class JigsawTraining(_Puzzles):
    """Sampler of augmented puzzles, each person once an epoch (but for the last few of
    the epoch's order that fill no batch).

    Sample: `image` uint8 `[H, W, 3]` (6 channels with the unshuffled image behind the
    mosaic, the variant of section 5.3), `centres` float32 `[N**2, 2]` in input pixels,
    of patch `i` at row `i`, and `inside` float32 `[N**2]`, the loss's mask.
    """

    def __init__(
        self,
        people: PoseDataset,
        input_size: tuple[int, int],
        grid: int,
        batch_size: int,
        seed: int,
        augmentation: JigsawAugmentation,
        with_original: bool = False,
        budget_megabytes: float = 0.0,
    ):
        """
        Args:
            people: everybody but crowds is used; keypoints are not looked at.
            input_size: (height, width) of the net's input.
            grid: N.
            batch_size: global batch size; sets how many samples make an epoch.
            seed: of order, permutations and augmentation.
            augmentation: what is done to the mosaics.
            with_original: append the unshuffled image as channels 3 to 5.
            budget_megabytes: memory for decoded photos.
        """
        super().__init__(people, input_size, grid, with_original, budget_megabytes)
        self.steps_per_epoch = steps_per_epoch(len(self), batch_size)
        self._epoch_size = self.steps_per_epoch * batch_size
        self._seed, self._augmentation = seed, augmentation
        self._plans = EpochPlans(self._draw)

    def _draw(
        self, epoch: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        rng = epoch_rng(self._seed, "jigsaw", epoch)
        count, augmentation = len(self), self._augmentation
        amount = augmentation.amount(epoch)
        rows = near_order(rng, self.people.image_index)
        orders = puzzle.draw_orders(rng, count, self.grid)
        scale, angle, dx, dy = rng.uniform(-amount, amount, (4, count))
        height, width = self.input_size
        centre = np.array([(width - 1) / 2, (height - 1) / 2])
        shift = np.stack([dx * width, dy * height], -1) * augmentation.translation
        sizes = np.array([[width, height]]) / (1 + scale * augmentation.scale)[:, None]
        matrices = region_matrices(
            np.tile(centre, (count, 1)),
            sizes,
            self.input_size,
            angle * augmentation.rotation,
        )
        matrices[..., 2] += shift
        return rows, orders, matrices, augmentation.colour.draw(rng, count, amount)

    def __call__(self, position: int) -> dict[str, np.ndarray]:
        epoch, place = divmod(position, self._epoch_size)
        rows, orders, matrices, colours = self._plans[epoch]
        return self.sample(rows[place], orders[place], matrices[place], colours[place])

    def sample_id(self, position: int) -> str:
        """Which person is at a place of the stream, for messages."""
        epoch, place = divmod(position, self._epoch_size)
        return self.people.describe(self._plans[epoch][0][place])


class JigsawEvaluation(_Puzzles):
    """Sampler of the same puzzle for every person, shuffled but never augmented."""

    def __init__(
        self,
        people: PoseDataset,
        input_size: tuple[int, int],
        grid: int,
        seed: int,
        with_original: bool = False,
        budget_megabytes: float = 0.0,
    ):
        """Arguments as for `JigsawTraining`; `seed` is of the permutations."""
        super().__init__(people, input_size, grid, with_original, budget_megabytes)
        rng = epoch_rng(seed, "jigeval")
        self.orders = puzzle.draw_orders(rng, len(self), grid)

    def __call__(self, position: int) -> dict[str, np.ndarray]:
        return self.sample(position, self.orders[position])


def _compose(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """The 2 x 3 matrix of `inner` followed by `outer`."""
    linear = outer[:, :2] @ inner[:, :2]
    return np.column_stack([linear, outer[:, :2] @ inner[:, 2] + outer[:, 2]])
