"""ISO's joint training: which part learns from which loss, presets, promises."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.lifting.batches import LiftingTraining
from data_pipelines.lifting.datasets import load_lifting_dataset
from tfpose.errors import InputError
from tfpose.iso.net import ISONet
from tfpose.lifters.build import build_lifter
from tfpose.skeletons import get_skeleton
from trainers.engine.loop import train
from trainers.engine.train_step import takes_summed_gradients
from trainers.iso import PRESETS, ISOConfig, ISOTask
from trainers.iso_model import ISOModel
from trainers.lifter import LifterTask
from trainers.lifter_config import LifterConfig
from trainers.lifting_task import lifter_optimizer

SKELETON = get_skeleton("h36m16")


def settle(preset: str, pairs, **changes) -> ISOConfig:
    usual = {"dropout": 0.0, "batch_size": 32, "epochs": 2, "prior_units": 16}
    return dataclasses.replace(
        PRESETS[preset],
        dataset="mannequin",
        data_dir=str(pairs),
        net="martinez_small",
        **{**usual, **changes},
    )


def make_model(config: ISOConfig, pairs, rate: float | None = 0.1):
    """A model with plain descent at that rate (None for its Adam), and a batch."""
    keras.utils.set_random_seed(0)
    poses = load_lifting_dataset("mannequin", pairs, "train", SKELETON)
    stream = LiftingTraining(poses, config.batch_size, 0)
    lifter = build_lifter(config.net, SKELETON, dropout=0.0, centred=config.centred)
    net = ISONet(
        lifter,
        config.task,
        adversarial=config.adversarial,
        prior_units=config.prior_units,
        spectral_norm=config.spectral_norm,
        cycle_weight_2d=config.cycle_weight_2d,
        cycle_weight_3d=config.cycle_weight_3d,
        view_elevation=config.view_elevation,
    )
    model = ISOModel(net, config, stream.steps_per_epoch)
    if rate is not None:
        for name in model.optimizer.of:
            descent = takes_summed_gradients(keras.optimizers.SGD(rate))
            model.optimizer.of[name] = descent
    model.optimizer.build([])
    batch = stream.many(np.arange(config.batch_size))
    return model, {name: tf.constant(value) for name, value in batch.items()}


def snapshot(model: ISOModel) -> dict[str, list[np.ndarray]]:
    names = ("extractor", "head", "ssl_head", "prior")
    parts = {name: getattr(model.net, name) for name in names}
    return {
        name: [np.array(v) for v in part.trainable_variables] if part else []
        for name, part in parts.items()
    }


def after_a_step(pairs, preset: str = "cycle", **changes):
    model, batch = make_model(settle(preset, pairs, **changes), pairs)
    model.train_step(batch)
    return snapshot(model)


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("preset", ["adversary", "cycle"])
def test_which_part_learns_from_which_loss(pairs, preset):
    model, _ = make_model(settle(preset, pairs), pairs)
    start = snapshot(model)
    joint = after_a_step(pairs, preset)
    alone = after_a_step(pairs, preset, ssl_weight=0.0)
    assert not any(same(start[name], joint[name]) for name in start)
    # The FSL head learns of the self-supervised task by the extractor only.
    assert same(joint["head"], alone["head"])
    assert not same(joint["extractor"], alone["extractor"])
    assert same(start["ssl_head"], alone["ssl_head"])


def test_without_its_weight_the_lifter_trains_as_by_labels_alone(pairs):
    plain = after_a_step(pairs, "refine", random_views=False)
    alone = after_a_step(pairs, "cycle", ssl_weight=0.0)
    for name in ("extractor", "head"):
        assert same(plain[name], alone[name])


def test_the_cycle_is_what_adversary_leaves_out(pairs):
    both = after_a_step(pairs, "cycle")
    first = after_a_step(pairs, "adversary")
    none = after_a_step(pairs, "cycle", cycle_weight_2d=0.0, cycle_weight_3d=0.0)
    assert not same(both["ssl_head"], first["ssl_head"])
    assert same(none["ssl_head"], first["ssl_head"])


def test_a_second_lifting_moves_no_statistics(pairs):
    found = {}
    for task in ("adversary", "cycle"):
        model, batch = make_model(settle(task, pairs), pairs)
        before = [np.array(v) for v in model.net.extractor.non_trainable_variables]
        model.train_step(batch)
        found[task] = [np.array(v) for v in model.net.non_trainable_variables]
        after = [np.array(v) for v in model.net.extractor.non_trainable_variables]
        assert not same(before, after)
    assert same(*found.values())


def test_mirrored_poses_have_mirrored_truth(pairs):
    config = settle("cycle", pairs, random_views=True, batch_size=128)
    model, batch = make_model(config, pairs)
    keypoints, truth = (np.asarray(part) for part in model._pairs(batch))
    given = np.asarray(batch["keypoints"])
    positions = np.asarray(batch["positions"])
    positions = positions - positions[:, :1]
    swap = list(SKELETON.flip_permutation)
    as_it_was = np.isclose(keypoints[:128], given, atol=1e-6).all(axis=(1, 2))
    mirror = given[:, swap] * np.float32([-1, 1])
    mirrored = np.isclose(keypoints[:128], mirror, atol=1e-6).all(axis=(1, 2))
    assert (as_it_was != mirrored).all() and 40 < mirrored.sum() < 88
    expected = positions[:, swap] * np.float32([-1, 1, 1])
    np.testing.assert_allclose(truth[:128][mirrored], expected[mirrored], atol=1e-6)
    np.testing.assert_allclose(truth[:128][as_it_was], positions[as_it_was], atol=1e-6)
    # Random views are mirrored of themselves: limbs keep their lengths.
    assert len(truth) == 256
    model, batch = make_model(dataclasses.replace(config, flip=False), pairs)
    keypoints, _ = model._pairs(batch)
    np.testing.assert_array_equal(keypoints[:128], given)


def test_random_views_are_as_wide_as_asked(pairs):
    config = settle("cycle", pairs, batch_size=128, view_elevation=30.0)
    model, batch = make_model(config, pairs)
    rotations = np.asarray(model._rotations(batch["keypoints"]))
    # The vertical axis leans by the elevation and no more.
    lean = np.degrees(np.arccos(np.clip(rotations[:, 1, 1], -1, 1)))
    assert 27 < lean.max() <= 30.01 and lean.min() < 3
    turned = np.degrees(np.arctan2(rotations[:, 0, 2], rotations[:, 0, 0]))
    assert (np.histogram(turned, 4, (-180, 180))[0] > 15).all()


@pytest.mark.parametrize(
    "adversarial,spectral_norm",
    [
        ("likelihood", False),
        ("non_saturating", True),
        pytest.param("least_squares", False, marks=pytest.mark.slow),
        pytest.param("saturating", False, marks=pytest.mark.slow),
    ],
)
def test_every_prior_trains(pairs, adversarial, spectral_norm):
    config = settle(
        "adversary",
        pairs,
        learning_rate_prior=3e-3,
        adversarial=adversarial,
        spectral_norm=spectral_norm,
    )
    model, batch = make_model(config, pairs, rate=None)
    step = tf.function(model.train_step)
    losses = [float(step(batch)["prior_loss"]) for _ in range(40)]
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    if spectral_norm:
        for layer in model.net.prior.blocks:
            kernel = np.asarray(layer.layer.kernel)
            assert np.linalg.norm(kernel, 2) < 1.3


def test_spectral_norm_is_for_one_replica(pairs):
    strategy = type("Strategy", (), {"num_replicas_in_sync": 2})()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf.distribute, "get_strategy", lambda: strategy)
        with pytest.raises(InputError, match="spectral_norm: expected False on 2 repl"):
            make_model(settle("cycle", pairs, spectral_norm=True), pairs)


def test_the_progress_line_says_who_wins():
    task = object.__new__(ISOTask)
    lifter = build_lifter("martinez_small", SKELETON)
    metrics = {"mpjpe": 80.0, "ssl_mpjpe": 200.0, "prior_real": 0.6, "prior_fake": 0.5}
    task.net = ISONet(lifter, prior_units=8)
    line = task.describe(metrics)
    assert "80.0 mm, of the SSL head 200.0 mm" in line and "discriminator 55 %" in line
    assert "WARNING" not in line
    line = task.describe(metrics | {"prior_real": 0.99, "prior_fake": 1.0})
    assert "WARNING: it recognises nearly all projections" in line
    task.net = ISONet(lifter, prior_units=8, adversarial="likelihood")
    assert "log-likelihood 0.60 (2D), 0.50 (proj" in task.describe(metrics)
    task.net = ISONet(lifter, "refine")
    assert task.finish({"train_mpjpe": 80.0}) == ["training MPJPE 80.0 mm"]


@pytest.mark.slow
def test_a_trained_lifter_is_a_start(pairs, tmp_path):
    plain = LifterConfig(
        dataset="mannequin",
        data_dir=str(pairs),
        net="martinez_small",
        centred=True,
        batch_size=32,
        epochs=1,
        workdir=str(tmp_path / "lifter"),
    )
    train(plain, LifterTask)
    start = keras.saving.load_model(tmp_path / "lifter" / "model.keras")
    config = settle(
        "cycle",
        pairs,
        init_from=str(tmp_path / "lifter" / "model.keras"),
        workdir=str(tmp_path / "iso"),
        learning_rate=1e-9,
        epochs=1,
    )
    train(config, ISOTask)
    net = keras.saving.load_model(tmp_path / "iso" / "model.keras")
    assert isinstance(net, ISONet) and net.task == "cycle"
    assert net.info["limb_lengths"] == start.info["limb_lengths"]
    for found, given in zip(
        net.lifter.trainable_variables, start.trainable_variables, strict=True
    ):
        np.testing.assert_allclose(found, given, atol=1e-6)
    other = dataclasses.replace(config, centred=False, workdir=str(tmp_path / "other"))
    with pytest.raises(InputError, match="centred is True, expected False"):
        train(other, ISOTask)
    nowhere = dataclasses.replace(
        config, shared_layer="nowhere", workdir=str(tmp_path / "nowhere")
    )
    with pytest.raises(InputError, match="no layer 'nowhere' where heads could part"):
        train(nowhere, ISOTask)


def test_presets_are_the_papers():
    for name, task in (("adversary", "adversary"), ("cycle", "cycle")):
        paper = PRESETS[name]
        assert paper.task == task and paper.net == "iso"
        assert (paper.epochs, paper.batch_size) == (200, 64)
        assert (paper.learning_rate, paper.ssl_weight) == (2e-4, 0.1)
        assert (paper.flip, paper.flip_test, paper.clip_norm) == (True, True, 0)
        assert (paper.view_elevation, paper.prior_units) == (20, 1024)
        assert not paper.random_views and paper.dropout == -1
    assert PRESETS["refine"].random_views and PRESETS["refine"].task == "refine"


def test_the_learning_rate_falls_each_epoch():
    config = ISOConfig()
    rate = lifter_optimizer(config, 10)._learning_rate
    assert float(rate(9)) == pytest.approx(2e-4)
    assert float(rate(10)) == pytest.approx(2e-4 * 0.99)
    assert float(rate(1999)) == pytest.approx(2e-4 * 0.99**199, rel=1e-4)
