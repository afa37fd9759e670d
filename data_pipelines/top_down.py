"""People cropped for a top-down pose net, with keypoints in input pixels.

Augmentation follows HRNet's training on COCO (Sun et al. 2019; the HSJP paper
fine-tunes with the same): half body, scale, rotation and flip, as one affine map; or
MMPose's, which also shifts.
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
from data_pipelines.decoded import DecodedImages
from data_pipelines.people import PoseDataset
from tfpose.codecs.alignment import box_offset
from tfpose.errors import InputError
from tfpose.metrics.oks import PoseTruth
from tfpose.metrics.pose_scores import pose_scores
from tfpose.skeletons import Skeleton
from tfpose.top_down.crop import (
    box_regions,
    mirror_matrices,
    region_matrices,
    transform_points,
)
from tfpose.top_down.regions import Regions, averages_pixels

__all__ = [
    "PoseAugmentation",
    "TopDownEvaluation",
    "TopDownTraining",
    "label_subset",
    "labelled_people",
    "pose_truth",
]

_LOWER_BODY = ("hip", "knee", "ankle", "pelvis", "heel", "toe", "foot")
_HALF_BODY_PADDING = 1.5


@dataclasses.dataclass(frozen=True)
class PoseAugmentation:
    """Random changes of the region that the net sees.

    Attributes:
        scale: the region's size times a draw about 1 with this deviation.
        rotation: degrees, the deviation of a draw about 0.
        rotation_probability: share of people that are rotated.
        shift: deviation of the region's middle, shares of its sides.
        shift_probability: share of people that are shifted.
        draws: "clipped", normal draws within one deviation, of rotation within two, and
            what is beyond set to the bound, as in SimpleBaseline and HRNet; or
            "truncated", all within one deviation and what is beyond drawn again, as in
            MMPose.
        flip_probability: share of people that are mirrored.
        half_body_probability: share of people, of those with enough visible joints, of
            whom only the upper or the lower half is shown.
        half_body_joints: a half-body crop needs more visible joints than this.
        half_body_centre: of a half body's region: "mean" of its joints, as in HRNet
            (which lies near the face, and may cut hands off), or middle of their "box".
    """

    scale: float = 0.35
    rotation: float = 45.0
    rotation_probability: float = 0.6
    shift: float = 0.0
    shift_probability: float = 0.3
    draws: str = "clipped"
    flip_probability: float = 0.5
    half_body_probability: float = 0.3
    half_body_joints: int = 8
    half_body_centre: str = "box"


def labelled_people(people: PoseDataset) -> PoseDataset:
    """Those a pose net can be trained on or tested with: no crowd, a joint labelled.

    Raises:
        InputError: there is nobody like that.
    """
    usable = ~people.crowd & (people.num_labelled > 0)
    if not usable.any():
        raise InputError(
            f"{people.name}: none of {len(people)} people has a labelled joint"
        )
    return people.select(usable)


def pose_truth(people: PoseDataset) -> PoseTruth:
    """What metrics compare predictions with, a row per person."""
    return PoseTruth(
        image_ids=people.image_ids[people.image_index],
        keypoints=people.keypoints,
        areas=people.areas,
        boxes=people.boxes,
        crowd=people.crowd,
        head_sizes=people.head_sizes,
        torso_sizes=people.torso_sizes,
    )


def label_subset(people: PoseDataset, fraction: float, seed: int) -> PoseDataset:
    """People of a random share of the images, as if only those had been labelled.

    Drawn by image, because annotators label whole images. The subsets of one seed are
    nested: 10 % is part of 20 %.

    Args:
        people: labelled people.
        fraction: share of the images that have any, above 0 and at most 1.
        seed: of the draw.

    Raises:
        InputError: another fraction.
    """
    if not 0 < fraction <= 1:
        raise InputError(f"fraction: expected above 0 and at most 1, got {fraction}")
    if fraction == 1:
        return people
    images = np.unique(people.image_index)
    order = epoch_rng(seed, "labels").permutation(len(images))
    chosen = images[order[: max(1, round(fraction * len(images)))]]
    return people.select(np.flatnonzero(np.isin(people.image_index, chosen)))


class _Crops:
    """Makes samples of people, each seen through an affine map."""

    def __init__(
        self,
        people: PoseDataset,
        input_size: tuple[int, int],
        budget_megabytes: float,
        alignment: str,
    ) -> None:
        self.people = people
        self.input_size = input_size[0], input_size[1]
        self.alignment = alignment
        self.regions = Regions.of_boxes(
            people.boxes, self.input_size, alignment, centres=people.centres
        )
        self.centres, self.sizes = self.regions.centres, self.regions.sizes
        self._images = DecodedImages(people, budget_megabytes)
        joints = people.skeleton.num_joints
        self.signature = {
            "image": tf.TensorSpec((*self.input_size, 3), tf.uint8),
            "keypoints": tf.TensorSpec((joints, 2), tf.float32),
            "weights": tf.TensorSpec((joints,), tf.float32),
        }

    def __len__(self) -> int:
        return len(self.people)

    def sample(
        self, row: int, matrix: np.ndarray, mirror: bool
    ) -> dict[str, np.ndarray]:
        """The person under the map; mirrored, joints are renamed, not only moved."""
        photo = int(self.people.image_index[row])
        antialias = averages_pixels(self.alignment)
        image = self._images.crop(photo, matrix, self.input_size, antialias)
        labels = self.people.keypoints[row]
        keypoints = transform_points(matrix, labels[:, :2])
        weights = (labels[:, 2] > 0).astype(np.float32)
        if mirror:
            order = list(self.people.skeleton.flip_permutation)
            keypoints, weights = keypoints[order], weights[order]
        return {
            "image": image,
            "keypoints": keypoints.astype(np.float32),
            "weights": weights,
        }


class TopDownTraining(_Crops):
    """Sampler of augmented people, each once an epoch (but for the last few of the
    epoch's order that fill no batch).

    Sample: `image` uint8 `[H, W, 3]`, `keypoints` float32 `[J, 2]` in input pixels,
    also of joints that left the input, and `weights` float32 `[J]`, 1 if labelled.
    """

    def __init__(
        self,
        people: PoseDataset,
        input_size: tuple[int, int],
        batch_size: int,
        seed: int,
        augmentation: PoseAugmentation,
        budget_megabytes: float = 0.0,
        alignment: str = "half_pixel",
    ):
        """
        Args:
            people: labelled people, see `labelled_people`.
            input_size: (height, width) of the net's input.
            batch_size: global batch size; sets how many samples make an epoch.
            seed: of order and augmentation.
            augmentation: what is done to the regions.
            budget_megabytes: memory for decoded photos.
            alignment: one of `tfpose.codecs.alignment.ALIGNMENTS`; any but `half_pixel`
                shrinks photos without averaging, as published.

        Raises:
            InputError: people are to be mirrored, and which joints are left and which
                right is not known.
        """
        super().__init__(people, input_size, budget_megabytes, alignment)
        if augmentation.flip_probability:
            _ = people.skeleton.flip_permutation
        self.steps_per_epoch = steps_per_epoch(len(people), batch_size)
        self._epoch_size = self.steps_per_epoch * batch_size
        self._seed, self._augmentation = seed, augmentation
        self._halves = _body_halves(people.skeleton)
        self._plans = EpochPlans(self._draw)

    def _draw(self, epoch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Order, maps and flips of one epoch; all people at once."""
        rng, change = epoch_rng(self._seed, "topdown", epoch), self._augmentation
        count = len(self.people)
        rows = near_order(rng, self.people.image_index)
        normal = rng.standard_normal((3, count))
        uniform = rng.random((3, count))
        half = uniform[0] < change.half_body_probability
        centres, sizes = self._half_bodies(half, prefer_upper=normal[0] < 0.5)
        scale, turn, shift = self._changes(rng, normal[1:])
        turn *= uniform[1] < change.rotation_probability
        mirror = uniform[2] < change.flip_probability
        # Drawn for a region, so the person grows as the region shrinks, as in HRNet.
        matrices = region_matrices(
            centres + shift * sizes,
            sizes * scale[:, None],
            self.input_size,
            turn,
            self.alignment,
        )
        matrices[mirror] = mirror_matrices(
            matrices[mirror], self.input_size, self.alignment
        )
        return rows, matrices, mirror

    def _changes(
        self, rng: np.random.Generator, normal: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Factor, degrees and shift in sides, of all people, by normal draws."""
        change, count = self._augmentation, normal.shape[1]
        normal = np.concatenate([normal, rng.standard_normal((2, count))])
        shifted = rng.random(count) < change.shift_probability
        if change.draws == "truncated":
            while (beyond := np.abs(normal) > 1).any():
                normal[beyond] = rng.standard_normal(beyond.sum())
        scale = np.clip(
            1 + normal[0] * change.scale, 1 - change.scale, 1 + change.scale
        )
        turn = np.clip(
            normal[1] * change.rotation, -2 * change.rotation, 2 * change.rotation
        )
        shift = change.shift * np.clip(normal[2:], -1, 1) * shifted
        return scale, turn, shift.T

    def _half_bodies(
        self, chosen: np.ndarray, prefer_upper: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        centres, sizes = self.centres.copy(), self.sizes.copy()
        keypoints = self.people.keypoints
        visible = keypoints[..., 2] > 0
        chosen = chosen & (visible.sum(-1) > self._augmentation.half_body_joints)
        upper, lower = (visible & half for half in self._halves)
        upper_first = prefer_upper & (upper.sum(-1) > 2)
        shown = np.where((upper_first | (lower.sum(-1) <= 2))[:, None], upper, lower)
        rows = np.flatnonzero(chosen & (shown.sum(-1) >= 2))
        if len(rows) == 0:
            return centres, sizes
        mask, points = shown[rows][..., None], keypoints[rows, :, :2]
        low = np.where(mask, points, np.inf).min(axis=1)
        high = np.where(mask, points, -np.inf).max(axis=1)
        # From pixel centre to pixel centre, or edge to edge, as an alignment has it.
        sides = np.maximum(high - low - 2 * box_offset(self.alignment), 1)
        boxes = np.concatenate([low, sides], axis=-1)
        centres[rows], sizes[rows] = box_regions(
            boxes, self.input_size, _HALF_BODY_PADDING, self.alignment
        )
        if self._augmentation.half_body_centre == "mean":
            centres[rows] = np.mean(points, axis=1, where=mask)
        return centres, sizes

    def __call__(self, position: int) -> dict[str, np.ndarray]:
        epoch, place = divmod(position, self._epoch_size)
        rows, matrices, mirror = self._plans[epoch]
        row = rows[place]
        return self.sample(row, matrices[row], bool(mirror[row]))

    def sample_id(self, position: int) -> str:
        """Which person is at a place of the stream, for messages."""
        epoch, place = divmod(position, self._epoch_size)
        return self.people.describe(self._plans[epoch][0][place])


class TopDownEvaluation(_Crops):
    """Sampler of every person in order, upright and unchanged; scores what is found.

    Sample: as of `TopDownTraining`.

    Attributes:
        people: `PoseDataset` of P people.
        regions: `Regions`, what the net sees of each.
    """

    def __init__(
        self,
        people: PoseDataset,
        input_size: tuple[int, int],
        budget_megabytes: float = 0.0,
        alignment: str = "half_pixel",
    ) -> None:
        """Arguments as for `TopDownTraining`."""
        super().__init__(people, input_size, budget_megabytes, alignment)
        self.matrices = self.regions.matrices

    def __call__(self, position: int) -> dict[str, np.ndarray]:
        return self.sample(position, self.matrices[position], mirror=False)

    def to_picture(self, keypoints: np.ndarray) -> np.ndarray:
        """All people's keypoints `[P, J, 2]`, input pixels, as float64 in pixels of
        their photos.
        """
        return self.regions.to_picture(keypoints)

    def scores(
        self, keypoints: np.ndarray, joint_scores: np.ndarray
    ) -> tuple[dict[str, float], list[str]]:
        """Metrics of predictions for all people, and notes on what they rest on.

        Args:
            keypoints: `[P, J, 2]`, pixels of the net's input.
            joint_scores: `[P, J]`, heights of the heatmaps' peaks.

        Returns:
            PCK@0.2 of the torso, and OKS AP where skeleton and areas allow it, see
            `tfpose.metrics.pose_scores.pose_scores`.
        """
        return pose_scores(
            pose_truth(self.people),
            self.people.skeleton,
            self.to_picture(keypoints),
            joint_scores,
        )


def _body_halves(skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    lower = np.array(
        [any(part in name for part in _LOWER_BODY) for name in skeleton.joints]
    )
    return ~lower, lower
