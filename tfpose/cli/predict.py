"""`python -m tfpose predict`: poses drawn on photos, and as JSON."""

import json
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from data_pipelines.images import decode_image
from tfpose.cli.models import load_estimator
from tfpose.drawing import draw_skeleton
from tfpose.errors import InputError
from tfpose.files import write_picture, write_whole
from tfpose.skeletons import Skeleton
from tfpose.top_down.estimator import PoseEstimator

__all__ = ["predict"]

_IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}
_THRESHOLD = 0.2


def predict(paths: Sequence[str], model: str, out: str, box: str | None = None) -> None:
    """Writes `<out>/<photo>_pose.png` for each photo, and `<out>/poses.json`.

    The JSON file is in COCO format: images, annotations (a person each, keypoints as
    x, y in pixels and the score, all joints in the model's order; the box that was
    looked into; the mean score) and the category, which names the joints.

    A photo that cannot be used is named and the others are done all the same.

    Args:
      paths: photos, or folders of them.
      model: a `.keras` pose net.
      out: folder, made if need be.
      box: `x,y,w,h` of the person in pixels; without it one person is taken to fill
        each photo.

    Raises:
      InputError: no photo there, some that cannot be used, no pose net, a bad box.
    """
    photos = _photos(paths)
    boxes = None if box is None else _box(box)
    estimator = load_estimator(model)
    folder = pathlib.Path(out)
    document: dict[str, Any] = {
        "images": [],
        "annotations": [],
        "categories": [_category(estimator.skeleton)],
    }
    failures = []
    for number, (path, name) in enumerate(_names(photos), start=1):
        before = f"{number}/{len(photos)}  {path}"
        try:
            picture, image, people = _find(path, boxes, estimator)
        except InputError as error:
            failures.append(str(error))
            if len(photos) > 1:
                print(f"{before}: not used: {error}", file=sys.stderr, flush=True)
            continue
        write_picture(folder / f"{name}_pose.png", picture)
        document["images"].append({"id": number, **image})
        for person in people:
            ids = {"id": len(document["annotations"]) + 1, "image_id": number}
            document["annotations"].append(ids | person)
        print(f"{before} -> {folder / f'{name}_pose.png'}", flush=True)
    if document["images"]:
        text = json.dumps(document, indent=1) + "\n"
        write_whole(folder / "poses.json", lambda aside: aside.write_text(text))
    if len(failures) > 1:
        raise InputError(f"{len(failures)} of {len(photos)} photos were not used")
    if failures:
        raise InputError(failures[0])


def _find(
    path: pathlib.Path, boxes: np.ndarray | None, estimator: PoseEstimator
) -> tuple[np.ndarray, dict[str, Any], list[dict[str, Any]]]:
    """The picture, the image's record and the people's."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: not readable: {error.strerror}") from None
    photo = decode_image(data, name=str(path))
    height, width = photo.shape[:2]
    if boxes is None:
        boxes = np.array([[0.0, 0.0, width, height]])
    try:
        keypoints, scores = estimator.estimate(photo, boxes)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    found = np.concatenate([keypoints, scores[..., None]], axis=-1)
    people = [
        {
            "category_id": 1,
            "bbox": box.tolist(),
            "keypoints": person.round(3).ravel().tolist(),
            "num_keypoints": int((person[:, 2] > _THRESHOLD).sum()),
            "score": round(float(person[:, 2].mean()), 4),
        }
        for box, person in zip(boxes, found, strict=True)
    ]
    picture = draw_skeleton(photo, found, estimator.skeleton, _THRESHOLD)
    return picture, {"file_name": str(path), "height": height, "width": width}, people


def _category(skeleton: Skeleton) -> dict[str, Any]:
    return {
        "id": 1,
        "name": "person",
        "keypoints": list(skeleton.joints),
        # COCO counts joints from 1 here.
        "skeleton": [[first + 1, second + 1] for first, second in skeleton.limbs],
    }


def _photos(paths: Sequence[str]) -> list[pathlib.Path]:
    photos: list[pathlib.Path] = []
    for path in map(pathlib.Path, paths):
        if path.is_dir():
            inside = sorted(
                p for p in path.iterdir() if p.suffix.lower() in _IMAGE_SUFFIXES
            )
            if not inside:
                raise InputError(f"{path}: expected photos in this folder, found none")
            photos += inside
        elif path.is_file():
            photos.append(path)
        else:
            raise InputError(f"{path}: no such file or folder")
    # A photo may be named twice, by itself and by its folder.
    return list({photo.resolve(): photo for photo in photos}.values())


def _names(photos: Sequence[pathlib.Path]) -> list[tuple[pathlib.Path, str]]:
    """Each photo with a name for its picture that no other one has."""
    taken: set[str] = set()
    named = []
    for photo in photos:
        name, number = photo.stem, 1
        while name.lower() in taken:
            number += 1
            name = f"{photo.stem}_{number}"
        taken.add(name.lower())
        named.append((photo, name))
    return named


def _box(text: str) -> np.ndarray:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 4:
        raise InputError(f"box: expected x,y,w,h in pixels, got {text!r}")
    return np.array([values])
