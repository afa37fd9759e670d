"""`python -m tfpose predict`: poses drawn on photos, and as JSON."""

import json
import pathlib
from collections.abc import Sequence

import cv2
import numpy as np

from data_pipelines.images import decode_image
from tfpose.drawing import draw_skeleton
from tfpose.errors import InputError
from tfpose.top_down.estimator import PoseEstimator
from tfpose.weights.keras_file import load_keras

__all__ = ["predict"]

_IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}


def predict(paths: Sequence[str], model: str, out: str, box: str | None = None) -> None:
    """Writes `<out>/<photo>_pose.png` for each photo and `<out>/poses.json`.

    Args:
      paths: photos, or folders of them.
      model: a `.keras` pose net.
      out: folder, made if need be.
      box: `x,y,w,h` of the person in pixels; without it one person is taken to fill
        each photo.

    Raises:
      InputError: no photo there, one that cannot be read, no pose net, a bad box.
    """
    photos = _photos(paths)
    boxes = None if box is None else _box(box)
    estimator = PoseEstimator(load_keras(model))
    folder = pathlib.Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    results = []
    for count, path in enumerate(photos, start=1):
        image = decode_image(path.read_bytes(), name=str(path))
        keypoints, scores = estimator.estimate(image, boxes)
        picture = image.copy()
        for points, heights in zip(keypoints, scores, strict=True):
            found = np.column_stack([points, heights])
            picture = draw_skeleton(picture, found, estimator.skeleton, threshold=0.2)
            results.append(
                {
                    "image": str(path),
                    "category_id": 1,
                    "keypoints": [round(float(v), 3) for v in found.ravel()],
                    "score": round(float(heights.mean()), 4),
                }
            )
        target = folder / f"{path.stem}_pose.png"
        if not cv2.imwrite(str(target), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)):
            raise InputError(f"{target}: cannot be written")
        print(f"{count}/{len(photos)}  {path} -> {target}", flush=True)
    document = {"joints": list(estimator.skeleton.joints), "poses": results}
    (folder / "poses.json").write_text(json.dumps(document, indent=1) + "\n")


def _photos(paths: Sequence[str]) -> list[pathlib.Path]:
    photos: list[pathlib.Path] = []
    for path in map(pathlib.Path, paths):
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in _IMAGE_SUFFIXES)
            if not inside:
                raise InputError(f"{path}: expected photos in this folder, found none")
            photos += inside
        elif path.is_file():
            photos.append(path)
        else:
            raise InputError(f"{path}: no such file or folder")
    return photos


def _box(text: str) -> np.ndarray:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 4:
        raise InputError(f"box: expected x,y,w,h in pixels, got {text!r}")
    return np.array([values])
