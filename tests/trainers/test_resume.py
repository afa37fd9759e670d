"""Programs that are killed and started again end with the same bits."""

import re
import shutil
import signal
import zipfile

import pytest

from tests.trainers.conftest import (
    Trainer,
    assert_same_state,
    read_metrics,
    read_summary,
    run,
    saved_step,
)

pytestmark = pytest.mark.slow


def model_weights(workdir) -> bytes:
    with zipfile.ZipFile(workdir / "model.keras") as model:
        return model.read("model.weights.h5")


@pytest.fixture(scope="module")
def whole(tiny, tmp_path_factory):
    """A run that nothing interrupted, and what it printed."""
    workdir = tmp_path_factory.mktemp("whole") / "run"
    return workdir, run("trainers.hsjp_pretrain", workdir=workdir, **tiny)


def test_output_is_for_people(whole):
    workdir, outcome = whole
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    assert re.match(
        r"hrnet_tiny: 0\.\d+ M parameters; 4 epochs of 5 steps of 8", lines[0]
    )
    epochs = [line for line in lines if re.match(r"epoch \d/4 in ", line)]
    assert len(epochs) == 4 and "plateau" in epochs[0] and "precision" in epochs[0]
    assert lines[-1].endswith(str(workdir / "model.keras"))
    # One line for each file read, without the logger's prefix.
    assert re.search(r"^\S*train.json: 40 images, 40 people", outcome.err, re.MULTILINE)
    assert "cpu_feature_guard" not in outcome.err


def test_same_bits_after_kills_and_signals(whole, tiny, tmp_path):
    workdir = tmp_path / "run"
    often = {**tiny, "workdir": workdir, "checkpoint_minutes": 0}
    moments = [(3, signal.SIGKILL), (9, signal.SIGTERM)]
    for step, number in moments:
        trainer = Trainer("trainers.hsjp_pretrain", {}, **often)
        outcome = trainer.stop_when(
            lambda step=step: saved_step(workdir) >= step, number
        )
        assert step <= saved_step(workdir) < 20
        if number == signal.SIGKILL:
            assert outcome.code == -number
        else:
            assert outcome.code == 130, outcome.err
            last = outcome.out.splitlines()[-1]
            assert last == (
                f"stopped; step {saved_step(workdir)} is saved; "
                "the same command goes on from there"
            )
            assert "Traceback" not in outcome.err
    outcome = run("trainers.hsjp_pretrain", **often)
    assert outcome.code == 0, outcome.err
    assert re.search(r"^resuming at step \d+ of 20$", outcome.out, re.MULTILINE)
    assert_same_state(whole[0], workdir)
    assert read_metrics(whole[0]) == read_metrics(workdir)
    assert read_summary(whole[0]) == read_summary(workdir)
    assert model_weights(whole[0]) == model_weights(workdir)


def test_photo_that_breaks_during_training(tiny, photos, tmp_path):
    folder, workdir = tmp_path / "data", tmp_path / "run"
    shutil.copytree(photos, folder)
    options = {**tiny, "data_dir": folder, "workdir": workdir, "cache_megabytes": 0}
    trainer = Trainer("trainers.hsjp_pretrain", {}, **options, checkpoint_minutes=0)

    def broken():
        if saved_step(workdir) < 6:
            return False
        path = folder / "images" / "train007.jpg"
        path.write_bytes(path.read_bytes()[:300])
        return True

    outcome = trainer.stop_when(broken, signal.SIGCONT)
    assert "train007.jpg" in outcome.error()
    assert saved_step(workdir) >= 6
    assert not (workdir / "summary.json").exists()
