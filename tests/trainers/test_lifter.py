"""Training lifters: it learns, keeps its promises, and refuses what does not fit."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from data_pipelines.lifting.batches import LiftingEvaluation, LiftingTraining
from data_pipelines.lifting.datasets import load_lifting_dataset
from tests.trainers.pairs import write_pairs
from tfpose.errors import InputError
from tfpose.geometry import denormalize_keypoints
from tfpose.lifters.pose_lifter import PoseLifter
from tfpose.skeletons import get_skeleton
from trainers.engine.loop import train
from trainers.engine.optimizer import LinearDecay
from trainers.lifter import PRESETS, LifterConfig, LifterTask

SKELETON = get_skeleton("h36m16")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_pairs(
        tmp_path_factory.mktemp("pairs") / "d", {"train": 640, "val": 40}
    )


@pytest.fixture(scope="module")
def config(folder) -> LifterConfig:
    return dataclasses.replace(
        PRESETS["small"],
        dataset="mannequin",
        data_dir=str(folder),
        net="martinez_small",
        dropout=0.0,
        batch_size=64,
        learning_rate=3e-3,
        epochs=30,
        eval_every=10,
    )


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    config = dataclasses.replace(config, workdir=str(tmp_path_factory.mktemp("run")))
    return config, train(config, LifterTask)


def test_it_learns(finished, folder):
    _, summary = finished
    poses = load_lifting_dataset("mannequin", folder, "train", SKELETON)
    rooted = poses.positions - poses.positions[:, :1]
    of_the_mean = 1000 * np.linalg.norm(rooted - rooted.mean(0), axis=-1).mean()
    assert summary["metrics"]["mpjpe"] < of_the_mean
    assert summary["metrics"]["pa_mpjpe"] < summary["metrics"]["mpjpe"]
    assert "protocol procrustes" in summary["notes"][2]


def test_validation_is_of_people_who_were_not_trained_on(finished):
    config, summary = finished
    # A tenth of the 640 of the training split; none of the 40 of the test split.
    assert "(64 poses" in summary["notes"][0]


def test_the_run_leaves_a_lifter_and_pictures(finished, folder):
    config, summary = finished
    loaded = keras.saving.load_model(f"{config.workdir}/model.keras")
    assert loaded.info["training"]["metrics"] == summary["metrics"]
    poses = load_lifting_dataset("mannequin", folder, "train", SKELETON)
    columns = LiftingEvaluation(poses).many(np.arange(64))
    lifter = PoseLifter(loaded)
    positions = np.asarray(lifter.lift(columns["keypoints"]))
    truth = columns["positions"] - columns["positions"][:, :1]
    error = 1000 * np.linalg.norm(positions - truth, axis=-1).mean()
    # Whether they were trained on or not: all are alike.
    assert error < 1.3 * summary["metrics"]["mpjpe"]
    pixels = np.asarray(denormalize_keypoints(columns["keypoints"], (1000, 1000)))
    again = lifter.predict(pixels, (1000, 1000))
    np.testing.assert_allclose(again, positions, atol=1e-4)
    picture = f"{config.workdir}/figures/lifted.png"
    assert open(picture, "rb").read(4) == b"\x89PNG"


def test_flip_test_is_the_same_for_a_mirrored_pose(finished, folder):
    config, _ = finished
    net = keras.saving.load_model(f"{config.workdir}/model.keras")
    lifter = PoseLifter(net, flip_test=True)
    poses = load_lifting_dataset("mannequin", folder, "test", SKELETON)
    keypoints = LiftingEvaluation(poses).many(np.arange(8))["keypoints"]
    swap = list(SKELETON.flip_permutation)
    mirrored = keypoints[:, swap] * np.float32([-1, 1])
    found = np.asarray(lifter.lift(keypoints))
    other = np.asarray(lifter.lift(mirrored))[:, swap] * [-1, 1, 1]
    np.testing.assert_allclose(found, other, atol=1e-5)
    assert np.abs(found - np.asarray(PoseLifter(net).lift(keypoints))).max() > 1e-3


@pytest.mark.parametrize(
    "changes,message",
    [
        ({"batch_size": 4096}, "batch_size: must be from 1"),
        ({"val_subjects": ("nobody",)}, "no subject nobody"),
        ({"data_dir": "/nowhere"}, "/nowhere: no such folder"),
        ({"init_from": "/no.keras"}, "/no.keras: no such file"),
        ({"dropout": 2.0}, "dropout: .*2.0"),
        ({"net": "huge"}, "net: expected one of martinez.* got 'huge'"),
    ],
)
def test_what_does_not_fit_is_refused(config, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        train(dataclasses.replace(config, workdir=str(tmp_path), **changes), LifterTask)


def test_another_lifter_is_no_start(finished, config, tmp_path):
    start = f"{finished[0].workdir}/model.keras"
    other = dataclasses.replace(
        config, workdir=str(tmp_path), net="vpose_small", init_from=start
    )
    with pytest.raises(InputError, match="expected a vpose_small"):
        train(other, LifterTask)


def test_every_pose_comes_once_an_epoch_and_the_real_ones_too(folder):
    poses = load_lifting_dataset("mannequin", folder, "train", SKELETON)
    stream = LiftingTraining(poses, 64, seed=3, with_real=True)
    first, second = (stream.many(np.arange(start, start + 640)) for start in (0, 640))
    for name in ("positions", "real_positions"):
        for epoch in (first, second):
            order = np.lexsort(epoch[name].reshape(640, -1).T)
            expected = np.lexsort(poses.positions.reshape(640, -1).T)
            np.testing.assert_array_equal(epoch[name][order], poses.positions[expected])
    assert (first["positions"] != second["positions"]).any()
    assert (first["positions"] != first["real_positions"]).any()
    part = stream.many(np.arange(620, 660))
    np.testing.assert_array_equal(part["keypoints"][:20], first["keypoints"][620:])
    np.testing.assert_array_equal(part["keypoints"][20:], second["keypoints"][:20])


def test_linear_decay_is_by_epoch():
    rate = LinearDecay(0.1, epoch_steps=10, epochs=4)
    assert float(rate(np.int64(9))) == pytest.approx(0.1)
    assert float(rate(np.int64(10))) == pytest.approx(0.08)
    assert float(rate(np.int64(39))) == pytest.approx(0.04)


def test_config_of_the_paper():
    paper = PRESETS["paper"]
    assert (paper.epochs, paper.batch_size, paper.learning_rate) == (50, 1024, 1e-3)
    assert PRESETS["semgcn"].learning_rate == 2e-2
    assert json.loads(json.dumps(paper.to_json()))["skeleton"] == "h36m16"
