"""2D poses in a JSON file, of this project or any other."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from data_pipelines.readers.category_skeleton import skeleton_of_category
from data_pipelines.readers.coco_format import load_json
from data_pipelines.readers.coco_images import whole_numbers
from data_pipelines.readers.label_sense import expect_pixels
from tfpose.errors import InputError
from tfpose.skeletons import Skeleton, get_skeleton

__all__ = ["PoseFile"]


@dataclasses.dataclass
class PoseFile:
    """2D poses of a file.

    Attributes:
        skeleton: their joints.
        images: the file's records by id, each with `height` and `width` in pixels.
        annotations: the file's records, each with an `image_id` of `images` and
            `keypoints` as float64 `[J, 3]`: x, y in pixels and score or visibility, 0
            where the file has (0, 0) for a place.
        threshold: a joint that scores no more is uncertain; 0 if the file names none.
    """

    skeleton: Skeleton
    images: dict[Any, dict[str, Any]]
    annotations: list[dict[str, Any]]
    threshold: float

    @classmethod
    def read(cls, path: str, skeleton: str, image_size: str) -> "PoseFile":
        """Reads COCO-format JSON, or a list of COCO results.

        Args:
            path: of the file.
            skeleton: name of the joints, where the file does not say.
            image_size: `height,width` of all images in pixels, where it does not say.

        Raises:
            InputError: no such file, a record that cannot be used, or keypoints that
                are no pixels; names it.
        """
        content = load_json(path)
        size = _parse_size(image_size)
        if isinstance(content, list):
            if not skeleton or size is None:
                raise InputError(
                    f"{path}: a list of results names neither joints nor image sizes; "
                    "give --skeleton and --image_size"
                )
            content = {"annotations": content, "images": None}
        if not isinstance(content, dict) or "annotations" not in content:
            raise InputError(f"{path}: expected COCO-format JSON with annotations")
        joints = _joints_of(content, path, skeleton)
        annotations = _annotations_of(content, path, joints)
        images = _images_of(content, annotations, path, size)
        return cls(joints, images, annotations, _threshold_of(content))

    def by_image(self) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
        """Each image with its people."""
        people: dict[Any, list[dict[str, Any]]] = {key: [] for key in self.images}
        for annotation in self.annotations:
            people[annotation["image_id"]].append(annotation)
        for key, image in self.images.items():
            yield image, people[key]


def _parse_size(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    parts = text.replace("x", ",").split(",")
    if len(parts) != 2 or not all(part.strip().isdigit() for part in parts):
        raise InputError(f"image_size: expected height,width in pixels, got {text!r}")
    height, width = map(int, parts)
    if not (height and width):
        raise InputError(f"image_size: expected positive numbers, got {text!r}")
    return height, width


def _joints_of(content: dict[str, Any], path: str, skeleton: str) -> Skeleton:
    if skeleton:
        return get_skeleton(skeleton)
    categories = content.get("categories") or []
    named = [c for c in categories if isinstance(c, dict) and c.get("keypoints")]
    if len(named) != 1:
        raise InputError(
            f"{path}: has {len(named)} categories that name their joints, expected "
            "one, or --skeleton"
        )
    return skeleton_of_category(named[0], path)


def _threshold_of(content: dict[str, Any]) -> float:
    """What `predict` has written of the net's scores; 0 if nothing."""
    found = [
        category.get("score_threshold", 0.0)
        for category in content.get("categories") or []
        if isinstance(category, dict)
    ]
    return next((limit for limit in found if isinstance(limit, int | float)), 0.0)


def _annotations_of(
    content: dict[str, Any], path: str, joints: Skeleton
) -> list[dict[str, Any]]:
    kept = []
    whole_numbers(content["annotations"] or [])
    for row, annotation in enumerate(content["annotations"] or []):
        values = annotation.get("keypoints") if isinstance(annotation, dict) else None
        try:
            points = np.array(values, np.float64)
        except (TypeError, ValueError):
            points = np.zeros(0)
        if points.shape not in ((3 * joints.num_joints,), (joints.num_joints, 3)):
            raise InputError(
                f"{path}: annotation {row}: expected keypoints of "
                f"{3 * joints.num_joints} numbers, for {joints.name}"
            )
        points = points.reshape(joints.num_joints, 3)
        # What programs write that have no other word for absent.
        points[(points[:, :2] == 0).all(axis=1)] = 0
        if "image_id" not in annotation:
            raise InputError(f"{path}: annotation {row}: has no image_id")
        kept.append({**annotation, "keypoints": points})
    poses = np.array([annotation["keypoints"] for annotation in kept])
    if kept:
        expect_pixels(poses[poses[..., 2] > 0][:, :2], path)
    return kept


def _images_of(
    content: dict[str, Any],
    annotations: list[dict[str, Any]],
    path: str,
    size: tuple[int, int] | None,
) -> dict[Any, dict[str, Any]]:
    records = content.get("images")
    if records is None:
        ids = dict.fromkeys(annotation["image_id"] for annotation in annotations)
        records = [{"id": key} for key in ids]
    images = {}
    whole_numbers(records)
    for row, record in enumerate(records):
        if not isinstance(record, dict) or "id" not in record:
            raise InputError(f"{path}: image {row}: has no id")
        if size is not None:
            record = {**record, "height": size[0], "width": size[1]}
        sides = (record.get("height"), record.get("width"))
        if not all(isinstance(side, int) and side > 0 for side in sides):
            raise InputError(
                f"{path}: image {record['id']}: height and width are {sides[0]} and "
                f"{sides[1]}, expected pixels, or --image_size"
            )
        images[record["id"]] = record
    for row, annotation in enumerate(annotations):
        if annotation["image_id"] not in images:
            raise InputError(
                f"{path}: annotation {row}: image_id {annotation['image_id']!r} is "
                "none of the images"
            )
    return images
