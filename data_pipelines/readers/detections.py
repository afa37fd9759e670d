"""People's boxes that a detector found, from a COCO result file of detections.

The file that published pose nets are compared on is
`COCO_val2017_detections_AP_H_56_person.json`, which HRNet's authors give out.
"""

import dataclasses
import math
import os
from typing import Any

import numpy as np

from data_pipelines.readers.coco_format import load_json
from data_pipelines.readers.coco_images import whole_numbers
from tfpose.errors import InputError

__all__ = ["Detections", "read_detections"]

# Of COCO, whose numbers begin at 1.
_PERSON = 1


@dataclasses.dataclass(frozen=True)
class Detections:
    """Q boxes of people, in the file's order.

    Attributes:
        image_ids: int64 `[Q]`.
        boxes: float64 `[Q, 4]`, [x, y, w, h] px in edge coordinates, as the detector
            gave them: they may reach over the image's edges.
        scores: float64 `[Q]`.
        source: the file, and what of it is used; for reports.
    """

    image_ids: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    source: str

    def __len__(self) -> int:
        return len(self.scores)

    def within(self, image_sizes: dict[int, tuple[int, int]]) -> "Detections":
        """Without the boxes of which nothing is in their image; `source` counts them.

        Args:
            image_sizes: (height, width) px by image id, of all images.

        Raises:
            InputError: no box is left.
        """
        sizes = np.array([image_sizes[int(i)] for i in self.image_ids]).reshape(-1, 2)
        low, high = self.boxes[:, :2], self.boxes[:, :2] + self.boxes[:, 2:]
        seen = (high > 0).all(axis=1) & (low < sizes[:, ::-1]).all(axis=1)
        outside = int((~seen).sum())
        if not outside:
            return self
        if not seen.any():
            raise InputError(f"{self.source}: all of them are outside their images")
        return Detections(
            self.image_ids[seen],
            self.boxes[seen],
            self.scores[seen],
            f"{self.source}; {outside} wholly outside their image left out",
        )


def read_detections(
    path: str | os.PathLike, image_ids: np.ndarray, threshold: float = 0.0
) -> Detections:
    """Reads the boxes of people that score at least `threshold`.

    People are category 1, as in COCO, or the only category. Boxes of other categories
    are not looked at, those of lower scores are counted.

    Args:
        path: list of {image_id, category_id, bbox, score}.
        image_ids: int `[I]`, all images of the data set that is evaluated.
        threshold: least score.

    Raises:
        InputError: not such a file, a box of an unknown image (the file of another
            split), a box without a size, a number that is not finite, categories of
            which it is not clear which are people, or no box is left.
    """
    path = os.fspath(path)
    records = load_json(path)
    if not isinstance(records, list):
        raise InputError(
            f"{path}: found a {type(records).__name__} at the top, expected a list of "
            "detections"
        )
    whole_numbers(records)
    for row, record in enumerate(records):
        problem = _problem(record)
        if problem:
            raise InputError(f"{path}: record {row}: {problem}")
    person = _person(path, {record["category_id"] for record in records})
    known = set(np.asarray(image_ids).tolist())
    people, kept = 0, []
    for row, record in enumerate(records):
        if record["category_id"] != person:
            continue
        if record["image_id"] not in known:
            raise InputError(
                f"{path}: record {row}: image_id {record['image_id']!r} is not in the "
                "data set; are these detections of the same split?"
            )
        people += 1
        if record["score"] >= threshold:
            kept.append(record)
    if not kept:
        raise InputError(
            f"{path}: none of {people} boxes of people among {len(records)} records "
            f"scores {threshold:g} or more"
        )
    return Detections(
        image_ids=np.array([record["image_id"] for record in kept], np.int64),
        boxes=np.array([record["bbox"] for record in kept], np.float64),
        scores=np.array([record["score"] for record in kept], np.float64),
        source=f"{len(kept)} of {people} detections with a score of at least "
        f"{threshold:g} from {os.path.basename(path)}",
    )


def _person(path: str, categories: set[int]) -> int:
    """The category of people. The file does not name it."""
    if len(categories) == 1:
        return next(iter(categories))
    # Who counts from 0 has bicycles at 1.
    if 0 in categories:
        raise InputError(
            f"{path}: has the category_id 0 beside {len(categories) - 1} others, which "
            "COCO does not have; expected people as 1, or boxes of people alone"
        )
    return _PERSON


def _problem(record: Any) -> str:
    """What is wrong with a record; empty if nothing."""
    if not isinstance(record, dict):
        return f"found a {type(record).__name__}, expected an object"
    missing = {"image_id", "category_id", "bbox", "score"} - set(record)
    if missing:
        return f"has no {' and no '.join(sorted(missing))}"
    if not isinstance(record["image_id"], int):
        return f"image_id is {record['image_id']!r}, expected an integer"
    if not isinstance(record["category_id"], int):
        return f"category_id is {record['category_id']!r}, expected an integer"
    box = record["bbox"]
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        return f"bbox is {box!r}, expected four finite numbers"
    if not (box[2] > 0 and box[3] > 0):
        return f"bbox is {box}, expected a width and height above 0"
    if not _is_number(record["score"]):
        return f"score is {record['score']!r}, expected a finite number"
    return ""


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
