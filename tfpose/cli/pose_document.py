"""Poses as a file in COCO's format, collected on disk while they are found."""

import json
import pathlib
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO, Any

import numpy as np

from tfpose.cli.pose_table import write_pose_table
from tfpose.errors import InputError
from tfpose.files import write_whole
from tfpose.predictors import People
from tfpose.skeletons import Skeleton, uncertain_joints

__all__ = ["PoseDocument"]


class PoseDocument:
    """Images, a person for each pose, and the category that names the joints.

    Records are kept in temporary files: memory does not grow with a video's length.
    """

    def __init__(self, skeleton: Skeleton, threshold: float):
        """
        Args:
            skeleton: the joints, in the model's order.
            threshold: a joint that scores no more is uncertain; only the others count
                in `num_keypoints`.
        """
        self.skeleton = skeleton
        self.images = 0
        self.people = 0
        self.threshold = threshold
        self._image_records = tempfile.TemporaryFile("w+", encoding="utf-8")
        self._person_records = tempfile.TemporaryFile("w+", encoding="utf-8")

    def add(
        self,
        image: dict[str, Any],
        people: People,
        numbers: Sequence[int] | None = None,
    ) -> None:
        """Adds an image and its people.

        Args:
            image: its record, without an `id`.
            people: found in it.
            numbers: of each person of a video, to be known by in other frames; 0 for
                none.

        Raises:
            InputError: the disk is full.
        """
        self.images += 1
        _append(self._image_records, {"id": self.images, **image})
        numbers = [0] * len(people) if numbers is None else numbers
        for box, pose, score, number in zip(
            people.boxes, people.poses, people.person_scores, numbers, strict=True
        ):
            self.people += 1
            record: dict[str, Any] = {
                "id": self.people,
                "image_id": self.images,
                "category_id": 1,
                "bbox": np.asarray(box, float).tolist(),
                "keypoints": pose.round(3).ravel().tolist(),
                "num_keypoints": int((pose[:, 2] > self.threshold).sum()),
                "uncertain": uncertain_joints(pose, self.skeleton, self.threshold),
                "score": round(float(score), 4),
            }
            if number:
                record["track_id"] = number
            _append(self._person_records, record)

    def write(self, path: pathlib.Path) -> None:
        """Writes all that was added.

        Raises:
            InputError: the file cannot be written.
        """
        category: dict[str, Any] = {
            "id": 1,
            "name": "person",
            "keypoints": list(self.skeleton.joints),
            # COCO counts joints from 1 here.
            "skeleton": [[i + 1, j + 1] for i, j in self.skeleton.limbs],
            "score_threshold": self.threshold,
        }
        if self.skeleton.mirrored is not None:
            category["flip_pairs"] = [list(pair) for pair in self.skeleton.mirrored]

        def put(aside: pathlib.Path) -> None:
            with open(aside, "w", encoding="utf-8") as file:
                file.write('{"images": [')
                _copy(self._image_records, file)
                file.write('\n],\n"annotations": [')
                _copy(self._person_records, file)
                file.write(f'\n],\n"categories": [{json.dumps(category)}]}}\n')

        write_whole(path, put)

    def write_table(self, path: pathlib.Path) -> None:
        """Writes all poses as CSV, see `write_pose_table`.

        Raises:
            InputError: the file cannot be written.
        """
        columns = ("x", "y", "score")
        write_pose_table(path, self._rows(), self.skeleton.joints, columns)

    def _rows(self) -> Iterator[tuple[dict[str, Any], dict[str, Any], np.ndarray]]:
        images = _records(self._image_records)
        image: dict[str, Any] = {"id": 0}
        for person in _records(self._person_records):
            while image["id"] != person["image_id"]:
                image = next(images)
            yield image, person, np.reshape(person["keypoints"], (-1, 3))

    def close(self) -> None:
        """Deletes the temporary files."""
        self._image_records.close()
        self._person_records.close()


def _append(file: IO[str], record: dict[str, Any]) -> None:
    try:
        file.write(("," if record["id"] > 1 else "") + "\n" + json.dumps(record))
    except OSError as error:
        raise InputError(
            f"{tempfile.gettempdir()}: cannot be written: {error.strerror}"
        ) from None


def _records(file: IO[str]) -> Iterator[dict[str, Any]]:
    """What `_append` has written."""
    file.seek(0)
    for line in file:
        if line.strip():
            yield json.loads(line.rstrip(",\n"))


def _copy(source: IO[str], target: IO[str]) -> None:
    source.seek(0)
    while part := source.read(1 << 20):
        target.write(part)
