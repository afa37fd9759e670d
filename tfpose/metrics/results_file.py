"""COCO result files of poses, the format of COCO's server and of other projects.

A list with a record for each pose: `image_id`, `category_id` (1, person), `keypoints`
(x, y and a score for each joint, in the order of the data set's joints) and `score`.
"""

import json
import math
import os
import pathlib
from typing import Any

import numpy as np

from tfpose.errors import InputError
from tfpose.files import write_whole
from tfpose.metrics.oks import PosePredictions
from tfpose.skeletons import Skeleton

__all__ = ["read_results", "write_results"]

_PERSON = 1
_DECIMALS = 4


def write_results(
    path: str | os.PathLike,
    predictions: PosePredictions,
    boxes: np.ndarray | None = None,
) -> None:
    """Writes poses, with coordinates rounded to a ten thousandth of a pixel.

    Args:
        path: the file, written atomically.
        predictions: Q poses.
        boxes: `[Q, 4]` (x, y, w, h), pixels: the boxes in which the poses were
            estimated; written as `bbox` if given.

    Raises:
        InputError: the file cannot be written.
    """
    points = np.concatenate(
        [
            np.asarray(predictions.keypoints, np.float64).round(_DECIMALS),
            np.asarray(predictions.joint_scores, np.float64)[..., None],
        ],
        axis=-1,
    )
    records = [
        {
            "image_id": int(image_id),
            "category_id": _PERSON,
            "keypoints": points[row].ravel().tolist(),
            "score": float(predictions.person_scores[row]),
        }
        for row, image_id in enumerate(predictions.image_ids)
    ]
    if boxes is not None:
        for record, box in zip(records, np.asarray(boxes, float), strict=True):
            record["bbox"] = box.round(_DECIMALS).tolist()
    text = json.dumps(records) + "\n"
    write_whole(pathlib.Path(path), lambda temporary: temporary.write_text(text))


def read_results(path: str | os.PathLike, skeleton: Skeleton) -> PosePredictions:
    """Reads poses that this project or another one wrote.

    Args:
        path: a COCO result file of keypoints.
        skeleton: the expected joints, in order. The file does not name its joints, so
            only their number is checked.

    Raises:
        InputError: the file is not readable or not a result file, or a record has
            another number of joints, another category, or a number that is missing or
            not finite; names the record.
    """
    records = _load(path)
    if not isinstance(records, list):
        raise InputError(
            f"{path}: has a {type(records).__name__} at the top, expected a list of "
            "poses"
        )
    joints = skeleton.num_joints
    points = np.zeros((len(records), joints, 3))
    scores = np.zeros(len(records))
    image_ids = np.zeros(len(records), np.int64)
    for row, record in enumerate(records):
        problem = _problem(record, skeleton)
        if problem:
            raise InputError(f"{path}: record {row}: {problem}")
        image_ids[row], scores[row] = record["image_id"], record["score"]
        points[row] = np.reshape(record["keypoints"], (joints, 3))
    return PosePredictions(image_ids, points[..., :2], points[..., 2], scores)


def _load(path: str | os.PathLike) -> Any:
    try:
        return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: not readable: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON: {error}") from None


def _problem(record: Any, skeleton: Skeleton) -> str:
    """The problem of a record; empty if there is none."""
    if not isinstance(record, dict):
        return f"is a {type(record).__name__}, expected an object"
    missing = {"image_id", "category_id", "keypoints", "score"} - set(record)
    if missing:
        return f"has no {' and no '.join(sorted(missing))}"
    if type(record["image_id"]) is not int:
        return f"image_id is {record['image_id']!r}, expected an integer"
    if record["category_id"] != _PERSON:
        return f"category_id is {record['category_id']!r}, expected {_PERSON}, person"
    values = record["keypoints"]
    if not isinstance(values, list) or len(values) != 3 * skeleton.num_joints:
        given = len(values) if isinstance(values, list) else repr(values)
        return (
            f"has {given} values of keypoints, expected {3 * skeleton.num_joints}, "
            f"x, y and score of the {skeleton.num_joints} joints of {skeleton.name}"
        )
    if not all(map(_is_number, [*values, record["score"]])):
        return "keypoints or score have a value that is not a finite number"
    return ""


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
