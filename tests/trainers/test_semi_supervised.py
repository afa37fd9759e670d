"""Learning from people without labels, beside labelled ones."""

import dataclasses
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from trainers.engine.workdir import Workdir
from trainers.semi_supervised import PRESETS, SemiSupervisedTask


@pytest.fixture(scope="module")
def task(shared_data, tmp_path_factory):
    """Labelled athletes, and everyday people of whom there are only boxes."""
    config = dataclasses.replace(
        PRESETS["small"],
        net="hrnet_tiny",
        data_dir=str(shared_data / "lspet"),
        unlabelled_dataset="coco_format",
        unlabelled_dir=str(shared_data / "stanford40"),
        workdir=str(tmp_path_factory.mktemp("semi") / "run"),
        label_fraction=0.02,
        batch_size=8,
        cut_share=0.5,
    )
    keras.utils.set_random_seed(0)
    with Workdir.claim(config) as workdir:
        return SemiSupervisedTask(config, workdir)


def batch_of(task) -> dict[str, np.ndarray]:
    samples = [task.sampler(position) for position in range(8)]
    return {name: np.stack([s[name] for s in samples]) for name in samples[0]}


@pytest.mark.slow
def test_an_epoch_is_once_through_the_unlabelled(task):
    assert task.steps_per_epoch == 2250 // 8
    assert "stanford40" in task.sampler.sample_id(0) and "lspet" in (
        task.sampler.sample_id(0)
    )


@pytest.mark.slow
def test_each_data_set_has_its_report_of_what_was_not_used(task):
    root = Path(task.config.workdir)
    for name, folder in (("train", "lspet"), ("unlabelled", "stanford40")):
        report = json.loads((root / f"skipped_{name}.json").read_text())
        assert folder in report["source"]


@pytest.mark.slow
def test_the_student_sees_squares_where_the_teacher_sees_joints(task):
    batch = batch_of(task)
    views, taught, seen = map(ops.convert_to_numpy, task.model.teach(batch))
    assert taught.shape == (8, 16, 16, 14) and seen.shape == (8, 16, 16, 1)
    black = (views == 0).all(-1) & ~(batch["hard"] == 0).all(-1)
    # Half of 14 joints, squares of 7 pixels; some lie on each other.
    assert 20 < black.sum(axis=(1, 2)).mean() < 7 * 49
    points, _ = map(ops.convert_to_numpy, task.model.codec.decode(taught, "argmax"))
    for row, joint in zip(*np.nonzero(batch["cut"] < 0.5), strict=True):
        x, y = points[row, joint].round().astype(int)
        assert (views[row, y, x] == 0).all()


def first_kernel(task, batch, steps_before: int = 0, **changes) -> np.ndarray:
    """After one step; of an epoch of ten. The net is as before then."""
    before = [np.array(w) for w in task.net.get_weights()]
    config = dataclasses.replace(task.config, **changes)
    model = type(task.model)(task.net, config, steps_per_epoch=10)
    model.compile(optimizer=keras.optimizers.SGD(1.0))
    model.optimizer.iterations.assign(steps_before)
    assert float(model.train_step(batch)["consistency"]) > 0
    moved = np.array(task.net.trainable_variables[0])
    task.net.set_weights(before)
    return moved


@pytest.mark.slow
def test_the_loss_without_labels_moves_the_net_when_its_weight_has_grown(task):
    batch = batch_of(task)
    without, full = (
        first_kernel(task, batch, consistency_weight=weight, ramp_epochs=0)
        for weight in (0.0, 1.0)
    )
    assert np.abs(without - full).max() > 1e-7
    by_steps = [
        first_kernel(task, batch, steps, consistency_weight=1.0, ramp_epochs=2)
        for steps in (0, 10, 20, 50)
    ]
    np.testing.assert_array_equal(by_steps[0], without)
    np.testing.assert_allclose(by_steps[1], (without + full) / 2, atol=1e-7)
    np.testing.assert_array_equal(by_steps[2], full)
    np.testing.assert_array_equal(by_steps[3], full)


@pytest.mark.slow
def test_it_draws_what_is_taught(task, tmp_path):
    task.draw(tmp_path)
    assert (tmp_path / "views.png").exists() and (tmp_path / "poses.png").exists()
