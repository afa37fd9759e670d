"""Files in COCO's format, record by record."""

import json
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfpose.files import write_whole

__all__ = ["CocoFile", "person_record"]


class CocoFile:
    """Photos and their people, numbered from 1 as they come.

    Attributes:
        images: records of the photos.
        people: records of the people.
    """

    def __init__(self) -> None:
        self.images: list[dict[str, Any]] = []
        self.people: list[dict[str, Any]] = []

    def add(
        self, image: dict[str, Any], people: Sequence[dict[str, Any]], copies: int = 1
    ) -> None:
        """Adds a photo with its people, several times; they get new numbers."""
        for _ in range(copies):
            number = len(self.images) + 1
            self.images.append({**image, "id": number})
            for person in people:
                ids = {"id": len(self.people) + 1, "image_id": number}
                self.people.append({**person, **ids})

    def write(self, path: pathlib.Path, categories: Sequence[dict[str, Any]]) -> None:
        """Writes the file.

        Raises:
            InputError: it cannot be written.
        """
        content = {
            "images": self.images,
            "annotations": self.people,
            "categories": categories,
        }
        write_whole(path, lambda aside: aside.write_text(json.dumps(content)))


def person_record(
    box: np.ndarray, area: float, labels: np.ndarray, crowd: bool = False
) -> dict[str, Any]:
    """A person's record, without numbers.

    Args:
        box: `[4]` (x, y, w, h), pixels.
        area: square pixels.
        labels: `[J, 3]` (x, y, visibility).
        crowd: whether it is of a group.
    """
    return {
        "category_id": 1,
        "iscrowd": int(crowd),
        "bbox": box.astype(np.float64).round(2).tolist(),
        "area": round(float(area), 1),
        "num_keypoints": int((labels[:, 2] > 0).sum()),
        "keypoints": labels.astype(np.float64).round(2).reshape(-1).tolist(),
    }
