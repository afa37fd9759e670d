"""Runs of HSJP's tables: what is compared with what."""

import json
from pathlib import Path

import pytest

from benchmarks.hsjp_runs import Setting, count_people, grid_options


@pytest.fixture
def setting(tmp_path) -> Setting:
    return Setting(tmp_path, "data", "hrnet_small", people=3200, pretrain_epochs=12)


def write_people(folder: Path, count: int) -> str:
    (folder / "train.json").write_text(json.dumps({"annotations": [{}] * count}))
    return str(folder)


def test_length_is_in_steps_whatever_the_share_of_the_labels(setting):
    # 32 people a step: 320 of them are an epoch of 10 steps.
    run = setting.training(0, "scratch", 0.1, 500)
    assert run.options["epochs"] == 50
    assert run.options["lr_drop_epochs"] == "40,46"
    # An epoch with consistency is one of all people.
    run = setting.training(0, "consistency", 0.1, 500, consistent=True)
    assert run.trainer == "trainers.semi_supervised"
    assert (run.options["epochs"], run.options["ramp_epochs"]) == (5, 3.3)


def test_fine_tuning_starts_from_its_pretraining(setting):
    before = setting.pretraining(3)
    after = setting.training(3, "HSJP", 0.03, 900, before)
    assert after.after is before
    assert after.options["init_from"] == before.workdir / "model.keras"
    assert before.options["seed"] == after.options["seed"] == 3
    assert before.options["net"] == after.options["net"] == "hrnet_small"
    assert "init_from" not in setting.training(3, "scratch", 0.03, 900).options


def test_pretraining_on_more_people_has_as_many_steps(setting, tmp_path):
    assert setting.pretrain_steps == 1200
    others = write_people(tmp_path, 6400)
    assert count_people(others) == 6400
    run = setting.pretraining_elsewhere(0, others)
    assert (run.options["epochs"], run.options["data_dir"]) == (6, others)


def test_folders_differ_where_options_do(setting, tmp_path):
    others = write_people(tmp_path, 6400)
    runs = [
        setting.pretraining(0),
        setting.pretraining(1),
        setting.pretraining(0, "6 epochs", epochs=6),
        setting.pretraining(0, "N = 2", **grid_options(2)),
        setting.pretraining_elsewhere(0, others),
        setting.training(0, "scratch", 0.1, 500),
        setting.training(0, "scratch", 0.03, 500),
        setting.training(0, "scratch, as long", 0.1, 1700),
        setting.training(0, "HSJP", 0.1, 500, setting.pretraining(0)),
        setting.training(0, "HSJP frozen", 0.1, 500, freeze="stem"),
    ]
    assert len({run.workdir for run in runs}) == len(runs)
    assert all(run.workdir.parent == tmp_path for run in runs)
    epochs = runs[2].options
    assert (epochs["epochs"], epochs["lr_drop_epochs"]) == (6, "5,6")


def test_sigma_stays_below_its_bound():
    assert grid_options(2) == {"input_side": 64, "grid": 2, "sigma": 5.227}
    assert grid_options(4)["sigma"] < grid_options(3)["sigma"] < 64 / 18
