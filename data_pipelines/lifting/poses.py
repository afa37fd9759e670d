"""All 2D-3D pose pairs of a dataset as one table, without pixels."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfpose.errors import InputError
from tfpose.skeletons import Skeleton, convert_keypoints

__all__ = ["LiftingDataset", "concatenate"]

# Columns of one row per pose, and of one row per camera.
_OF_POSES = {
    "positions": (np.float32, 3),
    "keypoints": (np.float32, 3),
    "camera_index": (np.int32, 1),
    "subject_index": (np.int32, 1),
    "action_index": (np.int32, 1),
    "sequence_index": (np.int32, 1),
    "frame": (np.int32, 1),
}
_OF_CAMERAS = {"intrinsics": (np.float32, 2), "image_sizes": (np.int32, 2)}


@dataclasses.dataclass(frozen=True, eq=False)
class LiftingDataset:
    """N poses seen by C cameras.

    Attributes:
        name: str. The dataset, for messages and reports.
        skeleton: Skeleton. Names the J joints of `positions` and `keypoints`.
        positions: float32 `[N, J, 3]`, metres in the frame of the row's camera: x
            right, y down, z forward; the root is where it stands before the camera.
        keypoints: float32 `[N, J, 2]`, (x, y) px of the same joints, finite, maybe
            outside the image.
        keypoint_source: str. Where the keypoints are from: "projected" (from
            `positions`), "gt" (the dataset's own), or a detector's name. A metric
            repeats it, for a score on true 2D is not one on detected 2D.
        intrinsics: float32 `[C, 9]`: fx, fy, cx, cy in px, then the distortion k1,
            k2, k3, p1, p2.
        image_sizes: int32 `[C, 2]`, (height, width) in px.
        camera_index: int32 `[N]`. Row of `intrinsics` and `image_sizes`.
        subjects: names of the S people; `subject_index` int32 `[N]` points into it.
        actions: names of the A actions; `action_index` int32 `[N]` points into it.
        sequence_index: int32 `[N]`, from 0. Poses of one number are one take of one
            person by one camera.
        frame: int32 `[N]`. Place of the pose in its take, in the dataset's numbers.
    """

    name: str
    skeleton: Skeleton
    positions: np.ndarray
    keypoints: np.ndarray
    keypoint_source: str
    intrinsics: np.ndarray
    image_sizes: np.ndarray
    camera_index: np.ndarray
    subjects: tuple[str, ...]
    subject_index: np.ndarray
    actions: tuple[str, ...]
    action_index: np.ndarray
    sequence_index: np.ndarray
    frame: np.ndarray

    def __post_init__(self) -> None:
        for columns, owner in (
            (_OF_POSES, self.positions),
            (_OF_CAMERAS, self.intrinsics),
        ):
            for column, (dtype, rank) in columns.items():
                array = getattr(self, column)
                if array.dtype != dtype or array.ndim != rank:
                    raise ValueError(
                        f"{column} must be {np.dtype(dtype)} of rank {rank}, received "
                        f"{array.dtype} {array.shape}"
                    )
                if len(array) != len(owner):
                    raise ValueError(
                        f"{column} has {len(array)} rows, not {len(owner)}"
                    )
        joints = self.skeleton.num_joints
        for column, row in (
            ("positions", (joints, 3)),
            ("keypoints", (joints, 2)),
            ("intrinsics", (9,)),
            ("image_sizes", (2,)),
        ):
            shape = getattr(self, column).shape
            if shape[1:] != row:
                raise ValueError(
                    f"{column} {shape} must be [rows, {', '.join(map(str, row))}] "
                    f"(skeleton {self.skeleton.name}, {joints} joints)"
                )
        for column, limit in (
            ("camera_index", len(self.intrinsics)),
            ("subject_index", len(self.subjects)),
            ("action_index", len(self.actions)),
            ("sequence_index", np.inf),
        ):
            index = getattr(self, column)
            if len(index) and not (0 <= index.min() and index.max() < limit):
                raise ValueError(
                    f"{column} spans {index.min()}..{index.max()}, expected 0 to "
                    f"below {limit}"
                )
        for column in ("positions", "keypoints"):
            if not np.isfinite(getattr(self, column)).all():
                raise ValueError(f"{column} has values that are not finite")

    def __len__(self) -> int:
        return len(self.positions)

    def select(self, indices: np.ndarray) -> "LiftingDataset":
        """The poses at `indices` (integers or a boolean mask), in that order.

        The tables of cameras, subjects and actions stay whole, so that nothing
        needs renumbering.
        """
        indices = np.asarray(indices)
        if indices.dtype != np.bool_:
            indices = indices.astype(np.int64)
        poses: dict[str, Any] = {
            column: getattr(self, column)[indices] for column in _OF_POSES
        }
        return dataclasses.replace(self, **poses)

    def convert(self, skeleton: Skeleton) -> "LiftingDataset":
        """The same poses with the joints of another skeleton, matched by name.

        A pelvis or thorax that this skeleton lacks is made of the hips or shoulders,
        in 3D and in the image.

        Raises:
            InputError: names the joints that cannot be made of this skeleton's.
        """
        if skeleton == self.skeleton:
            return self
        positions, missing = convert_keypoints(
            self.positions, self.skeleton, skeleton, derive_midpoints=True
        )
        if missing:
            raise InputError(
                f"{self.name}: skeleton {self.skeleton.name!r} has no "
                f"{', '.join(missing)}, which skeleton {skeleton.name!r} asks for"
            )
        keypoints, _ = convert_keypoints(
            self.keypoints, self.skeleton, skeleton, derive_midpoints=True
        )
        return dataclasses.replace(
            self, skeleton=skeleton, positions=positions, keypoints=keypoints
        )


def concatenate(
    datasets: Sequence[LiftingDataset], name: str | None = None
) -> LiftingDataset:
    """All poses of several datasets, in their order.

    Subjects and actions of equal name are the same; takes and cameras never are.

    Args:
        datasets: one or more, of one skeleton and one source of 2D keypoints.
        name: of the result. Defaults to the names joined by `+`.

    Raises:
        InputError: there are none, or they differ in skeleton or keypoint source.
    """
    if not datasets:
        raise InputError("no lifting datasets to join, expected one or more")
    first = datasets[0]
    for other in datasets[1:]:
        if other.skeleton != first.skeleton:
            raise InputError(
                f"{other.name} has skeleton {other.skeleton.name!r} and {first.name} "
                f"{first.skeleton.name!r}; convert them to one before joining"
            )
        if other.keypoint_source != first.keypoint_source:
            raise InputError(
                f"{other.name} has {other.keypoint_source!r} keypoints and "
                f"{first.name} {first.keypoint_source!r}; expected one source"
            )
    columns = {
        column: [getattr(dataset, column) for dataset in datasets]
        for column in (*_OF_POSES, *_OF_CAMERAS)
    }
    fields: dict[str, Any] = {}
    for table, index in (("subjects", "subject_index"), ("actions", "action_index")):
        tables = [getattr(dataset, table) for dataset in datasets]
        fields[table] = tuple(dict.fromkeys(word for words in tables for word in words))
        columns[index] = [
            np.array([fields[table].index(word) for word in words], np.int32)[rows]
            for words, rows in zip(tables, columns[index], strict=True)
        ]
    for index, sizes in (
        ("camera_index", [len(dataset.intrinsics) for dataset in datasets]),
        ("sequence_index", [_num_sequences(dataset) for dataset in datasets]),
    ):
        starts = np.cumsum([0, *sizes[:-1]], dtype=np.int32)
        columns[index] = [
            rows + start for rows, start in zip(columns[index], starts, strict=True)
        ]
    if name is None:
        name = "+".join(dict.fromkeys(dataset.name for dataset in datasets))
    for column, parts in columns.items():
        fields[column] = np.concatenate(parts)
    return dataclasses.replace(first, name=name, **fields)


def _num_sequences(dataset: LiftingDataset) -> int:
    index = dataset.sequence_index
    return int(index.max()) + 1 if len(index) else 0
