"""A small data set, and trainers as a person runs them: as programs."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.trainers.pairs import write_pairs
from tfpose.skeletons import get_skeleton

ROOT = Path(__file__).resolve().parents[2]
JOINTS = (
    "right_shoulder",
    "right_hip",
    "right_knee",
    "left_shoulder",
    "left_hip",
    "left_knee",
)
_SIZES = {"train": 40, "val": 16}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a program printed and how it ended."""

    code: int
    out: str
    err: str

    def error(self) -> str:
        """The one line that bad input gives, without what TensorFlow's loading says."""
        assert "Traceback" not in self.err, self.err
        lines = [line for line in self.err.splitlines() if line.startswith("error: ")]
        assert (self.code, len(lines)) == (2, 1), self.err
        assert self.err.splitlines()[-1] == lines[0], self.err
        return lines[0].removeprefix("error: ")


class Trainer:
    """A running trainer."""

    def __init__(self, module: str, env: dict[str, str], **options: Any):
        flags = [f"--{name}={value}" for name, value in options.items()]
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *flags],
            cwd=ROOT,
            env={**os.environ, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait(self, timeout: float = 300.0) -> Outcome:
        """Lets it end."""
        try:
            out, err = self._process.communicate(timeout=timeout)
        finally:
            self._process.kill()
        return Outcome(self._process.returncode, out, err)

    def stop_when(
        self, ready: Callable[[], bool], number: int = signal.SIGKILL
    ) -> Outcome:
        """Sends it a signal as soon as a condition holds."""
        while self._process.poll() is None and not ready():
            time.sleep(0.005)
        self._process.send_signal(number)
        return self.wait()


def run(module: str, env: dict[str, str] | None = None, **options: Any) -> Outcome:
    """A trainer from its start to its end."""
    return Trainer(module, env or {}, **options).wait()


def write_photos(folder: Path, sizes: dict[str, int] = _SIZES) -> Path:
    """A COCO-format set of blurred noise, one person of six joints a photo."""
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for split, count in sizes.items():
        images, annotations = [], []
        for row in range(1, count + 1):
            name = f"{split}{row:03d}.jpg"
            images.append(_write_noise(folder / "images", name, row, rng))
            pose = np.full((len(JOINTS), 3), 2.0)
            pose[:, :2] = rng.uniform(10, 62, (len(JOINTS), 2))
            box = [6.0, 6.0, 60.0, 60.0]
            annotations.append(_person(row, row, box, 3600.0, pose))
        _write_labels(folder, split, images, annotations, JOINTS)
    return folder


def write_crowds(folder: Path, sizes: dict[str, int] = _SIZES) -> Path:
    """A COCO-format set of blurred noise with 1 to 3 people in a photo.

    Joints are so near each other that poses of a new net come near some people.
    """
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    joints = get_skeleton("coco17").joints
    for split, count in sizes.items():
        images, annotations = [], []
        for row in range(1, count + 1):
            name = f"{split}{row:03d}.jpg"
            images.append(_write_noise(folder / "images", name, row, rng))
            for _ in range(row % 3 + 1):
                pose = np.full((len(joints), 3), 2.0)
                pose[:, :2] = rng.uniform(26, 46, 2) + rng.normal(0, 3, (17, 2))
                pose[rng.random(len(joints)) < 0.1] = 0
                low = pose[pose[:, 2] > 0, :2].min(axis=0)
                side = np.ptp(pose[pose[:, 2] > 0, :2], axis=0)
                box = [*low.round(2), *side.round(2)]
                number = len(annotations) + 1
                annotations.append(_person(number, row, box, 4000.0, pose))
        _write_labels(folder, split, images, annotations, joints)
    return folder


def _person(
    number: int, image_id: int, box: list[float], area: float, pose: np.ndarray
) -> dict[str, Any]:
    """An annotation."""
    return {
        "id": number,
        "image_id": image_id,
        "category_id": 1,
        "iscrowd": 0,
        "bbox": box,
        "area": area,
        "keypoints": pose.round(2).ravel().tolist(),
    }


def _write_labels(
    folder: Path,
    split: str,
    images: list[dict[str, Any]],
    annotations: list[dict[str, Any]],
    joints: Sequence[str],
) -> None:
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person", "keypoints": joints}],
    }
    (folder / f"{split}.json").write_text(json.dumps(content))


def _write_noise(
    folder: Path, name: str, image_id: int, rng: np.random.Generator
) -> dict[str, Any]:
    """A picture of 72 x 72 pixels, and its record."""
    coarse = rng.integers(0, 255, (6, 6, 3), dtype=np.uint8)
    pixels = cv2.resize(coarse, (72, 72), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(folder / name), pixels)
    return {"id": image_id, "file_name": name, "width": 72, "height": 72}


def read_state(workdir: Path) -> dict[str, np.ndarray]:
    """All arrays of a run's last checkpoint, model's and optimiser's."""
    with np.load(workdir / "checkpoints" / "last.npz") as arrays:
        return {name: arrays[name] for name in arrays.files if name != "progress"}


def saved_step(workdir: Path) -> int:
    """Steps in the last checkpoint; 0 without one."""
    path = workdir / "checkpoints" / "last.npz"
    if not path.exists():
        return 0
    with np.load(path) as arrays:
        return json.loads(str(arrays["progress"]))["step"]


def assert_same_state(one: Path, other: Path) -> None:
    """Bit for bit."""
    states = [read_state(workdir) for workdir in (one, other)]
    assert states[0].keys() == states[1].keys()
    different = [
        name
        for name, value in states[0].items()
        if value.tobytes() != states[1][name].tobytes()
    ]
    assert not different


def timeless(value: Any) -> Any:
    """JSON without the wall clock's metrics."""
    if isinstance(value, dict):
        return {k: timeless(v) for k, v in value.items() if k != "seconds"}
    return [timeless(v) for v in value] if isinstance(value, list) else value


def read_metrics(workdir: Path) -> list[dict[str, Any]]:
    """The lines of `metrics.jsonl`, without times."""
    lines = (workdir / "metrics.jsonl").read_text().splitlines()
    return timeless([json.loads(line) for line in lines])


def read_summary(workdir: Path) -> dict[str, Any]:
    """`summary.json`, without times."""
    return timeless(json.loads((workdir / "summary.json").read_text()))


@pytest.fixture(scope="session")
def photos(tmp_path_factory) -> Path:
    """40 photos to train on and 16 to validate with."""
    return write_photos(tmp_path_factory.mktemp("photos") / "data")


@pytest.fixture(scope="session")
def crowds(tmp_path_factory) -> Path:
    """40 photos of some people to train on and 16 to validate with."""
    return write_crowds(tmp_path_factory.mktemp("crowds") / "data")


@pytest.fixture(scope="session")
def pairs(tmp_path_factory) -> Path:
    """160 pairs of a 2D and a 3D pose to train on and 40 to validate with."""
    return write_pairs(
        tmp_path_factory.mktemp("pairs") / "data", {"train": 160, "val": 40}
    )


@pytest.fixture(scope="session")
def tiny(photos) -> dict[str, Any]:
    """Options of a run of half a minute: 5 steps an epoch."""
    return {
        "preset": "small",
        "net": "hrnet_tiny",
        "data_dir": photos,
        "batch_size": 8,
        "epochs": 4,
        "lr_drop_epochs": 3,
        "input_side": 64,
        "ramp_epochs": 2,
    }
