"""Jigsaw pretraining learns, warns where it does not, and compiles."""

import dataclasses

import keras
import pytest

from tests.trainers.conftest import write_photos
from tfpose.errors import InputError
from trainers.engine.loop import train
from trainers.engine.workdir import Workdir
from trainers.hsjp_pretrain import PRESETS, HSJPTask


@pytest.fixture
def config(photos, tmp_path):
    return dataclasses.replace(
        PRESETS["small"],
        net="hrnet_tiny",
        data_dir=str(photos),
        workdir=str(tmp_path / "run"),
        batch_size=8,
        epochs=1,
        lr_drop_epochs=(),
        input_side=32,
        grid=2,
        sigma=2.6,
    )


@pytest.fixture(autouse=True)
def policy():
    """The precision that a run sets is its process's; this process has many."""
    yield
    keras.config.set_dtype_policy("float32")


def make_task(config) -> HSJPTask:
    keras.config.set_dtype_policy(config.precision)
    keras.utils.set_random_seed(config.seed)
    with Workdir.claim(config) as workdir:
        return HSJPTask(config, workdir)


@pytest.mark.slow
def test_learns_a_small_puzzle(config, tmp_path):
    folder = write_photos(tmp_path / "few", {"train": 32, "val": 8})
    config = dataclasses.replace(
        config,
        data_dir=str(folder),
        epochs=60,
        eval_every=60,
        learning_rate=3e-3,
        colour=0.0,
        scale=0.0,
        translation=0.0,
        rotation=0.0,
    )
    summary = train(config, HSJPTask)
    plateau = summary["last"]["train_target_energy"] * (1 - 1 / 4)
    assert summary["last"]["train_loss"] < 0.8 * plateau
    assert summary["notes"] == []


@pytest.mark.slow
def test_run_that_learnt_nothing_says_so(config, capsys):
    summary = train(dataclasses.replace(config, learning_rate=1e-9), HSJPTask)
    assert len(summary["notes"]) == 1
    assert summary["notes"][0].startswith("warning: the loss ended at 0.")
    assert "--ramp_epochs" in summary["notes"][0]
    printed = capsys.readouterr().out
    assert "ON THE PLATEAU" in printed and summary["notes"][0] in printed


def test_unshuffled_image_as_three_more_channels(config):
    task = make_task(dataclasses.replace(config, with_original=True))
    assert task.net.input_channels == 6
    assert task.sampler(0)["image"].shape == (32, 32, 6)


def test_score_is_precision_then_patches(config):
    task = make_task(config)
    better = task.score({"precision": 0.1, "patch_accuracy": 0.2})
    assert better > task.score({"precision": 0.0, "patch_accuracy": 0.9})
    assert task.score({"precision": 0.0, "patch_accuracy": 0.9}) > task.score(
        {"precision": 0.0, "patch_accuracy": 0.8}
    )


def test_fewer_people_than_a_batch_are_refused(config):
    with pytest.raises(InputError, match="batch_size: must be from 1 to .* 40, got 64"):
        make_task(dataclasses.replace(config, batch_size=64))
