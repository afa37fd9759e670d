"""Reader of COCO-format keypoint files, for any skeleton.

Files in the wild lack fields, name images that are absent and have boxes outside
their image. What can be used is used; every record that is not is named in a
`SkipReport` with the reason, and every correction is counted there.
"""

import gc
import json
import math
import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from data_pipelines.images import FileImages
from data_pipelines.people import PoseDataset
from data_pipelines.readers.category_skeleton import skeleton_of_category
from data_pipelines.readers.coco_images import (
    ImageTable,
    is_id,
    read_images,
    whole_numbers,
)
from data_pipelines.readers.label_sense import check_boxes, check_keypoints
from data_pipelines.readers.people_category import find_people, names_joints
from data_pipelines.readers.segmentations import read_segmentations
from data_pipelines.readers.skip_report import SkipReport
from tfpose.errors import InputError
from tfpose.skeletons import SKELETONS, Skeleton

__all__ = ["BOXES_ALONE", "MIN_BOX_SIDE", "clip_boxes", "load_json", "read_coco"]

BOXES_ALONE = Skeleton("boxes_alone", ("unlabelled",))
"""Of files that have people's boxes and no keypoints at all: what needs no labels, such
as pretraining, takes such people."""

# A box with less of a side than this inside its image shows no person, px.
MIN_BOX_SIDE = 1.0

# No coordinate or area is of this size; float32 and float64 hold it.
_HUGE = 1e30

_WRONG_LENGTH = "keypoints of a wrong length"
_WRONG_VISIBILITY = "keypoint visibility is not 0, 1 or 2"


def load_json(path: str | os.PathLike) -> Any:
    """A JSON file's content.

    Raises:
        InputError: no such file, or not JSON; has the path and the position.
    """
    path = os.fspath(path)
    collecting = gc.isenabled()
    # The collector walks a growing tree of lists again and again: a third of the time.
    gc.disable()
    try:
        with open(path, encoding="utf-8-sig") as file:
            return json.load(file)
    except OSError as error:
        raise InputError(f"{path}: not readable: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}: not JSON at line {error.lineno}, column {error.colno} "
            f"(character {error.pos}): {error.msg}"
        ) from None
    except (RecursionError, ValueError) as error:
        raise InputError(f"{path}: JSON not usable: {error}") from None
    finally:
        if collecting:
            gc.enable()


def read_coco(
    json_path: str | os.PathLike,
    image_dir: str | os.PathLike | None,
    skeleton: Skeleton | None = None,
    correct: Callable[[dict[str, list], SkipReport], None] | None = None,
) -> tuple[PoseDataset, SkipReport]:
    """Reads people and image names; no pixels are decoded.

    * Images that are absent or empty files are skipped with their annotations. A
      file name is looked up below `image_dir`, then without its first folders. Width
      and height that are missing are read from the file's header.
    * Boxes are clipped to the image; one without at least `MIN_BOX_SIDE` px left is
      skipped. A missing box is the extent of the labelled keypoints.
    * Labelled keypoints at exactly (0, 0) are taken for absent, and counted. Files of
      which most keypoints or boxes cannot be pixels, as `label_sense` has it, are
      refused.
    * Annotations without keypoints stay, with all joints absent: they serve
      pretraining. A missing area is NaN, never guessed. Crowds stay, flagged.
    * Segmentations are polygons or run lengths, checked and not decoded. A bad one is
      left out and reported; its person stays.

    Args:
        json_path: file with `images`, `annotations` and `categories`.
        image_dir: folder that `file_name` is relative to. None for annotations whose
            images are not there: none is looked for, and where width and height are
            missing, boxes are not clipped.
        skeleton: the file's joints in their order, for files that do not name them.
            By default it is found from the category's keypoint names; without names and
            without keypoints it is `BOXES_ALONE`.
        correct: changes the three lists of the file before they are read, for data
            sets of which a fault is known or only a part is wanted; their items are
            unchecked. It reports what it leaves out.

    Returns:
        The dataset, in the file's order, and what was not used.

    Raises:
        InputError: not such a file, unknown joints, two images with one file, labels
            that make no sense together, or no usable person in it.
    """
    path = os.fspath(json_path)
    content = _checked(load_json(path), path)
    report = SkipReport(path)
    if correct is not None:
        correct(content, report)
    category = find_people(content["categories"], path)
    annotations = _of_category(content["annotations"], category, content, report)
    if skeleton is None:
        skeleton = _find_skeleton(category, annotations, path)
        _note_sides(skeleton, category, report)
    folder = None if image_dir is None else os.fspath(image_dir)
    images = read_images(content["images"], folder, report)
    people = _read_people(annotations, images, skeleton.num_joints, report)
    del content, annotations
    report.used = {"images": len(images.ids), "people": len(people["person_ids"])}
    if not np.any(~people["crowd"]):
        raise InputError(f"no usable person in {report.summary()}{report.example()}")
    indices = np.array(images.crowd_indices, np.float32)
    dataset = PoseDataset(
        name=os.path.splitext(os.path.basename(path))[0],
        skeleton=skeleton,
        images=FileImages(images.paths),
        image_ids=np.array(images.ids, np.int64),
        image_sizes=np.array(images.sizes, np.int32).reshape(-1, 2),
        crowd_indices=None if np.isnan(indices).all() else indices,
        **people,
    )
    return dataset, report


def _checked(content: Any, path: str) -> dict[str, list[dict]]:
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: found a {type(content).__name__} at the top, expected an object "
            "with images, annotations and categories"
        )
    for key in ("images", "annotations", "categories"):
        if key not in content:
            found = ", ".join(map(repr, content)) or "nothing"
            raise InputError(f"{path}: no {key!r}, found {found}")
        if not isinstance(content[key], list):
            kind = type(content[key]).__name__
            raise InputError(f"{path}: {key!r} is a {kind}, expected a list")
        whole_numbers(content[key])
    return content


def _of_category(
    annotations: list[Any],
    category: dict[str, Any],
    content: dict[str, list],
    report: SkipReport,
) -> list[dict]:
    """The annotations of people; one without category_id is taken for a person."""
    records = content["categories"]
    known = [c["id"] for c in records if isinstance(c, dict) and is_id(c.get("id"))]
    wanted, kept = category["id"], []
    for row, annotation in enumerate(annotations):
        if not isinstance(annotation, dict):
            report.skip("annotation", None, "", "not an object", f"row {row}")
            continue
        found = annotation.get("category_id", wanted)
        if found == wanted:
            kept.append(annotation)
            continue
        known_id = is_id(found) and found in known
        reason = "category is not people" if known_id else "unknown category_id"
        report.skip("annotation", annotation.get("id"), "", reason, f"{found!r}")
    return kept


def _find_skeleton(
    category: dict[str, Any], annotations: list[dict], path: str
) -> Skeleton:
    """Human-Art names more joints than its annotations have, so they are counted."""
    if not names_joints(category):
        if any(annotation.get("keypoints") for annotation in annotations):
            raise InputError(
                f"{path}: category {category.get('name')!r} names no keypoints; "
                "give the skeleton of its annotations"
            )
        return BOXES_ALONE
    lengths = Counter(
        len(a["keypoints"]) for a in annotations if isinstance(a.get("keypoints"), list)
    )
    names = len(category["keypoints"])
    usual = lengths.most_common(1)[0][0] if lengths else 0
    shorter = usual % 3 == 0 and 0 < usual // 3 < names
    return skeleton_of_category(category, path, usual // 3 if shorter else None)


def _note_sides(
    skeleton: Skeleton, category: dict[str, Any], report: SkipReport
) -> None:
    known = skeleton.name in SKELETONS or "flip_pairs" in category
    if not known and skeleton.unsided:
        names = ", ".join(skeleton.unsided)
        report.note(
            f"joint without a side ({names}), unless the category's flip_pairs say so",
            len(skeleton.unsided),
        )


def _read_people(
    annotations: list[dict], images: ImageTable, num_joints: int, report: SkipReport
) -> dict[str, Any]:
    """Columns of the usable annotations; whole arrays at a time for speed."""
    reasons: list[str | None] = [None] * len(annotations)
    rows = _image_rows(annotations, images, reasons)
    _check_ids(annotations, reasons)
    keypoints = _keypoints(annotations, num_joints, reasons, report)
    boxes = _boxes(annotations, keypoints, reasons, report)
    sizes = np.array(images.sizes or [(1, 1)], np.float64)[rows]
    given, boxes = boxes, clip_boxes(boxes, sizes, reasons, report)
    used = np.array([i for i, reason in enumerate(reasons) if reason is None], int)
    for annotation, reason in zip(annotations, reasons, strict=True):
        if reason is not None:
            name = _image_name(annotation, images)
            reason, _, detail = reason.partition(" | ")
            report.skip("annotation", annotation.get("id"), name, reason, detail)
    if len(used):
        check_boxes(given[used], sizes[used], report.source)
        check_keypoints(given[used], keypoints[used], report.source)
    chosen = [annotations[i] for i in used]
    areas = np.array([_number(a.get("area")) for a in chosen], np.float32)
    areas[~((areas > 0) & np.isfinite(areas))] = np.nan
    report.note("area absent (NaN)", np.isnan(areas).sum())
    keypoints = keypoints[used].astype(np.float32)
    bare = (keypoints[..., 2] == 0).all(axis=1)
    report.note("person without labelled keypoints", bare.sum())
    return {
        "image_index": rows[used].astype(np.int32),
        "person_ids": _person_ids(chosen, report),
        "boxes": boxes[used].astype(np.float32),
        "keypoints": keypoints,
        "areas": areas,
        "crowd": np.array([_number(a.get("iscrowd")) > 0 for a in chosen], np.bool_),
        "segmentations": read_segmentations(
            chosen, sizes[used], [_image_name(a, images) for a in chosen], report
        ),
    }


def _image_name(annotation: dict, images: ImageTable) -> str:
    image_id = annotation.get("image_id")
    return images.names.get(image_id, "") if is_id(image_id) else ""


def _number(value: Any) -> float:
    """A JSON number that float32 can hold, else NaN."""
    known = isinstance(value, int | float) and abs(value) < _HUGE
    return float(value) if known else math.nan


def _image_rows(
    annotations: list[dict], images: ImageTable, reasons: list[str | None]
) -> np.ndarray:
    rows = np.zeros(len(annotations), np.int64)
    for i, annotation in enumerate(annotations):
        image_id = annotation.get("image_id")
        known = is_id(image_id)
        if known and image_id in images.rows:
            rows[i] = images.rows[image_id]
        elif known and image_id in images.unusable:
            reasons[i] = f"its {images.unusable[image_id]}"
        else:
            reasons[i] = f"unknown image_id | {image_id!r}"
    return rows


def _check_ids(annotations: list[dict], reasons: list[str | None]) -> None:
    seen: set[int] = set()
    for i, annotation in enumerate(annotations):
        person_id = annotation.get("id")
        if person_id is None:
            continue
        if not is_id(person_id):
            reasons[i] = reasons[i] or "id is not an integer"
        elif person_id in seen:
            reasons[i] = reasons[i] or "duplicate id"
        else:
            seen.add(person_id)


def _person_ids(chosen: list[dict], report: SkipReport) -> np.ndarray:
    ids = [annotation.get("id") for annotation in chosen]
    following = max((i for i in ids if i is not None), default=0) + 1
    for row, person_id in enumerate(ids):
        if person_id is None:
            ids[row], following = following, following + 1
            report.note("id absent, given the next free one")
    return np.array(ids, np.int64)


def _keypoints(
    annotations: list[dict],
    num_joints: int,
    reasons: list[str | None],
    report: SkipReport,
) -> np.ndarray:
    """float64 `[len(annotations), J, 3]`, 0 where absent or refused."""
    length = 3 * num_joints
    flat = np.zeros((len(annotations), length))
    rows, values = [], []
    for i, annotation in enumerate(annotations):
        value = annotation.get("keypoints")
        if reasons[i] is not None or value is None or value == []:
            continue
        if not isinstance(value, list) or len(value) != length:
            found = len(value) if isinstance(value, list) else repr(value)
            reasons[i] = f"{_WRONG_LENGTH} | {found} values, expected {length}"
            continue
        rows.append(i)
        values.append(value)
    try:
        if rows:
            flat[rows] = np.array(values, np.float64)
    except (TypeError, ValueError, OverflowError):
        for i, value in zip(rows, values, strict=True):
            try:
                flat[i] = np.array(value, np.float64)
            except (TypeError, ValueError, OverflowError):
                reasons[i] = "keypoints are not numbers"
    keypoints = flat.reshape(-1, num_joints, 3)
    visibility = keypoints[..., 2]
    corner = (visibility > 0) & (keypoints[..., :2] == 0).all(axis=2)
    report.note("labelled keypoint at (0, 0), taken for absent", corner.sum())
    keypoints[(visibility == 0) | corner] = 0
    for i in np.flatnonzero(~np.isin(visibility, (0, 1, 2)).all(axis=1)).tolist():
        reasons[i] = reasons[i] or _WRONG_VISIBILITY
    for i in np.flatnonzero(~(np.abs(keypoints) < _HUGE).all(axis=(1, 2))).tolist():
        reasons[i] = reasons[i] or "a labelled keypoint is not finite"
    return keypoints


def _boxes(
    annotations: list[dict],
    keypoints: np.ndarray,
    reasons: list[str | None],
    report: SkipReport,
) -> np.ndarray:
    """float64 `[len(annotations), 4]` as given, or the keypoints' extent."""
    boxes = np.zeros((len(annotations), 4))
    for i, annotation in enumerate(annotations):
        if reasons[i] is not None:
            continue
        box = annotation.get("bbox")
        if box is None or box == []:
            labelled = keypoints[i, keypoints[i, :, 2] > 0, :2]
            if len(labelled) < 2:
                reasons[i] = "no bbox, and no keypoints to find it from"
                continue
            low, high = labelled.min(axis=0), labelled.max(axis=0)
            # From pixel centres to edges.
            boxes[i] = (*(low + 0.5), *(high - low))
            report.note("bbox absent, extent of the labelled keypoints taken")
            continue
        try:
            # NumPy would spread a single number over all four.
            x, y, width, height = box
            boxes[i] = x, y, width, height
        except (TypeError, ValueError, OverflowError):
            reasons[i] = f"bbox is not four numbers | {str(box)[:60]}"
    for i in np.flatnonzero(~(np.abs(boxes) < _HUGE).all(axis=1)).tolist():
        reasons[i] = reasons[i] or f"bbox is not finite | {boxes[i].tolist()}"
    return boxes


def clip_boxes(
    boxes: np.ndarray,
    sizes: np.ndarray,
    reasons: list[str | None],
    report: SkipReport,
) -> np.ndarray:
    """Boxes cut to their images; the ones without enough left get a reason.

    Args:
        boxes: float64 `[P, 4]`, [x, y, w, h] px in edge coordinates.
        sizes: `[P, 2]`, (height, width) px of each one's image.
        reasons: P of them, None where the person is used so far; "what | detail" is
            put in where the box shows no person.
        report: counts the boxes that were clipped.
    """
    limits = sizes[:, ::-1]
    low = np.clip(boxes[:, :2], 0, limits)
    high = np.clip(boxes[:, :2] + boxes[:, 2:], 0, limits)
    clipped = np.concatenate([low, high - low], axis=1)
    usable = np.array([reason is None for reason in reasons], bool)
    empty = np.any(boxes[:, 2:] <= 0, axis=1)
    small = ~(clipped[:, 2:] >= MIN_BOX_SIDE).all(axis=1)
    for i in np.flatnonzero(usable & small):
        kind = "bbox has no size" if empty[i] else _outside(boxes[i], clipped[i])
        size = " x ".join(str(int(side)) for side in limits[i])
        reasons[i] = f"{kind} | {boxes[i].tolist()} in {size} px"
    # Published boxes overhang by rounding; a hundredth of a pixel is not counted.
    moved = (np.abs(clipped - boxes) > 0.01).any(axis=1)
    report.note("bbox clipped to its image", (usable & ~small & moved).sum())
    return clipped


def _outside(box: np.ndarray, clipped: np.ndarray) -> str:
    if (clipped[2:] <= 0).any():
        return "bbox outside its image"
    smaller = (box[2:] < MIN_BOX_SIDE).any()
    return "bbox smaller than a pixel" if smaller else "bbox almost outside its image"
