"""The `images` of a COCO-format file: which are there, where, and how large."""

import math
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from data_pipelines.images import image_size
from data_pipelines.readers.skip_report import SkipReport
from tfpose.errors import InputError

__all__ = [
    "UNKNOWN_SIZE",
    "ImageTable",
    "is_id",
    "read_images",
    "stored_size",
    "whole_numbers",
]

UNKNOWN_SIZE = (2**31 - 1, 2**31 - 1)
"""Of an image that is not there; too large for a box to reach over its edge."""


@dataclass
class ImageTable:
    """Usable images in the file's order, and why the others are not.

    Attributes:
        ids, paths, sizes: of the usable images; sizes are (height, width) px.
        crowd_indices: of the usable images, as CrowdPose has them; NaN where unknown.
        rows: row of each usable id.
        names: file name of every id in the file.
        unusable: reason for each id that cannot be used.
    """

    ids: list[int] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    crowd_indices: list[float] = field(default_factory=list)
    rows: dict[int, int] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)
    unusable: dict[int, str] = field(default_factory=dict)


def read_images(
    records: list[Any], image_dir: str | None, report: SkipReport
) -> ImageTable:
    """Finds every image of the list; names the others in the report.

    Without `image_dir` no file is looked for. Two records of one name are one image.

    Raises:
        InputError: two records of different names lead to one file.
    """
    images = ImageTable()
    owners: dict[str, int] = {}
    for number, record in enumerate(records):
        if not isinstance(record, dict):
            report.skip("image", None, "", "not an object", f"row {number}")
            continue
        image_id, name = record.get("id"), record.get("file_name")
        if not is_id(image_id):
            report.skip("image", image_id, str(name), "id is not an integer")
            continue
        if image_id in images.names:
            report.skip("image", image_id, str(name), "duplicate id")
            continue
        images.names[image_id] = str(name)
        try:
            path = str(name) if image_dir is None else _find_image(name, image_dir)
            size = _declared_size(record)
            if size is None and image_dir is None:
                size = UNKNOWN_SIZE
                report.note("image size unknown, boxes not clipped")
            elif size is None:
                size = stored_size(path)
                report.note("image size read from the file")
        except InputError as error:
            reason, _, detail = str(error).partition(" | ")
            images.unusable[image_id] = reason
            report.skip("image", image_id, str(name), reason, detail)
            continue
        row = owners.setdefault(path, len(images.ids))
        if row < len(images.ids) and "frame_index" not in record:
            _expect_same_name(images.names[images.ids[row]], str(name), path, report)
            images.rows[image_id] = row
            report.note("image named by two records, taken for one")
            continue
        images.rows[image_id] = len(images.ids)
        images.ids.append(image_id)
        images.paths.append(path)
        images.sizes.append(size)
        images.crowd_indices.append(_crowd_index(record))
    return images


def _expect_same_name(first: str, second: str, path: str, report: SkipReport) -> None:
    if os.path.normpath(first) != os.path.normpath(second):
        raise InputError(
            f"{report.source}: images {first!r} and {second!r} both lead to {path}; "
            "expected each in its own folder"
        )


def _find_image(name: Any, image_dir: str) -> str:
    if not isinstance(name, str) or not name:
        raise InputError("no file_name")
    if "\\" in name and not os.path.exists(os.path.join(image_dir, name)):
        # Written on Windows.
        name = name.replace("\\", "/")
    rest, path = name, os.path.join(image_dir, name)
    first = path
    while True:
        try:
            found = os.stat(path)
            if not stat.S_ISREG(found.st_mode):
                raise FileNotFoundError(path)
            break
        except (OSError, ValueError):
            _, slash, rest = rest.partition("/")
            if not slash:
                raise InputError(f"image file is absent | {first}") from None
            path = os.path.join(image_dir, rest)
    if found.st_size == 0:
        raise InputError(f"image file is empty | {path}")
    return path


def _declared_size(record: dict) -> tuple[int, int] | None:
    height, width = record.get("height"), record.get("width")
    if is_id(height) and is_id(width) and min(height, width) > 0:
        if max(height, width) < 2**31:
            return height, width
    return None


def _crowd_index(record: dict) -> float:
    value = record.get("crowdIndex")
    if isinstance(value, int | float) and 0 <= value <= 1:
        return float(value)
    return math.nan


def stored_size(path: str) -> tuple[int, int]:
    """(height, width) px of an image file, upright.

    Raises:
        InputError: not readable; the text is a reason of `SkipReport`, ` | `, and what
            was found.
    """
    try:
        with open(path, "rb") as file:
            return image_size(file.read(), path)
    except OSError as error:
        raise InputError(f"image not readable | {error.strerror}") from None
    except InputError as error:
        raise InputError(f"image not readable | {error}") from None


def is_id(value: Any) -> TypeGuard[int]:
    """Whether a JSON value is an int64 (true and false are none)."""
    integer = isinstance(value, int) and not isinstance(value, bool)
    return integer and -(2**63) <= value < 2**63


_NUMBERED = ("id", "image_id", "category_id", "height", "width")


def whole_numbers(records: Iterable[Any]) -> None:
    """Makes 36 of 36.0 in ids and sizes, in place, as programs with tables write them.

    Args:
        records: JSON values; those that are no objects are left alone.
    """
    for record in records:
        if isinstance(record, dict):
            for key in _NUMBERED:
                value = record.get(key)
                if isinstance(value, float) and value.is_integer():
                    record[key] = int(value)
