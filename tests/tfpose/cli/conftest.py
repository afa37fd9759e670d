"""A pose net in a file and labelled photos, for commands that need them."""

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from data_pipelines.video import VideoReader
from data_pipelines.video_writer import VideoWriter
from tests.tfpose.cli.predicting import FRAMES
from tests.tfpose.noisy_net import make_noisy_net
from tfpose.cli import predict as predict_module
from tfpose.cli.commands import main
from tfpose.top_down.net import HeatmapNet
from tfpose.top_down.predictor import TopDownPredictor


@pytest.fixture(scope="session")
def pose_net() -> HeatmapNet:
    """An untrained net of LSP's joints whose heatmaps are far from 0."""
    return make_noisy_net()


@pytest.fixture(scope="session")
def pose_model(pose_net: HeatmapNet, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of that net's file."""
    path = tmp_path_factory.mktemp("pose_model") / "pose.keras"
    pose_net.save(path)
    return str(path)


@pytest.fixture(scope="session")
def few_athletes(shared_data: Path, tmp_path_factory) -> Callable[[int], str]:
    """Makes a data set of LSPET's first validation photos, so many; its folder."""

    def make(photos: int) -> str:
        source, folder = shared_data / "lspet", tmp_path_factory.mktemp("few")
        document = json.loads((source / "val.json").read_text())
        document["images"] = document["images"][:photos]
        kept = {image["id"] for image in document["images"]}
        document["annotations"] = [
            person for person in document["annotations"] if person["image_id"] in kept
        ]
        (folder / "images").symlink_to(source / "images")
        (folder / "val.json").write_text(json.dumps(document))
        return str(folder)

    return make


@pytest.fixture
def coco_folder(shared_data: Path, tmp_path: Path) -> Path:
    """Four photos of val2017 with their labels."""
    source, target = shared_data / "formats" / "coco", tmp_path / "val"
    (target / "images").mkdir(parents=True)
    shutil.copy(source / "test_coco.json", target / "val.json")
    for photo in source.glob("*.jpg"):
        shutil.copy(photo, target / "images")
    return target


@pytest.fixture(scope="session")
def clip(shared_data, tmp_path_factory):
    """The first frames of a real video, a quarter as wide and high."""
    path = tmp_path_factory.mktemp("clip") / "one.mp4"
    writer = VideoWriter(path, 60)
    source = VideoReader(shared_data / "video" / "one_person.mp4")
    for frame in itertools.islice(source, FRAMES):
        writer.write(
            cv2.resize(frame.image, (270, 480), interpolation=cv2.INTER_AREA),
            frame.seconds,
        )
    writer.close()
    return path


@pytest.fixture
def photos(shared_data, tmp_path):
    """A folder of two photos with several people each."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for source in sorted((shared_data / "coco" / "images").glob("*.jpg"))[:2]:
        shutil.copy(source, folder)
    return folder


@pytest.fixture
def quick(monkeypatch, pose_net):
    """Poses at fixed places of the crop, without a net's time and loading."""

    def locate(self, images):
        count = len(images) if isinstance(images, np.ndarray) else images.shape[0]
        points = np.random.default_rng(0).uniform(16, 48, (14, 2))
        return np.tile(points, (count, 1, 1)), np.full((count, 14), 0.9)

    monkeypatch.setattr("tfpose.top_down.predictor.TopDownPredictor.locate", locate)
    for name in ("load_predictor", "load_shipped"):
        monkeypatch.setattr(predict_module, name, lambda *_: TopDownPredictor(pose_net))


@pytest.fixture
def predict(pose_model, tmp_path):
    """Runs the command into an empty folder and returns its JSON file's content."""
    out = tmp_path / "out"

    def run(*paths, **options):
        shutil.rmtree(out, ignore_errors=True)
        more = [
            f"--{name}" if value is True else f"--{name}={value}"
            for name, value in options.items()
        ]
        main(
            [
                "predict",
                *map(str, paths),
                f"--model={pose_model}",
                f"--out={out}",
                *more,
            ]
        )
        return json.loads((out / "poses.json").read_text())

    run.out = out
    return run
