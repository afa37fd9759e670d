"""Folders of video frames that show one person each, to a table of people."""

import os
from collections.abc import Sequence

import numpy as np

from data_pipelines.images import FileImages, image_size
from data_pipelines.people import PoseDataset
from data_pipelines.readers.coco_format import clip_boxes
from data_pipelines.readers.skip_report import SkipReport
from tfpose.errors import InputError
from tfpose.skeletons import Skeleton

__all__ = ["FrameTable"]

# Labels may round their frames' size; by more, they are not of these frames.
_ROUNDING = 2

# No coordinate is of this size; float32 holds it.
_HUGE = 1e30


class FrameTable:
    """Gathers people folder by folder; every frame of a folder is of one size.

    Only the first readable frame's header is read in each, so that a million frames
    open in seconds.

    Args:
        name: str. The dataset.
        skeleton: Skeleton. Joints of the keypoints.
        report: SkipReport. Takes what is not used: folders and frames that are absent
            or empty, boxes without a person in them.
    """

    def __init__(self, name: str, skeleton: Skeleton, report: SkipReport):
        self.name, self.skeleton, self.report = name, skeleton, report
        self._paths: list[str] = []
        self._ids: list[np.ndarray] = []
        self._sizes: list[np.ndarray] = []
        self._boxes: list[np.ndarray] = []
        self._keypoints: list[np.ndarray] = []
        self._torso_sizes: list[np.ndarray] = []

    def add(
        self,
        folder: str,
        names: Sequence[str],
        ids: np.ndarray,
        boxes: np.ndarray,
        keypoints: np.ndarray,
        labelled_size: tuple[int, int] | None = None,
        torso_sizes: np.ndarray | None = None,
    ) -> None:
        """Adds the T frames of a folder.

        Args:
            folder: str. Path of the folder.
            names: T file names in it.
            ids: int64 `[T]`, of the images and of the people in them.
            boxes: float64 `[T, 4]`, [x, y, w, h] px in edge coordinates; NaN where
                there is none, and the extent of the labelled keypoints is taken.
            keypoints: float64 `[T, J, 3]`, (x, y, v) px.
            labelled_size: (height, width) px that the labels were made on. Frames of
                another size are not theirs, and the folder is skipped.
            torso_sizes: float64 `[T]` px, see `PoseDataset`.
        """
        found = _sizes_on_disk(folder)
        rows = []
        for row, name in enumerate(names):
            if found.get(name):
                rows.append(row)
            elif found:
                what = "absent" if name not in found else "empty"
                path = os.path.join(folder, name)
                self.report.skip("image", int(ids[row]), path, f"file is {what}")
        size = self._frame_size(folder, [names[row] for row in rows], labelled_size)
        if not size:
            return
        keypoints = np.where(keypoints[rows, :, 2:] > 0, keypoints[rows], 0)
        boxes = self._completed(boxes[rows], keypoints)
        reasons: list[str | None] = [None] * len(rows)
        for i in np.flatnonzero(~(np.abs(keypoints) < _HUGE).all(axis=(1, 2))):
            reasons[i] = "a labelled keypoint is not finite"
        for i in np.flatnonzero(~(np.abs(boxes) < _HUGE).all(axis=1)):
            reasons[i] = reasons[i] or "no box, and no keypoints to find it from"
        sizes = np.tile(np.array(size, np.int32), (len(rows), 1))
        boxes = clip_boxes(boxes, sizes, reasons, self.report)
        used = [i for i, reason in enumerate(reasons) if reason is None]
        for row, reason in zip(rows, reasons, strict=True):
            if reason is not None:
                reason, _, detail = reason.partition(" | ")
                path = os.path.join(folder, names[row])
                self.report.skip("image", int(ids[row]), path, reason, detail)
        self._paths += [os.path.join(folder, names[rows[i]]) for i in used]
        self._ids.append(ids[rows][used])
        self._sizes.append(sizes[used])
        self._boxes.append(boxes[used])
        self._keypoints.append(keypoints[used])
        if torso_sizes is not None:
            self._torso_sizes.append(torso_sizes[rows][used].astype(np.float32))

    def people(self) -> PoseDataset:
        """The table. Raises InputError if it has no people."""
        count, report = len(self._paths), self.report
        report.used = {"images": count, "people": count}
        if not count:
            raise InputError(
                f"no usable person in {report.summary()}{report.example()}"
            )
        keypoints = np.concatenate(self._keypoints).astype(np.float32)
        bare = (keypoints[..., 2] == 0).all(axis=1)
        report.note("person without labelled keypoints", bare.sum())
        ids = np.concatenate(self._ids).astype(np.int64)
        torsos = np.concatenate(self._torso_sizes) if self._torso_sizes else None
        return PoseDataset(
            name=self.name,
            skeleton=self.skeleton,
            images=FileImages(self._paths),
            image_ids=ids,
            image_sizes=np.concatenate(self._sizes),
            image_index=np.arange(count, dtype=np.int32),
            person_ids=ids,
            boxes=np.concatenate(self._boxes).astype(np.float32),
            keypoints=keypoints,
            areas=np.full(count, np.nan, np.float32),
            crowd=np.zeros(count, np.bool_),
            torso_sizes=torsos,
        )

    def _frame_size(
        self, folder: str, names: list[str], labelled: tuple[int, int] | None
    ) -> tuple[int, int] | None:
        """(height, width) of the frames; None, reported, if there is no such."""
        name = os.path.basename(folder)
        if not names:
            what = "has none of the frames" if os.path.isdir(folder) else "is absent"
            self.report.skip("folder", name, folder, f"frame folder {what}")
            return None
        images = FileImages([os.path.join(folder, name) for name in names])
        size = None
        for row in range(len(images)):
            try:
                size = image_size(images.read(row), images.describe(row))
                break
            except InputError as error:
                fault = str(error)
        if size is None:
            self.report.skip("folder", name, folder, "no readable frame", fault)
            return None
        if labelled is None or size == labelled:
            return size
        found = f"{size[1]} x {size[0]} px, labels for {labelled[1]} x {labelled[0]}"
        if max(abs(size[0] - labelled[0]), abs(size[1] - labelled[1])) > _ROUNDING:
            reason = "frames are of another size than their labels"
            self.report.skip("folder", name, folder, reason, found)
            return None
        self.report.note("frame size read from the file, not from the labels")
        return size

    def _completed(self, boxes: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
        """Boxes, with the keypoints' extent where there is none."""
        absent = np.isnan(boxes).any(axis=1)
        joints = np.where(keypoints[..., 2:] > 0, keypoints[..., :2], np.nan)
        joints, boxes = joints[absent], boxes.copy()
        enough = np.count_nonzero(np.isfinite(joints[..., 0]), axis=1) >= 2
        low = np.nanmin(joints[enough], axis=1, initial=np.inf)
        high = np.nanmax(joints[enough], axis=1, initial=-np.inf)
        # From pixel centres to edges.
        boxes[np.flatnonzero(absent)[enough]] = np.hstack([low + 0.5, high - low])
        self.report.note("box absent, extent of the labelled keypoints", enough.sum())
        return boxes


def _sizes_on_disk(folder: str) -> dict[str, int]:
    """Bytes of each file in a folder, by name; nothing where there is no folder."""
    try:
        with os.scandir(folder) as entries:
            return {e.name: e.stat().st_size for e in entries if e.is_file()}
    except OSError:
        return {}
