"""The `segmentation` fields of a COCO-format file: checked, not decoded."""

from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from data_pipelines.readers.coco_images import UNKNOWN_SIZE, is_id
from data_pipelines.readers.skip_report import SkipReport
from data_pipelines.segmentation import Segmentation, Segmentations, run_lengths
from tfpose.errors import InputError

__all__ = ["read_segmentations"]

# A polygon further outside its image than this many of its sides is not of it, and
# drawing it would take without end.
_REACH = 2


def read_segmentations(
    annotations: list[dict[str, Any]],
    sizes: np.ndarray,
    names: list[str],
    report: SkipReport,
) -> Segmentations | None:
    """The regions of people; None if the file has none.

    A bad one is left out and named in the report as a record "segmentation": the
    person stays, without it.

    Args:
        annotations: P of them, usable in all but this.
        sizes: `[P, 2]`, (height, width) px of each one's image.
        names: P file names of their images, for the report.
        report: takes what is left out.
    """
    regions = []
    sizes = sizes.astype(np.int64)
    for annotation, size, name in zip(annotations, sizes.tolist(), names, strict=True):
        value = annotation.get("segmentation")
        region = Segmentation()
        there = not (value is None or value == [] or value == {})
        if there and tuple(size) == UNKNOWN_SIZE:
            report.note("segmentation left out, image size unknown")
        elif there:
            try:
                region = _region(value, size)
            except InputError as error:
                reason, _, detail = str(error).partition(" | ")
                person = annotation.get("id")
                report.skip("segmentation", person, name, reason, detail)
        regions.append(region)
    return Segmentations.of(regions) if any(regions) else None


def _region(value: Any, size: list[int]) -> Segmentation:
    """Raises InputError, "reason | detail"."""
    if isinstance(value, list):
        reach = _REACH * max(size)
        return Segmentation(polygons=tuple(_polygon(part, reach) for part in value))
    if isinstance(value, dict):
        return Segmentation(rle=_rle(value, size))
    raise InputError(f"neither polygons nor run lengths | a {type(value).__name__}")


def _polygon(value: Any, reach: int) -> np.ndarray:
    if not isinstance(value, list):
        found = type(value).__name__
        raise InputError(f"neither polygons nor run lengths | a list of {found}")
    if len(value) % 2:
        found = f"{len(value)} coordinates"
        raise InputError(f"polygon with an odd number of coordinates | {found}")
    if len(value) < 6:
        raise InputError(f"polygon with fewer than 3 points | {len(value) // 2}")
    try:
        numbers = np.array(value)
    except (ValueError, OverflowError):
        numbers = np.array(None)
    if numbers.ndim != 1 or numbers.dtype.kind not in "if":
        raise InputError("polygon's coordinates are not numbers")
    if not (-reach <= numbers.min() and numbers.max() <= reach):
        if not np.isfinite(numbers).all():
            raise InputError("polygon is not finite")
        found = f"from {numbers.min()} to {numbers.max()} px"
        raise InputError(f"polygon far outside its image | {found}")
    return numbers.astype(np.float32).reshape(-1, 2)


def _rle(value: dict[str, Any], size: list[int]) -> bytes:
    counts, found = value.get("counts"), value.get("size")
    if not isinstance(counts, list | str) or found is None:
        raise InputError("run lengths without counts or size")
    if found != size:
        what = f"{str(found)[:40]}, the image {size}"
        raise InputError(f"run lengths of another size than the image | {what}")
    if isinstance(counts, str):
        return _checked_text(counts, size)
    if not all(is_id(count) and count >= 0 for count in counts):
        raise InputError("run lengths are not numbers from 0")
    _check_sum(sum(counts), size)
    encoded = coco_mask.frPyObjects({"size": size, "counts": counts}, *size)
    return encoded["counts"]


def _checked_text(text: str, size: list[int]) -> bytes:
    try:
        rle = text.encode("ascii")
        lengths = run_lengths(rle)
    except ValueError:
        raise InputError("run lengths are damaged") from None
    if lengths.min() < 0:
        raise InputError("run lengths are damaged")
    _check_sum(int(lengths.sum()), size)
    return rle


def _check_sum(found: int, size: list[int]) -> None:
    pixels = size[0] * size[1]
    if found != pixels:
        what = f"of {found} pixels, the image has {pixels}"
        raise InputError(f"run lengths do not fill the image | {what}")
