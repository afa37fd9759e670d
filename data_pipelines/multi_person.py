"""Whole photos with everybody in them, in a fixed number of slots.

For nets that find people without boxes. Augmentation follows LOGO-CAP's training, which
has it from DEKR and HigherHRNet: rotation, scale, shift and flip of a square as large
as the photo's shorter side.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from data_pipelines.batches import EpochPlans, epoch_rng, steps_per_epoch
from data_pipelines.copy_paste import Donors, Scene, paste
from data_pipelines.decoded import DecodedImages
from data_pipelines.people import PoseDataset
from data_pipelines.top_down import labelled_people
from tfpose.codecs.alignment import box_offset, cell_map
from tfpose.top_down.crop import region_matrices, transform_points, warp
from tfpose.top_down.regions import averages_pixels

__all__ = [
    "BOX_AREA_FACTOR",
    "CrowdAugmentation",
    "MultiPersonTraining",
    "known_areas",
    "photo_middle",
]

BOX_AREA_FACTOR = 0.53
"""Area of a person as a share of the box's, where a data set has no areas."""


@dataclasses.dataclass(frozen=True)
class CrowdAugmentation:
    """Random changes of a photo, all uniform.

    Attributes:
        rotation: degrees, up to this in both directions.
        smallest, largest: side of the square that is shown, as a share of the photo's
            shorter side; above 1 people become smaller.
        shift: of the square's middle, up to this share of its side.
        flip: share of mirrored photos.
        paste: share of photos into which people of other photos are pasted.
    """

    rotation: float = 30.0
    smallest: float = 0.75
    largest: float = 1.5
    shift: float = 0.2
    flip: float = 0.5
    paste: float = 0.0


@dataclasses.dataclass(frozen=True)
class _Plan:
    """An epoch's draws, a row for each place in its order."""

    photos: np.ndarray
    turns: np.ndarray
    sizes: np.ndarray
    shifts: np.ndarray
    mirror: np.ndarray
    pasted: np.ndarray


class MultiPersonTraining:
    """Sampler of augmented photos, each once an epoch (but for the last few of the
    epoch's order that fill no batch).

    Sample: `image` uint8 `[H, W, 3]`; `keypoints` float32 `[S, J, 3]`, x and y in input
    pixels, also of joints that left the input, and visibility; `centres` float32
    `[S, 3]`, likewise, the mean of a person's labelled joints; `areas` float32 `[S]`,
    square input pixels; `ignored` uint8 `[h, w]`, 1 in cells of crowds and of people
    without labelled joints; and `mirrored` float32, 1 if the photo was.

    People fill the slots from the first on, the largest first. Of more than there are
    slots for the largest are taken, and the others are ignored.
    """

    def __init__(
        self,
        people: PoseDataset,
        input_size: tuple[int, int],
        slots: int,
        batch_size: int,
        seed: int,
        augmentation: CrowdAugmentation,
        budget_megabytes: float = 0.0,
        stride: int = 4,
        least_area: float = 32.0**2,
        released: bool = False,
    ):
        """
        Args:
            people: all people of a data set, crowds and those without labels as well.
            input_size: (height, width) of the net's input, pixels.
            slots: S, the most people in a sample.
            batch_size: global batch size; sets how many samples make an epoch.
            seed: of order and augmentation.
            augmentation: what is done to photos.
            budget_megabytes: memory for decoded photos.
            stride: input pixels per cell of `ignored`.
            least_area: smallest area of a person who has a centre, square pixels of the
                photo.
            released: as LOGO-CAP's released code has it: alignment `official`; what is
                outside of the photo is ignored; people are in the file's order; and
                those without labelled joints are among them, with a centre in the
                middle of their box.

        Raises:
            InputError: nobody has a labelled joint; there are fewer photos than a batch
                has; photos are to be mirrored, and which joints are left and which
                right is not known; or people are to be pasted, and none has a
                segmentation.
        """
        labelled_people(people)
        if augmentation.flip:
            _ = people.skeleton.flip_permutation
        self.people, self.input_size, self.slots = people, input_size, slots
        self._augmentation, self._seed = augmentation, seed
        self._least_area, self._released = least_area, released
        self._alignment = "official" if released else "half_pixel"
        self._images = DecodedImages(people, budget_megabytes)
        self._photos = np.unique(people.image_index)
        self.steps_per_epoch = steps_per_epoch(len(self._photos), batch_size)
        self._epoch_size = self.steps_per_epoch * batch_size
        self._areas = known_areas(people)
        self._map_size = input_size[0] // stride, input_size[1] // stride
        self._donors = Donors(people, least_area) if augmentation.paste else None
        self._plans = EpochPlans(self._draw)
        joints = people.skeleton.num_joints
        self.signature = {
            "image": tf.TensorSpec((*input_size, 3), tf.uint8),
            "keypoints": tf.TensorSpec((slots, joints, 3), tf.float32),
            "centres": tf.TensorSpec((slots, 3), tf.float32),
            "areas": tf.TensorSpec((slots,), tf.float32),
            "ignored": tf.TensorSpec(self._map_size, tf.uint8),
            "mirrored": tf.TensorSpec((), tf.float32),
        }

    def _draw(self, epoch: int) -> _Plan:
        rng, change = epoch_rng(self._seed, "multi_person", epoch), self._augmentation
        count = len(self._photos)
        photos = rng.permutation(self._photos)
        uniform = rng.random((4, count))
        return _Plan(
            photos=photos,
            turns=(2 * uniform[0] - 1) * change.rotation,
            sizes=self.people.image_sizes[photos].min(axis=1)
            * (change.smallest + uniform[1] * (change.largest - change.smallest)),
            shifts=rng.uniform(-change.shift, change.shift, (count, 2)),
            mirror=uniform[2] < change.flip,
            pasted=uniform[3] < change.paste,
        )

    def __call__(self, position: int) -> dict[str, np.ndarray]:
        epoch, place = divmod(position, self._epoch_size)
        plan = self._plans[epoch]
        photo = int(plan.photos[place])
        matrix = self._matrix(photo, plan, place)
        scene = self._scene(photo, matrix)
        if self._donors is not None and plan.pasted[place]:
            rng = epoch_rng(self._seed, "paste", position)
            others = self._donors.draw(rng, self._crop, self.input_size)
            # Nobody must lose a slot and stay in the picture.
            scene = paste(scene, others[: self.slots - len(scene.areas)])
        sample = self._slots(scene)
        if plan.mirror[place]:
            sample = _mirrored(sample, list(self.people.skeleton.flip_permutation))
        return sample

    def sample_id(self, position: int) -> str:
        """Which photo is at a place of the stream, for messages."""
        epoch, place = divmod(position, self._epoch_size)
        return self.people.images.describe(int(self._plans[epoch].photos[place]))

    def _matrix(self, photo: int, plan: _Plan, place: int) -> np.ndarray:
        size = plan.sizes[place]
        middle = photo_middle(self.people, photo, self._alignment)
        (matrix,) = region_matrices(
            (middle + plan.shifts[place] * size)[None],
            np.full((1, 2), size),
            self.input_size,
            plan.turns[place],
            self._alignment,
        )
        return matrix

    def _crop(self, photo: int, matrix: np.ndarray) -> np.ndarray:
        antialias = averages_pixels(self._alignment)
        return self._images.crop(photo, matrix, self.input_size, antialias)

    def _scene(self, photo: int, matrix: np.ndarray) -> Scene:
        """The photo and its people under a map to input pixels."""
        people, shown, left_out = self.people, *self._chosen(photo)
        keypoints = people.keypoints[shown].astype(np.float64)
        visible = keypoints[..., 2:] > 0
        count = visible.sum(axis=1)
        centres = np.zeros((len(shown), 3))
        centres[:, :2] = (keypoints[..., :2] * visible).sum(1) / np.maximum(count, 1)
        bare = count[:, 0] == 0
        boxes = people.boxes[shown][bare]
        centres[bare, :2] = boxes[:, :2] + boxes[:, 2:] / 2
        centres[:, 2] = self._areas[shown] >= self._least_area
        for points in (keypoints, centres[:, None]):
            points[..., :2] = transform_points(matrix, points[..., :2])
        keypoints *= visible
        return Scene(
            image=self._crop(photo, matrix),
            keypoints=keypoints,
            centres=centres * centres[:, 2:],
            areas=self._areas[shown] * abs(np.linalg.det(matrix[:, :2])),
            ignored=self._ignored(photo, left_out, matrix),
        )

    def _chosen(self, photo: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows of people for the slots, and of those that there are too many of."""
        people = self.people
        rows = people.people_of(photo)
        usable = ~people.crowd[rows]
        if not self._released:
            usable &= people.num_labelled[rows] > 0
        rows = rows[usable]
        largest = rows[np.argsort(-self._areas[rows], kind="stable")]
        shown, left_out = largest[: self.slots], largest[self.slots :]
        return (np.sort(shown) if self._released else shown), left_out

    def _ignored(
        self, photo: int, left_out: np.ndarray, matrix: np.ndarray
    ) -> np.ndarray:
        """Bool `[h, w]`, cells to ignore."""
        ignored = self.people.ignore_mask(photo)
        for row in left_out.tolist():
            ignored |= self.people.mask(row)
        if self._released:
            return ~self._in_cells(~ignored, matrix)
        if not ignored.any():
            return np.zeros(self._map_size, bool)
        return self._in_cells(ignored, matrix)

    def _in_cells(self, mask: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        """A photo's mask under a map to input pixels, in cells; False outside of it."""
        scale, offset = cell_map(self._alignment, self.input_size, self._map_size)
        to_cells = matrix.copy()
        to_cells[:, 2] -= offset
        to_cells /= np.array(scale)[:, None]
        levels = mask.astype(np.uint8) * 255
        antialias = averages_pixels(self._alignment)
        return warp(levels, to_cells, self._map_size, antialias) >= 128

    def _slots(self, scene: Scene) -> dict[str, np.ndarray]:
        count = len(scene.areas)
        order = np.arange(count)
        if not self._released:
            order = np.argsort(-scene.areas, kind="stable")
        joints = self.people.skeleton.num_joints
        keypoints = np.zeros((self.slots, joints, 3), np.float32)
        centres = np.zeros((self.slots, 3), np.float32)
        areas = np.zeros(self.slots, np.float32)
        for slots, values in (
            (keypoints, scene.keypoints),
            (centres, scene.centres),
            (areas, scene.areas),
        ):
            slots[: len(order)] = values[order]
        return {
            "image": scene.image,
            "keypoints": keypoints,
            "centres": centres,
            "areas": areas,
            "ignored": scene.ignored.astype(np.uint8),
            "mirrored": np.zeros((), np.float32),
        }


def _mirrored(sample: dict[str, np.ndarray], order: list[int]) -> dict[str, np.ndarray]:
    """The sample as in a mirror; joints are renamed, not only moved."""
    width = sample["image"].shape[1]
    keypoints, centres = sample["keypoints"][:, order], sample["centres"].copy()
    for points in (keypoints, centres):
        points[..., 0] = np.where(points[..., 2] > 0, width - 1 - points[..., 0], 0)
    return {
        "image": np.ascontiguousarray(sample["image"][:, ::-1]),
        "keypoints": keypoints,
        "centres": centres,
        "areas": sample["areas"],
        "ignored": np.ascontiguousarray(sample["ignored"][:, ::-1]),
        "mirrored": np.ones((), np.float32),
    }


def known_areas(people: PoseDataset, factor: float = BOX_AREA_FACTOR) -> np.ndarray:
    """Areas `[P]`, square pixels; where the data set has none, a share of the box's."""
    boxes = people.boxes[:, 2] * people.boxes[:, 3]
    areas = people.areas
    return np.where(np.isfinite(areas) & (areas > 0), areas, factor * boxes)


def photo_middle(people: PoseDataset, photo: int, alignment: str) -> np.ndarray:
    """(x, y) of a photo's middle, pixels, float64."""
    return people.image_sizes[photo, ::-1] / 2 + box_offset(alignment)
