"""A pose net in a file and labelled photos, for commands that need them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tfpose.noisy_net import make_noisy_net
from tfpose.top_down.net import HeatmapNet


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
