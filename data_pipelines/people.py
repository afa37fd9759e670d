"""All people of a dataset as one table, without pixels."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from data_pipelines.images import ImageStore, decode_image
from data_pipelines.segmentation import Segmentations, shrink_mask
from tfpose.skeletons import Skeleton

__all__ = ["IMAGE_COLUMNS", "OPTIONAL_COLUMNS", "PoseDataset"]

OPTIONAL_COLUMNS: dict[str, tuple[int, ...]] = {
    "head_sizes": (),
    "torso_sizes": (),
    "centres": (2,),
}
"""Columns of people that a dataset may have none of, float32: shape of a row."""

_COLUMNS = {
    "image_ids": (np.int64, 1),
    "image_sizes": (np.int32, 2),
    "image_index": (np.int32, 1),
    "person_ids": (np.int64, 1),
    "boxes": (np.float32, 2),
    "keypoints": (np.float32, 3),
    "areas": (np.float32, 1),
    "crowd": (np.bool_, 1),
    **{name: (np.float32, 1 + len(row)) for name, row in OPTIONAL_COLUMNS.items()},
    "crowd_indices": (np.float32, 1),
}
_MAY_BE_ABSENT = {*OPTIONAL_COLUMNS, "crowd_indices"}
IMAGE_COLUMNS = ("image_ids", "image_sizes", "crowd_indices")
"""Columns with a row for each image, the last of which a dataset may not have; others
have one for each person."""


@dataclass(frozen=True, eq=False)
class PoseDataset:
    """I images and the P people in them.

    Attributes:
        name: str. The dataset, for messages and reports.
        skeleton: Skeleton. Names the J joints of `keypoints`.
        images: ImageStore. Encoded image files by row.
        image_ids: int64 `[I]`.
        image_sizes: int32 `[I, 2]`, (height, width) in px, as decoded.
        image_index: int32 `[P]`. Row of each person's image, 0..I-1.
        person_ids: int64 `[P]`, unique.
        boxes: float32 `[P, 4]`, [x, y, w, h] px in edge coordinates. Clipped to the
            image (0 <= x, x + w <= width) but for MPII's, see
            `data_pipelines/readers/mpii.py`.
        keypoints: float32 `[P, J, 3]`, (x, y, v) px; v is 0 absent, 1 occluded,
            2 visible; x = y = 0 where v = 0. A person labelled by box only has all 0.
        areas: float32 `[P]`, segment area in px^2; NaN where the dataset has none, so
            that a metric that needs it can refuse instead of guessing.
        crowd: bool `[P]`. A box (and region) around a group, not one person.
        head_sizes: float32 `[P]`, px, the length that PCKh measures by (0.6 times the
            head box's diagonal); NaN where unknown. None where the dataset has none.
        torso_sizes: float32 `[P]`, px, the length that PCK measures by where a dataset
            has its own, between the middles of shoulders and hips, of labels that
            `keypoints` leaves out too; NaN where unknown. None where it has none.
        centres: float32 `[P, 2]`, (x, y) px in pixel-centre coordinates, the middles
            of the regions that nets are shown. None where those are the boxes'
            middles, as an alignment has them.
        segmentations: Segmentations of P people, empty for a person who has none.
            None where the dataset has none.
        crowd_indices: float32 `[I]`, 0..1, how much people of an image lie over each
            other, as CrowdPose measures it; NaN where unknown. None where the dataset
            has none.
    """

    name: str
    skeleton: Skeleton
    images: ImageStore
    image_ids: np.ndarray
    image_sizes: np.ndarray
    image_index: np.ndarray
    person_ids: np.ndarray
    boxes: np.ndarray
    keypoints: np.ndarray
    areas: np.ndarray
    crowd: np.ndarray
    head_sizes: np.ndarray | None = None
    torso_sizes: np.ndarray | None = None
    centres: np.ndarray | None = None
    segmentations: Segmentations | None = None
    crowd_indices: np.ndarray | None = None

    def __post_init__(self) -> None:
        for column, (dtype, rank) in _COLUMNS.items():
            array = getattr(self, column)
            if array is None and column in _MAY_BE_ABSENT:
                continue
            if array.dtype != dtype or array.ndim != rank:
                raise ValueError(
                    f"{column} must be {np.dtype(dtype)} of rank {rank}, received "
                    f"{array.dtype} {array.shape}"
                )
            owners = self.image_ids if column in IMAGE_COLUMNS else self.person_ids
            if len(array) != len(owners):
                raise ValueError(f"{column} has {len(array)} rows, not {len(owners)}")
        if self.keypoints.shape[1:] != (self.skeleton.num_joints, 3):
            raise ValueError(
                f"keypoints {self.keypoints.shape} are not of skeleton "
                f"{self.skeleton.name} ({self.skeleton.num_joints} joints)"
            )
        regions = self.segmentations
        if regions is not None and len(regions) != len(self.person_ids):
            raise ValueError(
                f"segmentations has {len(regions)} rows, not {len(self.person_ids)}"
            )
        if len(self.images) != len(self.image_ids):
            raise ValueError(
                f"{len(self.images)} images in store, {len(self.image_ids)} in table"
            )

    def __len__(self) -> int:
        return len(self.person_ids)

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """The arrays of the table by name; optional ones if they are there.

        All but `segmentations`, which is no array with a row for each person.
        """
        arrays = {column: getattr(self, column) for column in _COLUMNS}
        return {name: array for name, array in arrays.items() if array is not None}

    @property
    def num_labelled(self) -> np.ndarray:
        """int64 `[P]`: labelled joints (v > 0) of each person."""
        return np.count_nonzero(self.keypoints[:, :, 2] > 0, axis=1)

    def describe(self, row: int) -> str:
        """Which person a row is, for messages: `person 7 of images/03.jpg`."""
        photo = self.images.describe(int(self.image_index[row]))
        return f"person {self.person_ids[row]} of {photo}"

    def picture(self, image_row: int) -> np.ndarray:
        """An image's pixels, uint8 `[H, W, 3]` RGB.

        Raises:
            InputError: it cannot be read; names the file.
        """
        height, width = (int(side) for side in self.image_sizes[image_row])
        data, name = self.images.read(image_row), self.images.describe(image_row)
        return decode_image(data, (height, width), name)

    def select(self, indices: np.ndarray) -> "PoseDataset":
        """The people at `indices` (integers or a boolean mask), in that order.

        The image table stays whole, so `image_index` needs no renumbering.
        """
        indices = np.asarray(indices)
        if indices.dtype != np.bool_:
            indices = indices.astype(np.int64)
        people = {
            column: array[indices]
            for column, array in self.columns.items()
            if column not in IMAGE_COLUMNS
        }
        regions = self.segmentations
        if regions is not None:
            regions = regions.take(np.arange(len(self))[indices])
        return replace(self, segmentations=regions, **people)

    def people_of(self, image_row: int) -> np.ndarray:
        """int64 `[N]`: rows of all people of an image, in the table's order."""
        order, starts = self._by_image
        return order[starts[image_row] : starts[image_row + 1]]

    def each_image(self) -> Iterator[tuple[int, np.ndarray]]:
        """(row of an image, rows of its people) of all images, in order.

        Images without people are there, too.
        """
        for image_row in range(len(self.image_ids)):
            yield image_row, self.people_of(image_row)

    @cached_property
    def _by_image(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows of people sorted by image, and where each image's begin."""
        order = np.argsort(self.image_index, kind="stable")
        counts = np.bincount(self.image_index, minlength=len(self.image_ids))
        return order, np.concatenate([[0], np.cumsum(counts)])

    def mask(self, row: int) -> np.ndarray:
        """Bool `[H, W]`: the pixels of a person in the image.

        A person without a segmentation stands in with the pixels whose centres are
        in the box; `segmentations[row]` says which of the two it is.
        """
        height, width = self.image_sizes[self.image_index[row]].tolist()
        if self.segmentations is not None:
            region = self.segmentations[row]
            if region:
                return region.mask((height, width))
        low = self.boxes[row, :2].astype(np.float64)
        ends = np.stack([low, low + self.boxes[row, 2:]])
        (left, top), (right, bottom) = np.ceil(ends - 0.5).clip(0).astype(int).tolist()
        mask = np.zeros((height, width), np.bool_)
        mask[top:bottom, left:right] = True
        return mask

    def ignore_mask(self, image_row: int, stride: int = 1) -> np.ndarray:
        """The pixels of an image that a loss over all people must leave out.

        They are those of crowds and of people without labelled joints (by `mask`, so
        by box where there is no segmentation), as in the official code of HigherHRNet
        (Cheng et al., CVPR 2020, arXiv:1908.10357) and of what followed it. A person
        with labelled joints may lie in such a region and is left out there.

        Args:
            image_row: row of the image.
            stride: px of the image per cell of the answer. A cell is left out where
                more than half of its pixels are.

        Returns:
            bool `[ceil(H / stride), ceil(W / stride)]`, True where to ignore.
        """
        mask = np.zeros(self.image_sizes[image_row].tolist(), np.bool_)
        people = self.people_of(image_row)
        labelled = (self.keypoints[people, :, 2] > 0).any(axis=1)
        for row in people[self.crowd[people] | ~labelled].tolist():
            mask |= self.mask(row)
        return mask if stride == 1 else shrink_mask(mask, stride)
