"""Mannequins as an ordinary COCO-format dataset on disk, with 3D and cameras."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from typing import Any

from data_pipelines.mannequin.scenarios import SCENARIOS
from data_pipelines.mannequin.shards import SHARD, category, image_name, shard_path
from tfpose.errors import InputError

__all__ = ["write_dataset"]

# Raise it when the same seed draws other pictures or writes other annotations.
GENERATOR_VERSION = 2


def _checked_config(
    scenario: str,
    count: int,
    seed: int,
    image_size: tuple[int, int],
    people: int | tuple[int, int],
    split: str,
) -> dict[str, Any]:
    """The arguments as they are kept in the json. Raises InputError."""
    if isinstance(people, int):
        people = (people, people)
    if scenario not in SCENARIOS:
        known = ", ".join(SCENARIOS)
        raise InputError(f"scenario: found {scenario!r}, expected one of {known}")
    if not 1 <= count <= 10**8:
        raise InputError(f"count: found {count}, expected 1 to 100000000 pictures")
    if not 0 <= seed < 2**64:
        raise InputError(f"seed: found {seed}, expected 0 to 2**64 - 1")
    if len(image_size) != 2 or not all(32 <= side <= 4096 for side in image_size):
        raise InputError(
            f"image_size: found {tuple(image_size)}, expected (height, width) of 32 to "
            "4096 pixels"
        )
    if len(people) != 2 or not 1 <= people[0] <= people[1] <= 30:
        raise InputError(
            f"people: found {tuple(people)}, expected a number or (fewest, most) from "
            "1 to 30"
        )
    if not re.fullmatch(r"[A-Za-z0-9_-]+", split):
        raise InputError(f"split: found {split!r}, expected letters, digits, _ or -")
    return {
        "generator_version": GENERATOR_VERSION,
        "scenario": scenario,
        "count": int(count),
        "seed": int(seed),
        "image_size": [int(side) for side in image_size],
        "people": [int(n) for n in people],
        "split": split,
    }


def _check_same(path: str, found: object, config: dict) -> None:
    """Refuses to mix two datasets. Raises InputError."""
    if not isinstance(found, dict):
        raise InputError(f"{path}: was not written by the mannequin generator")
    differing = [
        f"{key} (there: {found.get(key)}, asked: {value})"
        for key, value in config.items()
        if found.get(key) != value
    ]
    if differing:
        raise InputError(
            f"{path}: holds other mannequins; differing fields: {', '.join(differing)}"
        )


def _read_json(path: str) -> dict:
    try:
        with open(path) as file:
            found = json.load(file)
    except ValueError as error:
        raise InputError(f"{path}: not readable as JSON ({error})") from None
    if not isinstance(found, dict):
        raise InputError(f"{path}: expected a JSON object")
    return found


def _write_json(path: str, content: dict) -> None:
    with open(path + ".tmp", "w") as file:
        json.dump(content, file)
    os.replace(path + ".tmp", path)


def _say(line: str, last: bool = False) -> None:
    """Shows progress: in place on a terminal, else only the last line."""
    if sys.stderr.isatty():
        print(f"\r{line}", end="\n" if last else "", file=sys.stderr, flush=True)
    elif last:
        print(line, file=sys.stderr, flush=True)


def _draw_shards(
    config: dict, images_dir: str, parts_dir: str, todo: list[int], workers: int
) -> None:
    """Runs the writer processes and shows how far they are."""
    workers = max(1, min(workers, len(todo)))
    search = os.pathsep.join(path or "." for path in sys.path)
    environment = dict(os.environ, PYTHONPATH=search)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        environment[name] = "1"
    began, total = time.monotonic(), len(todo)
    processes: list[subprocess.Popen] = []
    lock, finished = threading.Lock(), []
    complaints: list[str] = [""] * workers

    def follow(worker: int, process: subprocess.Popen) -> None:
        for line in process.stdout or ():
            with lock:
                if not line.strip().isdigit():  # Its errors come the same way.
                    complaints[worker] = line.strip()
                    continue
                finished.append(1)
                speed = len(finished) / (time.monotonic() - began)
                _say(
                    f"mannequin {config['split']}: {len(finished)}/{total} shards of "
                    f"{SHARD}, {speed * SHARD:.0f} images/s, "
                    f"{(total - len(finished)) / speed:.0f} s left "
                )

    threads = []
    try:
        for worker in range(workers):
            job = {
                "config": config,
                "images_dir": images_dir,
                "parts_dir": parts_dir,
                "shards": todo[worker::workers],
            }
            processes.append(
                subprocess.Popen(
                    [
                        sys.executable,
                        "-m",
                        "data_pipelines.mannequin.shards",
                        json.dumps(job),
                    ],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    text=True,
                )
            )
            thread = threading.Thread(target=follow, args=(worker, processes[-1]))
            threads.append(thread)
            thread.start()
        for worker, process in enumerate(processes):
            if process.wait() == 2:
                threads[worker].join()
                raise InputError(complaints[worker])
            if process.returncode:
                threads[worker].join()
                raise RuntimeError(f"a mannequin writer died: {complaints[worker]}")
    finally:
        for process, thread in zip(processes, threads, strict=True):
            process.kill()
            process.wait()
            thread.join()
            if process.stdout:
                process.stdout.close()


def _images_there(images_dir: str, config: dict, shard: int) -> bool:
    stop = min((shard + 1) * SHARD, config["count"])
    return all(
        os.path.exists(os.path.join(images_dir, image_name(config["split"], index)))
        for index in range(shard * SHARD, stop)
    )


def _is_drawn(images_dir: str, parts_dir: str, config: dict, shard: int) -> bool:
    """Whether a shard's records and images are there."""
    records = shard_path(parts_dir, shard)
    return os.path.exists(records) and _images_there(images_dir, config, shard)


def write_dataset(
    out_dir: str | os.PathLike,
    scenario: str = "studio",
    count: int = 1000,
    seed: int = 0,
    image_size: tuple[int, int] = (256, 192),
    people: int | tuple[int, int] = 1,
    split: str = "train",
    workers: int | None = None,
) -> str:
    """Draws a COCO-format dataset: <out_dir>/{split}.json and <out_dir>/images/*.jpg.

    Beyond COCO, an annotation has `keypoints_3d` (metres, camera frame; joints named in
    the category's `keypoints_3d`) and `pose_family`, and an image has `camera` (fx, fy,
    cx, cy in pixels). Picture i is a pure function of all arguments but `count` and
    `workers`. Killed and started again with the same arguments, it goes on from the
    last finished shard; the json is written last. A finished dataset is left alone.

    Args:
        out_dir: folder, made if need be. May hold several splits.
        scenario: key of `SCENARIOS`.
        count: number of pictures.
        seed: int, 0 to 2**64 - 1.
        image_size: (height, width) in pixels.
        people: people in a picture, or (fewest, most).
        split: name of the json.
        workers: processes. Defaults to the processor cores.

    Returns:
        Path of the json.

    Raises:
        InputError: an argument out of range; the split is there with other arguments;
            the folder cannot be written.
    """
    out_dir = os.fspath(out_dir)
    config = _checked_config(scenario, count, seed, image_size, people, split)
    final = os.path.join(out_dir, f"{split}.json")
    images_dir = os.path.join(out_dir, "images")
    parts_dir = os.path.join(out_dir, f".{split}.parts")
    plan = os.path.join(parts_dir, "config.json")
    if workers is None:
        workers = os.cpu_count() or 1
    if workers < 1:
        raise InputError(f"workers: found {workers}, expected at least 1")
    shards = range((config["count"] + SHARD - 1) // SHARD)
    if os.path.exists(final):
        info = _read_json(final).get("info")
        _check_same(
            final, info.get("mannequin") if isinstance(info, dict) else None, config
        )
        if all(_images_there(images_dir, config, shard) for shard in shards):
            return final
    try:
        os.makedirs(images_dir, exist_ok=True)
        os.makedirs(parts_dir, exist_ok=True)
        if os.path.exists(plan):
            _check_same(plan, _read_json(plan), config)
        else:
            _write_json(plan, config)
        todo = [
            shard
            for shard in shards
            if not _is_drawn(images_dir, parts_dir, config, shard)
        ]
        began = time.monotonic()
        if todo:
            _draw_shards(config, images_dir, parts_dir, todo, workers)
        _join(final, config, [shard_path(parts_dir, shard) for shard in shards])
        shutil.rmtree(parts_dir)
    except OSError as error:
        raise InputError(f"{error.filename or out_dir}: {error.strerror}") from None
    drawn = min(len(todo) * SHARD, config["count"])
    rate = drawn / max(time.monotonic() - began, 1e-6)
    count = config["count"]
    _say(
        f"mannequin {split}: {count} images in {out_dir} ({rate:.0f} images/s)",
        last=True,
    )
    return final


def _join(final: str, config: dict, parts: list[str]) -> None:
    """Writes the dataset's json from the shards' records."""
    images, annotations = [], []
    for path in parts:
        records = _read_json(path)
        images += records["images"]
        annotations += records["annotations"]
    for number, annotation in enumerate(annotations):
        annotation["id"] = number + 1
    _write_json(
        final,
        {
            "info": {
                "description": "tfpose mannequins",
                "mannequin": config,
                "units": "keypoints: pixels; keypoints_3d: metres in the camera frame "
                "(x right, y down, z forward)",
            },
            "images": images,
            "annotations": annotations,
            "categories": [category()],
        },
    )
