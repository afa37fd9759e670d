"""People's boxes for photos and video frames, from a JSON file.

One of two forms, boxes as [x, y, w, h] in pixels, x and y the left and top edge:

    {"a.jpg": [[x, y, w, h], ...], "clip.mp4": {"0": [[x, y, w, h], ...], ...}}

    {"images": [{"id": 1, "file_name": "a.jpg"},
                {"id": 2, "file_name": "clip.mp4", "frame_index": 0}, ...],
     "annotations": [{"image_id": 1, "bbox": [x, y, w, h]}, ...]}

The first one, and for a single video frame numbers alone may be its keys. The second
one is COCO's, and what `predict` itself writes; crowds and categories other than people
are left out. A file may be named by any end of its path that names no other one, or by
a whole path of another machine, of Windows, too.
"""

import json
import math
import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from data_pipelines.readers.coco_format import load_json
from data_pipelines.readers.coco_images import whole_numbers
from data_pipelines.readers.people_category import find_people
from tfpose.errors import InputError

__all__ = ["BoxFile"]

_FIELDS: dict[str, tuple[Any, str]] = {
    "id": ((int, str), "a number"),
    "image_id": ((int, str), "a number"),
    "file_name": (str, "a text"),
    "bbox": (list, "four numbers x, y, w, h"),
}

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
        images = self._records(content, "images", ("id", "file_name"))
        annotations = self._records(content, "annotations", ("image_id", "bbox"))
        wanted = self._people_id(content.get("categories"), annotations)
        found: dict[Any, list[list[float]]] = {image["id"]: [] for image in images}
        for row, annotation in enumerate(annotations):
            if annotation.get("category_id", wanted) != wanted:
                continue
            if annotation.get("iscrowd"):
                continue
            if annotation["image_id"] not in found:
                raise InputError(
                    f"{self.path}: annotation {row}: image_id "
                    f"{annotation['image_id']!r} is none of the images"
                )
            box = self._box(annotation["bbox"], f"annotation {row}")
            found[annotation["image_id"]].append(box)
        entries: dict[str, Boxes | Frames] = {}
        for row, image in enumerate(images):
            name, frame = image["file_name"], image.get("frame_index")
            boxes = np.array(found[image["id"]]).reshape(-1, 4)
            frames = entries.setdefault(name, boxes if frame is None else {})
            if frame is not None and isinstance(frames, dict):
                if type(frame) is not int:
                    raise InputError(
                        f"{self.path}: image {row}: frame_index is {frame!r}, expected "
                        "a number from 0"
                    )
                frames[frame] = boxes
            elif frames is not boxes:
                raise InputError(
                    f"{self.path}: images: {name!r} is there more than once, "
                    "without a frame_index"
                )
        return entries

    def _records(
        self, content: dict[str, Any], kind: str, fields: tuple[str, str]
    ) -> list[dict[str, Any]]:
        """A list of the file, whose records have the two fields."""
        records = content[kind]
        if not isinstance(records, list):
            raise InputError(
                f"{self.path}: {kind} is a {type(records).__name__}, expected a list"
            )
        whole_numbers(records)
        for row, record in enumerate(records):
            name = f"{self.path}: {kind.removesuffix('s')} {row}"
            if not isinstance(record, dict):
                raise InputError(f"{name}: expected an object, found {record!r:.60}")
            for field in fields:
                types, wanted = _FIELDS[field]
                value = record.get(field)
                if not isinstance(value, types):
                    raise InputError(
                        f"{name}: {field} is {json.dumps(value)[:60]}, "
                        f"expected {wanted}"
                    )
        return records

    def _people_id(self, categories: Any, annotations: list[dict[str, Any]]) -> Any:
        """The category of people; None where the file has no categories."""
        if categories:
            if not isinstance(categories, list):
                raise InputError(f"{self.path}: categories is no list")
            whole_numbers(categories)
            return find_people(categories, self.path, of_boxes=True)["id"]
        ids = {annotation.get("category_id") for annotation in annotations} - {None}
        if len(ids) > 1:
            raise InputError(
                f"{self.path}: annotations have the category_id "
                f"{' and '.join(map(repr, sorted(ids, key=repr)[:4]))}, and no "
                "categories say which are people"
            )
        return next(iter(ids), None)

    def _assign(
        self, entries: Mapping[str, Any], files: Iterable[pathlib.Path]
    ) -> dict[pathlib.Path, Any]:
        """The entries by the files that they name by an end of the path.

        A whole path of another machine names a file by its own end.
        """
        by_end = {_parts(name): name for name in entries}
        owners: dict[str, pathlib.Path] = {}
        for file in files:
            parts = file.absolute().parts
            ends = (parts[start:] for start in range(len(parts)))
            name = next((by_end[end] for end in ends if end in by_end), None)
            if name is None:
                name = self._of_another_machine(by_end, parts)
            if name is None:
                continue
            if name in owners:
                raise InputError(
                    f"{self.path}: {name!r} may be {owners[name]} or {file}, expected "
                    "more of the path"
                )
            owners[name] = file
        return {file: entries[name] for name, file in owners.items()}

    def _of_another_machine(
        self, names: Mapping[tuple[str, ...], str], parts: tuple[str, ...]
    ) -> str | None:
        """The whole path whose end is most like the file's."""
        likeness = {
            name: len(os.path.commonprefix([entry[::-1], parts[::-1]]))
            for entry, name in names.items()
            if entry[-1:] == parts[-1:] and entry[0][-1:] in ("/", "\\")
        }
        best = [n for n in likeness if likeness[n] == max(likeness.values())]
        if len(best) > 1:
            raise InputError(
                f"{self.path}: {parts[-1]!r} may be {best[0]!r} or {best[1]!r}, "
                "expected paths of this machine"
            )
        return best[0] if best else None


def _parts(name: str) -> tuple[str, ...]:
    windows = pathlib.PureWindowsPath(name)
    if windows.drive or ("\\" in name and "/" not in name):
        return windows.parts
    return pathlib.PurePosixPath(name).parts
