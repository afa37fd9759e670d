"""All people of a dataset as one table, without pixels."""

from dataclasses import dataclass, replace

import numpy as np

from data_pipelines.images import ImageStore
from tfpose.skeletons import Skeleton

__all__ = ["OPTIONAL_COLUMNS", "PoseDataset"]

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
}
_OF_IMAGES = ("image_ids", "image_sizes")


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
        crowd: bool `[P]`. A box around a group, not one person.
        head_sizes: float32 `[P]`, px, the length that PCKh measures by (0.6 times the
            head box's diagonal); NaN where unknown. None where the dataset has none.
        torso_sizes: float32 `[P]`, px, the length that PCK measures by where a dataset
            has its own, between the middles of shoulders and hips, of labels that
            `keypoints` leaves out too; NaN where unknown. None where it has none.
        centres: float32 `[P, 2]`, (x, y) px in pixel-centre coordinates, the middles
            of the regions that nets are shown. None where those are the boxes'
            middles, as an alignment has them.
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

    def __post_init__(self):
        for column, (dtype, rank) in _COLUMNS.items():
            array = getattr(self, column)
            if array is None and column in OPTIONAL_COLUMNS:
                continue
            if array.dtype != dtype or array.ndim != rank:
                raise ValueError(
                    f"{column} must be {np.dtype(dtype)} of rank {rank}, received "
                    f"{array.dtype} {array.shape}"
                )
            owners = self.image_ids if column in _OF_IMAGES else self.person_ids
            if len(array) != len(owners):
                raise ValueError(f"{column} has {len(array)} rows, not {len(owners)}")
        if self.keypoints.shape[1:] != (self.skeleton.num_joints, 3):
            raise ValueError(
                f"keypoints {self.keypoints.shape} are not of skeleton "
                f"{self.skeleton.name} ({self.skeleton.num_joints} joints)"
            )
        if len(self.images) != len(self.image_ids):
            raise ValueError(
                f"{len(self.images)} images in store, {len(self.image_ids)} in table"
            )

    def __len__(self) -> int:
        return len(self.person_ids)

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """The arrays of the table by name; optional ones if they are there."""
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
            if column not in _OF_IMAGES
        }
        return replace(self, **people)
