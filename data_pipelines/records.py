"""People and their encoded images in TFRecord shards, and random access to them.

A folder of records holds `people-00000.tfrecord`, ... (uncompressed, one
`tf.train.Example` per image), `index.npz` (the whole person table and where each image
lies, so that nothing scans the shards), `manifest.json` and `skipped.json`.

The features of an Example, N people and J joints (`example_features` parses them):

    image/encoded     bytes     the image file
    image/name        bytes     its name in the source
    image/id          int64
    image/height      int64     px, as decoded by `decode_image(..., size)`
    image/width       int64
    person/id         int64[N]
    person/box        float[N, 4]     [x, y, w, h]
    person/keypoints  float[N, J, 3]  (x, y, v)
    person/area       float[N]        NaN where unknown
    person/crowd      int64[N]        0 or 1

and, where the dataset has them, its `OPTIONAL_COLUMNS`, such as

    person/head_size  float[N]        px, NaN where unknown

and its segmentations, of Q polygons with S points in all:

    person/polygon_count  int64[N]     polygons of each person
    polygon/point_count   int64[Q]
    polygon/points        float[S, 2]  (x, y) px
    person/rle            bytes[N]     COCO's compressed run lengths; empty for none

Crowd indices of images are in the index alone.
"""

import hashlib
import os
import zipfile
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from data_pipelines.people import IMAGE_COLUMNS, OPTIONAL_COLUMNS, PoseDataset
from data_pipelines.readers.coco_format import load_json
from data_pipelines.readers.skip_report import SkipReport
from data_pipelines.segmentation import Segmentations
from tfpose.errors import InputError
from tfpose.skeletons import Skeleton

__all__ = [
    "FORMAT",
    "INDEX",
    "MANIFEST",
    "RecordImages",
    "encode_example",
    "example_features",
    "file_checksum",
    "index_columns",
    "read_records",
    "verify_records",
    "write_shard",
]

FORMAT = "tfpose people records 2"
MANIFEST = "manifest.json"
INDEX = "index.npz"

_TABLE = (
    "image_ids",
    "image_sizes",
    "image_index",
    "person_ids",
    "boxes",
    "keypoints",
    "areas",
    "crowd",
)
_OPTIONAL = {name: f"person/{name.removesuffix('s')}" for name in OPTIONAL_COLUMNS}
_PLACES = ("names", "shard", "offset", "length")
# Before the names of the arrays of `Segmentations` in the index.
_REGIONS = "segmentations."
# TFRecord framing: length and its checksum before the record, checksum after it.
_BEFORE, _AFTER = 12, 4


def example_features(num_joints: int) -> dict[str, Any]:
    """Feature specification for `tf.io.parse_single_example`.

    What a dataset has no values of, such as head sizes or segmentations, comes out
    empty.
    """

    def sequence(shape: Sequence[int], dtype: tf.DType) -> Any:
        return tf.io.FixedLenSequenceFeature(shape, dtype, allow_missing=True)

    return {
        "image/encoded": tf.io.FixedLenFeature([], tf.string),
        "image/name": tf.io.FixedLenFeature([], tf.string),
        "image/id": tf.io.FixedLenFeature([], tf.int64),
        "image/height": tf.io.FixedLenFeature([], tf.int64),
        "image/width": tf.io.FixedLenFeature([], tf.int64),
        "person/id": sequence([], tf.int64),
        "person/box": sequence([4], tf.float32),
        "person/keypoints": sequence([num_joints, 3], tf.float32),
        "person/area": sequence([], tf.float32),
        "person/crowd": sequence([], tf.int64),
        **{
            _OPTIONAL[name]: sequence(row, tf.float32)
            for name, row in OPTIONAL_COLUMNS.items()
        },
        "person/polygon_count": sequence([], tf.int64),
        "polygon/point_count": sequence([], tf.int64),
        "polygon/points": sequence([2], tf.float32),
        "person/rle": sequence([], tf.string),
    }


def encode_example(
    encoded: bytes, name: str, dataset: PoseDataset, row: int, people: np.ndarray
) -> bytes:
    """One image and its people, serialised the same way every time.

    Args:
        encoded: bytes. The image file.
        name: str. Its name in the source.
        dataset: PoseDataset. The tables that `row` and `people` index.
        row: int. Row of the image.
        people: int `[N]`. Rows of its people.
    """
    features = {
        "image/encoded": _texts([encoded]),
        "image/name": _texts([name.encode()]),
        "image/id": _numbers(dataset.image_ids[row]),
        "image/height": _numbers(dataset.image_sizes[row, 0]),
        "image/width": _numbers(dataset.image_sizes[row, 1]),
        "person/id": _numbers(dataset.person_ids[people]),
        "person/box": _numbers(dataset.boxes[people]),
        "person/keypoints": _numbers(dataset.keypoints[people]),
        "person/area": _numbers(dataset.areas[people]),
        "person/crowd": _numbers(dataset.crowd[people]),
    }
    columns = dataset.columns
    for column in _OPTIONAL.keys() & columns.keys():
        features[_OPTIONAL[column]] = _numbers(columns[column][people])
    if dataset.segmentations is not None:
        regions = dataset.segmentations.take(people)
        features["person/polygon_count"] = _numbers(regions.polygon_counts)
        features["polygon/point_count"] = _numbers(regions.point_counts)
        features["polygon/points"] = _numbers(regions.points)
        features["person/rle"] = _texts([regions[i].rle for i in range(len(people))])
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)


def _numbers(values: np.ndarray | np.generic) -> tf.train.Feature:
    array = np.atleast_1d(values).ravel()
    if array.dtype == np.float32:
        return tf.train.Feature(float_list=tf.train.FloatList(value=array))
    integers = array.astype(np.int64)
    return tf.train.Feature(int64_list=tf.train.Int64List(value=integers))


def _texts(values: list[bytes]) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def index_columns(dataset: PoseDataset) -> dict[str, np.ndarray]:
    """The whole table as arrays by name, for the index."""
    regions = dataset.segmentations
    arrays = {} if regions is None else regions.arrays
    return dataset.columns | {_REGIONS + name: a for name, a in arrays.items()}


def write_shard(
    path: str, records: Iterable[tuple[bytes, bytes]]
) -> tuple[list[int], list[int], int]:
    """Writes serialised Examples to a TFRecord file, aside and renamed.

    Args:
        path: str. The shard; `path` + ".partial" is used meanwhile.
        records: pairs (serialised Example, the encoded image inside it).

    Returns:
        Byte offset and length of each encoded image in the file, and the file's size.

    Raises:
        OSError, tf.errors.OpError: the disk did not take it.
    """
    aside = path + ".partial"
    offsets, lengths, size = [], [], 0
    with tf.io.TFRecordWriter(aside) as writer:
        for serialised, encoded in records:
            writer.write(serialised)
            offsets.append(size + _BEFORE + serialised.index(encoded))
            lengths.append(len(encoded))
            size += _BEFORE + len(serialised) + _AFTER
    with open(aside, "rb+") as file:
        os.fsync(file.fileno())
        found = os.fstat(file.fileno()).st_size
    if found != size:
        raise OSError(f"{found} of {size} bytes written")
    os.replace(aside, path)
    return offsets, lengths, size


class RecordImages:
    """Encoded images by position in the shards; `os.pread` keeps it thread-safe."""

    def __init__(
        self,
        paths: list[str],
        shard: np.ndarray,
        offset: np.ndarray,
        length: np.ndarray,
        names: np.ndarray,
    ):
        self.paths, self._names = paths, names
        self._shard, self._offset, self._length = shard, offset, length
        self._files: list[int] = []
        for path in paths:
            try:
                self._files.append(os.open(path, os.O_RDONLY))
            except OSError as error:
                self.close()
                raise InputError(f"{path}: not readable: {error.strerror}") from None

    def __len__(self) -> int:
        return len(self._offset)

    def read(self, image_index: int) -> bytes:
        shard, length = self._shard[image_index], int(self._length[image_index])
        try:
            offset = int(self._offset[image_index])
            data = os.pread(self._files[shard], length, offset)
        except OSError as error:
            raise InputError(
                f"{self.describe(image_index)}: not readable: {error.strerror}"
            ) from None
        if len(data) != length:
            raise InputError(
                f"{self.describe(image_index)}: {len(data)} of {length} bytes there"
            )
        return data

    def describe(self, image_index: int) -> str:
        return f"{self.paths[self._shard[image_index]]}:{self._names[image_index]}"

    def close(self) -> None:
        """Closes the shards; no reading afterwards."""
        while self._files:
            os.close(self._files.pop())

    def __del__(self) -> None:
        self.close()


def read_records(
    folder: str | os.PathLike, verify: bool = False
) -> tuple[PoseDataset, SkipReport]:
    """Opens a folder of records. Reads the manifest and the index only.

    Args:
        folder: the folder of one split.
        verify: also compare every checksum, which reads all bytes.

    Raises:
        InputError: not such a folder, of another version, incomplete or damaged.
    """
    folder = os.fspath(folder)
    manifest = _read_manifest(folder)
    if verify:
        verify_records(folder)
    try:
        dataset = _open(folder, manifest)
        skipped = int(manifest["counts"]["skipped"])
    except InputError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{folder}: {MANIFEST} and {INDEX} do not fit: {error!r}"
        ) from None
    report = SkipReport(folder)
    report.used = {"images": len(dataset.image_ids), "people": len(dataset)}
    report.note("record skipped when prepared (see skipped.json)", skipped)
    return dataset, report


def _open(folder: str, manifest: dict[str, Any]) -> PoseDataset:
    paths = [os.path.join(folder, shard["file"]) for shard in manifest["shards"]]
    for path, shard in zip(paths, manifest["shards"], strict=True):
        found = os.path.getsize(path) if os.path.exists(path) else 0
        if found != shard["bytes"]:
            raise InputError(
                f"{path}: {found} bytes, expected {shard['bytes']} by its {MANIFEST}"
            )
    index = _read_index(os.path.join(folder, INDEX))
    names, shard, offset, length = (index[key] for key in _PLACES)
    arrays = {
        key.removeprefix(_REGIONS): array
        for key, array in index.items()
        if key.startswith(_REGIONS)
    }
    return PoseDataset(
        name=manifest["name"],
        skeleton=Skeleton.from_dict(manifest["skeleton"]),
        images=RecordImages(paths, shard, offset, length, names),
        segmentations=Segmentations(**arrays) if arrays else None,
        **{
            key: column
            for key, column in index.items()
            if key not in _PLACES and not key.startswith(_REGIONS)
        },
    )


def _read_manifest(folder: str) -> dict[str, Any]:
    path = os.path.join(folder, MANIFEST)
    manifest = load_json(path)
    found = manifest.get("format") if isinstance(manifest, dict) else manifest
    if found != FORMAT:
        raise InputError(
            f"{path}: format is {found!r}, expected {FORMAT!r}; prepare the data set "
            "again"
        )
    for key in ("name", "skeleton", "shards", "counts", "settings"):
        if key not in manifest:
            raise InputError(f"{path}: field {key!r} is missing")
    return manifest


def _read_index(path: str) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            optional = {*_OPTIONAL, *IMAGE_COLUMNS} - {*_TABLE}
            there = [key for key in file if key in optional or key.startswith(_REGIONS)]
            return {key: file[key] for key in (*_TABLE, *_PLACES, *there)}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not readable as an index: {error}") from None


def verify_records(folder: str | os.PathLike) -> int:
    """Compares every file with its checksum in the manifest.

    Returns:
        How many files were compared.

    Raises:
        InputError: a file is absent or has other bytes.
    """
    folder = os.fspath(folder)
    manifest = _read_manifest(folder)
    files = [*manifest["shards"], manifest["index"]]
    for entry in files:
        path = os.path.join(folder, entry["file"])
        try:
            found = file_checksum(path)
        except OSError as error:
            raise InputError(f"{path}: not readable: {error.strerror}") from None
        if found != entry["sha256"]:
            raise InputError(
                f"{path}: sha256 is {found[:12]}..., expected {entry['sha256'][:12]}..."
            )
    return len(files)


def file_checksum(path: str | os.PathLike) -> str:
    """Hexadecimal SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
