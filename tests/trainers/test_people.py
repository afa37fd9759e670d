"""Workers and runs that want the same mannequins draw them once."""

import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from data_pipelines.mannequin import write
from data_pipelines.readers import datasets
from tfpose.errors import InputError
from trainers.engine.workdir import Workdir
from trainers.people import load_people
from trainers.top_down_config import PRESETS


def test_mannequins_are_drawn_by_one_of_two(tmp_path, monkeypatch):
    draw, drawers = write.write_dataset, []

    def slow(*arguments, **named):
        drawers.append(named)
        time.sleep(0.2)
        return draw(*arguments, **named, workers=1)

    monkeypatch.setattr(write, "write_dataset", slow)
    monkeypatch.setitem(datasets._MANNEQUINS, "val", 6)
    config = dataclasses.replace(PRESETS["demo"], data_dir=str(tmp_path / "data"))
    worker = Workdir(tmp_path, chief=False)
    with ThreadPoolExecutor(2) as pool:
        found = [pool.submit(load_people, config, worker, "val") for _ in range(2)]
        assert [len(people.result()) for people in found] == [6, 6]
    assert len(drawers) == 1
    # Nothing but the data is to be seen: the lock is a hidden file.
    shown = [p.name for p in (tmp_path / "data").iterdir() if p.name[0] != "."]
    assert sorted(shown) == ["images", "val.json"]


def test_folder_that_cannot_be_is_named(tmp_path):
    (tmp_path / "file").touch()
    config = dataclasses.replace(PRESETS["demo"], data_dir=str(tmp_path / "file"))
    with pytest.raises(InputError, match="data_dir .*file: "):
        load_people(config, Workdir(tmp_path), "val")
