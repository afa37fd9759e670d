"""Writes a dataset as TFRecord shards, once, checking every image on the way.

    python -m data_pipelines.prepare --dataset=coco --data_dir=/data/coco --out=/records

Then train with `--dataset=records --data_dir=/records`. Killed at any moment and
started again it goes on behind the last finished shard, and ends with the same bytes.
"""

import argparse
import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import tfpose  # noqa: F401  # isort: skip  # First: it keeps TensorFlow quiet.
import numpy as np
import tensorflow as tf

from data_pipelines.images import decode_image
from data_pipelines.people import IMAGE_COLUMNS, PoseDataset
from data_pipelines.readers.coco_format import load_json
from data_pipelines.readers.datasets import DATASETS, SPLITS, read_source
from data_pipelines.readers.skip_report import SkipReport
from data_pipelines.records import (
    FORMAT,
    INDEX,
    MANIFEST,
    encode_example,
    file_checksum,
    index_columns,
    verify_records,
    write_shard,
)
from data_pipelines.shrink import shrink_image, shrink_people
from tfpose.command_line import CommandParser, run_command
from tfpose.errors import InputError

__all__ = ["main", "prepare_split"]

_SETTINGS = "settings.json"
_DONE = ".done.json"
_AHEAD = 64
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def prepare_split(
    dataset: str,
    data_dir: str | os.PathLike,
    split: str,
    out: str | os.PathLike,
    shard_megabytes: float = 128,
    max_side: int = 0,
    quiet: bool = False,
) -> str:
    """Writes one split to `out`/`split`; see `data_pipelines/records.py` for the form.

    Works in `out`/`split`.partial, which is renamed at the end. Every image is decoded
    once; those that cannot be are left out with their people and named in
    `skipped.json`. Images keep their bytes, unless `max_side` shrinks them (to JPEG of
    quality 95; keypoints, boxes, areas and segmentations follow).

    Returns:
        The folder that `read_records` opens.

    Raises:
        InputError: bad source; `out` holds other settings; the disk is full; another
            process is writing there.
    """
    final = os.path.join(os.fspath(out), split)
    people, report = read_source(dataset, data_dir, split)
    settings = {
        "format": FORMAT,
        "dataset": dataset,
        "data_dir": os.path.abspath(data_dir),
        "split": split,
        "shard_megabytes": shard_megabytes,
        "max_side": max_side,
        "source_checksum": _source_checksum(people),
    }
    partial = final + ".partial"
    with _disk_errors(final), _alone(partial):
        if os.path.exists(final):
            os.rmdir(partial)
            _refuse_other(final, _settings_of(final), settings)
            _say(f"{final}: already prepared", quiet)
            return final
        if os.path.exists(os.path.join(partial, MANIFEST)):
            _refuse_other(partial, _settings_of(partial), settings)
        else:
            _Job(people, report, settings, partial, quiet).run()
        _publish(partial, final)
    _say(f"{final}: written from {report.summary()}", quiet)
    return final


class _Job:
    """Writes one split to a folder that is not finished yet."""

    def __init__(
        self,
        source: PoseDataset,
        report: SkipReport,
        settings: dict[str, Any],
        folder: str,
        quiet: bool,
    ):
        self.source, self.report, self.settings = source, report, settings
        self.folder, self.quiet = folder, quiet
        max_side = settings["max_side"]
        self.target = shrink_people(source, max_side) if max_side else source
        self.names = _names(source, settings["data_dir"])
        self.start = time.monotonic()

    def run(self) -> None:
        shards = self._resume()
        first = shards[-1]["next_row"] if shards else 0
        rows = len(self.source.image_ids)
        if first:
            _say(f"resuming {self.folder} at image {first} of {rows}", self.quiet)
        images = self._checked_images(first)
        while first < rows:
            shard: dict[str, Any] = {"rows": [], "skipped": []}
            path = os.path.join(self.folder, f"people-{len(shards):05d}.tfrecord")
            records = self._shard_records(shard, images)
            offsets, lengths, size = write_shard(path, records)
            shard |= {
                "file": os.path.basename(path),
                "offset": offsets,
                "length": lengths,
                "bytes": size,
                "sha256": file_checksum(path),
            }
            _write_json(_state_of(path), shard)
            shards.append(shard)
            first = shard["next_row"]
        self._finish(shards)

    def _resume(self) -> list[dict[str, Any]]:
        """What earlier runs finished here; half-written files go."""
        os.makedirs(self.folder, exist_ok=True)
        settings_path = os.path.join(self.folder, _SETTINGS)
        if os.path.exists(settings_path):
            _refuse_other(self.folder, load_json(settings_path), self.settings)
        else:
            _write_json(settings_path, self.settings)
        shards: list[dict[str, Any]] = []
        keep = {_SETTINGS}
        while True:
            path = os.path.join(self.folder, f"people-{len(shards):05d}.tfrecord")
            if not os.path.exists(path) or not os.path.exists(_state_of(path)):
                break
            shard = load_json(_state_of(path))
            if os.path.getsize(path) != shard["bytes"]:
                break
            shards.append(shard)
            keep |= {os.path.basename(path), os.path.basename(_state_of(path))}
        for name in os.listdir(self.folder):
            if name not in keep:
                os.remove(os.path.join(self.folder, name))
        return shards

    def _checked_images(self, first: int) -> Iterator[tuple[int, bytes, str]]:
        """(row, image file, "") in order; (row, b"", reason) for unusable ones."""
        total = len(self.source.image_ids)
        ahead: deque[Future[tuple[int, bytes, str]]] = deque()
        with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
            for row in range(first, total + _AHEAD):
                if row < total:
                    ahead.append(threads.submit(self._check_image, row))
                if ahead and row >= first + _AHEAD:
                    yield ahead.popleft().result()
                    self._progress(row + 1 - first - _AHEAD, total - first)

    def _check_image(self, row: int) -> tuple[int, bytes, str]:
        size = _size(self.source, row)
        wanted = _size(self.target, row)
        try:
            data = self.source.images.read(row)
            pixels = decode_image(data, size, self.source.images.describe(row))
        except InputError as error:
            return row, b"", str(error)
        if wanted != size:
            data = shrink_image(pixels, wanted)
        return row, data, ""

    def _shard_records(
        self, shard: dict[str, Any], images: Iterator[tuple[int, bytes, str]]
    ) -> Iterator[tuple[bytes, bytes]]:
        """The records of one shard; `shard` says which, and where the next begins."""
        limit = self.settings["shard_megabytes"] * 1e6
        size = 0
        while size < limit:
            image = next(images, None)
            if image is None:
                return
            row, data, problem = image
            shard["next_row"] = row + 1
            if problem:
                shard["skipped"].append([row, problem])
                continue
            people = self.source.people_of(row)
            example = encode_example(data, self.names[row], self.target, row, people)
            shard["rows"].append(row)
            size += len(example)
            yield example, data

    def _finish(self, shards: list[dict[str, Any]]) -> None:
        rows = np.array([row for shard in shards for row in shard["rows"]], np.int64)
        for row, problem in (entry for shard in shards for entry in shard["skipped"]):
            name = self.names[row]
            reason = "image cannot be decoded"
            self.report.skip(
                "image", int(self.source.image_ids[row]), name, reason, problem
            )
            for person in self.source.people_of(row):
                person_id = int(self.source.person_ids[person])
                self.report.skip("annotation", person_id, name, f"its {reason}")
        if not len(rows):
            raise InputError(
                f"no usable image in {self.report.summary()}{self.report.example()}"
            )
        self._write_index(shards, rows)
        self.report.write(os.path.join(self.folder, "skipped.json"))
        index = os.path.join(self.folder, INDEX)
        kept = ("file", "bytes", "sha256")
        manifest = {
            "format": FORMAT,
            "name": self.source.name,
            "skeleton": self.source.skeleton.to_dict(),
            "counts": self.report.used | {"skipped": len(self.report.skipped)},
            "settings": self.settings,
            "index": {"file": INDEX, "sha256": file_checksum(index)},
            "shards": [
                {key: shard[key] for key in kept} | {"images": len(shard["rows"])}
                for shard in shards
            ],
        }
        _write_json(os.path.join(self.folder, MANIFEST), manifest)

    def _write_index(self, shards: list[dict[str, Any]], rows: np.ndarray) -> None:
        target = self.target
        new_row = np.full(len(target.image_ids), -1, np.int32)
        new_row[rows] = np.arange(len(rows))
        people = target.select(new_row[target.image_index] >= 0)
        self.report.used = {"images": len(rows), "people": len(people)}
        sizes = [len(shard["rows"]) for shard in shards]
        columns = index_columns(people) | {
            **{k: v[rows] for k, v in target.columns.items() if k in IMAGE_COLUMNS},
            "image_index": new_row[people.image_index],
        }
        np.savez(
            os.path.join(self.folder, INDEX),
            names=np.array([self.names[row] for row in rows]),
            shard=np.repeat(np.arange(len(shards), dtype=np.int32), sizes),
            offset=np.concatenate([np.array(s["offset"], np.int64) for s in shards]),
            length=np.concatenate([np.array(s["length"], np.int64) for s in shards]),
            **columns,
        )

    def _progress(self, done: int, total: int) -> None:
        seconds = time.monotonic() - self.start
        left = seconds / done * (total - done)
        line = (
            f"{done}/{total} images, {done / seconds:.0f} a second, {left:.0f} s left"
        )
        if not self.quiet and sys.stderr.isatty():
            print(f"\r{line:60}", end="\n" if done == total else "", file=sys.stderr)
        elif not self.quiet and (done == total or done % (50 * _AHEAD) == 0):
            print(line, file=sys.stderr)


def _size(people: PoseDataset, row: int) -> tuple[int, int]:
    height, width = people.image_sizes[row].tolist()
    return height, width


def _publish(partial: str, final: str) -> None:
    """Removes what only resuming needs, and gives the folder its name."""
    for name in os.listdir(partial):
        if name == _SETTINGS or name.endswith(_DONE):
            os.remove(os.path.join(partial, name))
    os.rename(partial, final)


def _settings_of(folder: str) -> dict[str, Any]:
    return load_json(os.path.join(folder, MANIFEST)).get("settings", {})


def _state_of(shard_path: str) -> str:
    """Exists once the shard beside it is whole; what resuming needs to know."""
    return shard_path.removesuffix(".tfrecord") + _DONE


def _names(people: PoseDataset, data_dir: str) -> list[str]:
    paths = [people.images.describe(row) for row in range(len(people.image_ids))]
    return [os.path.relpath(path, data_dir) for path in paths]


def _source_checksum(people: PoseDataset) -> str:
    """Changes with the annotations; image files are compared by their decoding only."""
    digest = hashlib.sha256(json.dumps(people.skeleton.to_dict()).encode())
    for array in index_columns(people).values():
        digest.update(array.tobytes())
    return digest.hexdigest()


def _refuse_other(folder: str, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    fields = [key for key in wanted if found.get(key) != wanted[key]]
    if fields:
        differences = "; ".join(
            f"{key} is {found.get(key)!r} there, {wanted[key]!r} now" for key in fields
        )
        raise InputError(f"{folder} was begun with other settings: {differences}")


def _write_json(path: str, content: dict[str, Any]) -> None:
    aside = path + ".partial"
    with open(aside, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)


@contextlib.contextmanager
def _disk_errors(path: str) -> Iterator[None]:
    """Says in one line that a disk is full or not writable."""
    try:
        yield
    except tf.errors.OpError as error:
        free = shutil.disk_usage(os.path.dirname(os.path.abspath(path))).free
        raise InputError(
            f"{path}: writing failed with {free / 1e6:.0f} MB free on the disk: "
            f"{' '.join(str(error.message).split())[:200]}; start again to go on"
        ) from None
    except OSError as error:
        full = error.errno in _FULL or error.errno is None
        reason = "the disk is full" if full else "not writable"
        raise InputError(
            f"{path}: {reason} ({error.strerror or error}); start again to go on"
        ) from None


@contextlib.contextmanager
def _alone(folder: str) -> Iterator[None]:
    """Keeps a second process out; the system drops the lock of a killed one."""
    os.makedirs(folder, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise InputError(f"{folder}: another process is writing it") from None
    finally:
        os.close(lock)


def _say(line: str, quiet: bool) -> None:
    if not quiet:
        print(line, file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prepares or verifies splits; exit code 2 and one line for bad input."""
    run_command(_parser(), _run, arguments)


def _run(chosen: argparse.Namespace) -> None:
    if not chosen.out:
        raise InputError("--out is missing: the folder to write")
    for split in chosen.splits.split(","):
        if split not in SPLITS:
            raise InputError(f"--splits: {split!r} is not one of {', '.join(SPLITS)}")
        if chosen.verify:
            count = verify_records(os.path.join(chosen.out, split))
            print(f"{chosen.out}/{split}: {count} files as in the manifest")
            continue
        if not chosen.dataset or not chosen.data_dir:
            raise InputError("--dataset and --data_dir say what to read")
        prepare_split(
            chosen.dataset,
            chosen.data_dir,
            split,
            chosen.out,
            chosen.shard_megabytes,
            chosen.max_side,
        )


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="python -m data_pipelines.prepare",
        description="Writes a dataset as TFRecord shards, once.",
    )
    parser.add_argument(
        "--dataset",
        choices=[name for name in DATASETS if name != "records"],
        help="what to read",
    )
    parser.add_argument("--data_dir", help="folder of the dataset")
    parser.add_argument("--out", help="folder to write, one per split in it")
    parser.add_argument("--splits", default=",".join(SPLITS), help="which splits")
    parser.add_argument(
        "--shard_megabytes",
        type=_from(1),
        default=128,
        help="a shard ends with the image that reaches it",
    )
    parser.add_argument(
        "--max_side",
        type=_from(0),
        default=0,
        help="shrink larger images to this longer side, px; 0 keeps all bytes",
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="only compare the files of --out with their checksums",
    )
    return parser


def _from(least: int) -> Callable[[str], int]:
    """Reads an integer that is not below `least`."""

    def read(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"{text} is below {least}")
        return int(text)

    read.__name__ = "integer"  # argparse names it where the text is none.
    return read


if __name__ == "__main__":
    main()
