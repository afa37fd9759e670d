"""Modules of a checkout are seen by the block that asks for them, by nobody else."""

import importlib
import sys
import types

import numpy as np
import pytest

from benchmarks.peers import Side, import_alone, peak_megabytes
from tfpose.errors import InputError

FILES = {
    "dataset/__init__.py": "raise RuntimeError('not to be run')",
    "dataset/coco.py": (
        "import json_of_theirs\nimport numpy as np\nfrom helpers.warps import side\n"
        "def area():\n    return np.int(json_of_theirs.load(side) ** 2)\n"
    ),
    "helpers/__init__.py": "",
    "helpers/warps.py": "side = {side}",
}


@pytest.fixture(params=[True, False], ids=["absolute", "relative"])
def checkouts(request, tmp_path, monkeypatch):
    """Two folders with modules of the same names."""
    monkeypatch.chdir(tmp_path)
    folders = [tmp_path / "one", tmp_path / "two"]
    for side, folder in enumerate(folders, 3):
        for name, text in FILES.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text.replace("{side}", str(side)))
    return folders if request.param else [f.relative_to(tmp_path) for f in folders]


def test_each_is_apart(checkouts, monkeypatch):
    mine = types.ModuleType("dataset")
    monkeypatch.setitem(sys.modules, "dataset", mine)
    absent = {"json_of_theirs": {"load": lambda number: number + 0.5}}
    known, path = dict(sys.modules), list(sys.path)
    for folder, expected in zip(checkouts, (12, 20), strict=True):
        with import_alone(folder, ["dataset.coco"], absent) as (coco,):
            assert coco.area() == expected
            assert sys.modules["dataset"] is not mine
        assert sys.modules == known and sys.path == path
        assert not hasattr(np, "int")


def _builds_on_what_is_missing() -> dict:
    importlib.import_module("package_that_nobody_has")
    return {}


def test_a_side_whose_package_is_missing_says_what_to_install():
    expected = r"package_that_nobody_has'; .* pip install '\.\[peers\]'"
    with pytest.raises(InputError, match=expected):
        Side(_builds_on_what_is_missing)


def _tells_its_memory() -> dict:
    return {"peak": lambda _: peak_megabytes}


def test_the_memory_of_a_side_is_its_own():
    held = np.ones(100 * 2**20)
    # The peak of this process may be that of an earlier test, so it is not compared
    # with what it was before.
    assert peak_megabytes() > 800
    side = Side(_tells_its_memory)
    assert side.value("peak", 0) < peak_megabytes() - 700
    side.stop()
    assert held[0] == 1
