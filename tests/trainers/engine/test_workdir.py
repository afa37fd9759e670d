"""A run's folder is one run's, one process's, and never half written."""

import dataclasses
import json
import os
from pathlib import Path

import pytest

from tfpose.errors import InputError
from tfpose.files import write_whole
from trainers.engine.config import RunConfig
from trainers.engine.workdir import LAST_CHECKPOINT, Workdir


@pytest.fixture
def config(tmp_path) -> RunConfig:
    return RunConfig(workdir=str(tmp_path / "run"))


def test_same_configuration_comes_back(config):
    for _ in range(2):
        with Workdir.claim(config) as workdir:
            assert json.loads((workdir.root / "config.json").read_text())["seed"] == 0
            write_whole(workdir.checkpoints / LAST_CHECKPOINT, Path.touch)
    with Workdir.claim(dataclasses.replace(config, checkpoint_minutes=7.0)):
        pass


def test_another_run_is_refused_with_what_differs(config):
    with Workdir.claim(config) as workdir:
        write_whole(workdir.checkpoints / LAST_CHECKPOINT, Path.touch)
    other = dataclasses.replace(config, seed=7, epochs=3)
    with pytest.raises(InputError, match=r"epochs: 210 -> 3; seed: 0 -> 7"):
        with Workdir.claim(other):
            pass


def test_a_start_that_failed_leaves_the_folder_free(config):
    with Workdir.claim(dataclasses.replace(config, data_dir="wrong")):
        pass
    with Workdir.claim(dataclasses.replace(config, data_dir="right")) as workdir:
        saved = json.loads((workdir.root / "config.json").read_text())
    assert saved["data_dir"] == "right"


def test_foreign_folder_is_refused_and_left_alone(config, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("text")
    with pytest.raises(InputError, match="holds thesis.tex but no config.json"):
        with Workdir.claim(config):
            pass
    assert not (tmp_path / "run" / "config.json").exists()


@pytest.mark.parametrize("content", ["{", "[1]", "\x00"])
def test_damaged_configuration_is_named(config, tmp_path, content):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(content)
    with pytest.raises(InputError, match="run/config.json: ") as refusal:
        with Workdir.claim(config):
            pass
    assert "\n" not in str(refusal.value)


def test_second_process_is_refused(config):
    with Workdir.claim(config):
        with pytest.raises(InputError, match="another process is training in it"):
            with Workdir.claim(config):
                pass
        with Workdir.claim(config, chief=False):
            pass
    with Workdir.claim(config):
        pass


@pytest.mark.parametrize("name", ["", "file/run"])
def test_folder_that_cannot_be_is_refused(tmp_path, name):
    (tmp_path / "file").write_text("")
    path = str(tmp_path / name) if name else ""
    with pytest.raises(InputError, match="workdir"):
        with Workdir.claim(RunConfig(workdir=path)):
            pass


def test_what_a_kill_left_half_written_is_invisible(config):
    class Killed(BaseException):
        pass

    def die(aside):
        aside.write_bytes(b"half")
        raise Killed

    with Workdir.claim(config) as workdir:
        with pytest.raises(Killed):
            write_whole(workdir.root / "config.json", die)
        with pytest.raises(Killed):
            write_whole(workdir.checkpoints / "last.npz", die)
        assert not workdir.begun
        write_whole(workdir.checkpoints / "last.npz", lambda p: p.write_bytes(b"whole"))
        assert os.listdir(workdir.checkpoints) == ["last.npz"]
    with Workdir.claim(config):
        pass
