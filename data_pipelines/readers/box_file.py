"""People's boxes for photos and video frames, from a JSON file.

One of two forms, boxes as [x, y, w, h] in pixels, x and y the left and top edge:

    {"a.jpg": [[x, y, w, h], ...], "clip.mp4": {"0": [[x, y, w, h], ...], ...}}

    {"images": [{"id": 1, "file_name": "a.jpg"},
                {"id": 2, "file_name": "clip.mp4", "frame_index": 0}, ...],
     "annotations": [{"image_id": 1, "bbox": [x, y, w, h]}, ...]}

The first one, and for a single video frame numbers alone may be its keys. The second
one is COCO's, and what `predict` itself writes; crowds and categories other than person
are left out. A file may be named by any end of its path that names no other one.
"""

import json
import math
import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from data_pipelines.readers.coco_format import load_json
from tfpose.errors import InputError

__all__ = ["BoxFile"]

Boxes = np.ndarray
Frames = dict[int, Boxes]


class BoxFile:
    """Boxes of the photos and videos that are asked for."""

    def __init__(
        self,
        path: str | os.PathLike,
        photos: Iterable[pathlib.Path],
        videos: Iterable[pathlib.Path],
    ):
        """
        Args:
            path: the JSON file.
            photos: all that will be asked for.
            videos: likewise.

        Raises:
            InputError: not such a file, a box that is none, frame numbers without a
                video's name where there is not one video, or a name that fits two
                files.
        """
        self.path = os.fspath(path)
        videos = list(videos)
        content = load_json(self.path)
        if not isinstance(content, dict):
            raise InputError(
                f"{self.path}: found a {type(content).__name__} at the top, expected "
                "boxes by file name or COCO's images and annotations"
            )
        if {"images", "annotations"} <= set(content):
            entries = self._read_coco(content)
        else:
            entries = self._read_plain(content, videos)
        self._photos = self._assign(
            {k: v for k, v in entries.items() if not isinstance(v, dict)}, photos
        )
        self._videos = self._assign(
            {k: v for k, v in entries.items() if isinstance(v, dict)}, videos
        )

    def of_photo(self, photo: pathlib.Path) -> np.ndarray:
        """float64 `[P, 4]`, the photo's boxes; none where its entry has none.

        Raises:
            InputError: the file has no entry for it.
        """
        return self._entry(photo, self._photos)

    def of_video(self, video: pathlib.Path) -> dict[int, np.ndarray]:
        """float64 `[P, 4]` by frame number from 0; frames without an entry have none.

        Raises:
            InputError: the file has no entry for it.
        """
        return self._entry(video, self._videos)

    def _entry(self, file: pathlib.Path, entries: Mapping[pathlib.Path, Any]) -> Any:
        if file not in entries:
            raise InputError(f"{file}: {self.path} has no entry of its name")
        return entries[file]

    def _read_plain(
        self, content: dict[str, Any], videos: list[pathlib.Path]
    ) -> dict[str, Boxes | Frames]:
        entries: dict[str, Boxes | Frames] = {}
        numbered = {key: value for key, value in content.items() if key.isdecimal()}
        if numbered:
            if len(videos) != 1:
                raise InputError(
                    f"{self.path}: has frame numbers and no video's name, which is "
                    f"right for one video, and there are {len(videos)}"
                )
            entries[str(videos[0])] = self._frames(numbered, "")
        for key, value in content.items():
            if isinstance(value, dict):
                entries[key] = self._frames(value, f"{key!r}: ")
            elif key not in numbered:
                entries[key] = self._boxes(value, repr(key))
        return entries

    def _frames(self, content: dict[str, Any], name: str) -> Frames:
        for key in content:
            if not key.isdecimal():
                raise InputError(
                    f"{self.path}: {name}frame is {key!r}, expected a number from 0"
                )
        return {int(k): self._boxes(v, f"{name}frame {k}") for k, v in content.items()}

    def _boxes(self, value: Any, name: str) -> Boxes:
        if not isinstance(value, list):
            raise InputError(
                f"{self.path}: {name}: expected a list of boxes, found "
                f"{type(value).__name__}"
            )
        return np.array([self._box(box, name) for box in value]).reshape(-1, 4)

    def _box(self, value: Any, name: str) -> list[float]:
        numbers = isinstance(value, list) and len(value) == 4
        if not numbers or not all(
            type(part) in (int, float) and math.isfinite(part) for part in value
        ):
            raise InputError(
                f"{self.path}: {name}: box is {json.dumps(value)[:80]}, expected four "
                "finite numbers x, y, w, h"
            )
        if not (value[2] > 0 and value[3] > 0):
            raise InputError(
                f"{self.path}: {name}: box is {value}, expected a width and height "
                "above 0"
            )
        return value

    def _read_coco(self, content: dict[str, Any]) -> dict[str, Boxes | Frames]:
        try:
            people = {
                category["id"]
                for category in content.get("categories", [])
                if category["name"] == "person"
            }
            found: dict[Any, list[list[float]]] = {
                i["id"]: [] for i in content["images"]
            }
            for row, annotation in enumerate(content["annotations"]):
                if people and annotation["category_id"] not in people:
                    continue
                if not annotation.get("iscrowd"):
                    box = self._box(annotation["bbox"], f"annotation {row}")
                    found[annotation["image_id"]].append(box)
            entries: dict[str, Boxes | Frames] = {}
            for image in content["images"]:
                name, frame = image["file_name"], image.get("frame_index")
                boxes = np.array(found[image["id"]]).reshape(-1, 4)
                frames = entries.setdefault(name, boxes if frame is None else {})
                if frame is not None and isinstance(frames, dict):
                    frames[int(frame)] = boxes
                elif frames is not boxes:
                    raise InputError(
                        f"{self.path}: images: {name!r} is there more than once, "
                        "without a frame_index"
                    )
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{self.path}: expected images with id and file_name and annotations "
                f"with image_id and bbox, got {type(error).__name__}: {error}"
            ) from None
        return entries

    def _assign(
        self, entries: Mapping[str, Any], files: Iterable[pathlib.Path]
    ) -> dict[pathlib.Path, Any]:
        """The entries by the files that they name by an end of the path."""
        by_end = {pathlib.PurePath(name).parts: name for name in entries}
        owners: dict[str, pathlib.Path] = {}
        for file in files:
            parts = file.absolute().parts
            ends = (parts[start:] for start in range(len(parts)))
            name = next((by_end[end] for end in ends if end in by_end), None)
            if name is None:
                continue
            if name in owners:
                raise InputError(
                    f"{self.path}: {name!r} may be {owners[name]} or {file}, expected "
                    "more of the path"
                )
            owners[name] = file
        return {file: entries[name] for name, file in owners.items()}
