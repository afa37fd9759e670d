"""Each analysis of adaptation on a few bodies, and its numbers computed again."""

import dataclasses
import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from matplotlib import image

from tests.trainers.pairs import write_pairs
from tfpose.cli.adaptation import ANALYSES, origins, study, together
from tfpose.cli.adaptation.bodies import limb_ratios, limbs
from tfpose.cli.adaptation.costs import gradients
from tfpose.cli.commands import main
from tfpose.geometry import limb_lengths, limb_vectors
from tfpose.iso.net import ISONet
from tfpose.iso.options import MODES, ISOOptions
from tfpose.lifters.iso import ISOLifter
from tfpose.skeletons import get_skeleton

SKELETON = get_skeleton("h36m16")
QUICK = {"refine_steps": 2, "copies": 2}
ADAPT = "iso," + ",".join(f"{name}={value}" for name, value in QUICK.items())


def make_net(folder, task: str) -> ISONet:
    """A small net with random weights and the limb lengths of the bodies."""
    keras.utils.set_random_seed(0)
    net = ISONet(ISOLifter(SKELETON, units=16, num_blocks=2), task, prior_units=16)
    truth = study_of(folder, net).truth
    lengths = np.asarray(limb_lengths(limb_vectors(truth, SKELETON.parents)))
    net.info = {
        "limb_lengths": {
            "mean": lengths.mean(axis=0).tolist(),
            "std": np.full(15, 0.05).tolist(),
        }
    }
    return net


def study_of(folder, net, **options) -> study.Study:
    poses = study.load_lifting_dataset("mannequin", str(folder), "test", SKELETON)
    return study.Study(net, poses, ISOOptions(**{**QUICK, **options}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    counts = {"train": 30, "val": 20}
    return write_pairs(tmp_path_factory.mktemp("pairs") / "d", counts)


@pytest.fixture(scope="module")
def net(folder) -> ISONet:
    return make_net(folder, "refine")


@pytest.fixture(scope="module")
def model(net, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("lifter") / "lifter.keras"
    net.save(path)
    return str(path)


@pytest.fixture
def quick(monkeypatch):
    """A small classifier, trained for a moment, few streams, and no XLA."""
    compiler = functools.partial(tf.function, autograph=False)
    monkeypatch.setattr(study, "_compiler", compiler)
    monkeypatch.setattr(together, "STREAMS", (4,))
    monkeypatch.setattr(origins, "_UNITS", 32)
    monkeypatch.setattr(origins, "_STEPS", 20)


def run(what: str, model: str, folder, out, *more: str) -> dict:
    """The command; what its file says. The figure is there, too, and not empty."""
    main(
        [
            "analyse_adaptation",
            what,
            f"--model={model}",
            "--dataset=mannequin",
            f"--data_dir={folder}",
            f"--out={out}",
            f"--adapt={ADAPT}",
            *more,
        ]
    )
    picture = image.imread(out / f"{what}.png")
    assert picture.std() > 0.01
    return json.loads((out / f"{what}.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("what", list(ANALYSES))
def test_each_analysis_writes_and_prints(what, model, folder, tmp_path, quick, capsys):
    more = {
        "datasets": [f"--source_data_dir={folder}"],
        "steps": ["--values=1,2"],
        "rates": ["--values=2e-5"],
        "noise": ["--values=0,10"],
    }
    said = run(what, model, folder, tmp_path, *more.get(what, []))
    assert said["analysis"] == what and said["poses"] == 20
    printed = capsys.readouterr().out
    assert f"written to {tmp_path / what}.json and .png" in printed
    if what == "steps":
        curves = said["curves"]
        assert [row["steps"] for row in curves["online"]] == [1, 2]
        found = {row["unscaled"]["mpjpe"] for one in curves.values() for row in one}
        # Four streams with weights of their own.
        assert len(found | {said["unadapted"]["unscaled"]["mpjpe"]}) == 5
    if what == "noise":
        clean, noisy = (row["unadapted"]["unscaled"] for row in said["rows"])
        assert noisy["mpjpe"] != clean["mpjpe"] and said["person_height_px"] > 100
    if what == "parts":
        assert list(said["pck"]["adapted"]) == [
            "hip",
            "spine",
            "shoulder",
            "head",
            "elbow",
            "wrist",
            "knee",
            "ankle",
        ]
        counted = [joint for of in said["joints"].values() for joint in of]
        assert sorted(counted) == sorted(set(SKELETON.joints) - {"pelvis"})
    if what == "time":
        times = said["milliseconds"]
        assert times.keys() == {"plain forward", *MODES} and min(times.values()) > 0
        rows = said["together"]
        assert [row["mode"] for row in rows] == ["online", "vanilla"]
        # Weights and two moments of a layer and a block of 16 units, float32.
        numbers = 32 * 16 + 16 + 2 * (16 * 16 + 16)
        for row in rows:
            assert row["milliseconds"] > 0 and row["streams"] == 4
            assert row["state_bytes"] == 4 * 3 * 4 * numbers
        assert "MB of weights, moments" in printed
    if what == "datasets":
        assert 0 <= said["taken_for_target"]["adapted"] <= 1
        assert len(said["t_sne"]["target truth"]) == 20


@pytest.mark.slow
def test_limb_ratios_are_those_of_the_bodies(folder, net):
    found = study_of(folder, net)
    ratios = limb_ratios(found.truth, SKELETON)
    # The lengths of the bodies of `tests.trainers.pairs`.
    expected = {
        "left_arm": 0.28 / 0.25,
        "right_arm": 0.28 / 0.25,
        "left_leg": 1,
        "right_leg": 1,
        "torso": 0.25 / 0.24,
    }
    for name, ratio in expected.items():
        np.testing.assert_allclose(ratios[name], ratio, rtol=1e-3)
    said = limbs(
        dataclasses.replace(found, poses=found.poses.select(np.arange(3)))
    ).numbers
    assert said["truth"]["torso"]["median"] == pytest.approx(0.25 / 0.24, rel=1e-3)
    assert (
        said["truth"]["left_arm"]["apart"] == 0 < said["adapted"]["left_arm"]["apart"]
    )
    assert sum(said["adapted"]["left_arm"]["counts"]) == 3


@pytest.mark.slow
@pytest.mark.parametrize("task", ["refine", "cycle"])
def test_cosines_are_those_of_the_extractors_gradients(folder, task):
    """Computed again: the true gradient by the whole net, without the adapter."""
    net = make_net(folder, task)
    few = study_of(folder, net)
    few = dataclasses.replace(few, poses=few.poses.select(np.arange(2)))
    said = gradients(few).numbers
    adapter = few.adapter()
    state = adapter.init(net.variables)
    variables = [v for v in net.extractor.trainable_variables if "norm" not in v.path]
    for pose, truth, cosine in zip(
        few.keypoints, few.truth, said["cosines"], strict=True
    ):
        own = adapter.gradients(state, {"keypoints": tf.constant(pose[None])})
        with tf.GradientTape() as tape:
            error = tf.reduce_sum((net(pose[None], training=False) - truth) ** 2)
        true = tape.gradient(error, variables)
        a, b = (
            np.concatenate([np.ravel(g) for g in gs])
            for gs in (own[: len(variables)], true)
        )
        expected = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        assert cosine == pytest.approx(expected, abs=1e-4)
    assert said["mean"] == pytest.approx(np.mean(said["cosines"]), abs=1e-4)


def test_gradients_are_those_of_the_next_step(folder, net):
    """Adam's first step is the learning rate times the gradient's sign."""
    adapter = study_of(folder, net, learning_rate=1e-3).adapter()
    state = adapter.init(net.variables)
    sample = {"keypoints": tf.constant(study_of(folder, net).keypoints[:1])}
    after = adapter.adapt(state, sample)
    for before, moved, gradient in zip(
        state["weights"],
        after["weights"],
        adapter.gradients(state, sample),
        strict=True,
    ):
        large = np.abs(gradient) > 1e-3
        np.testing.assert_allclose(
            (moved - before)[large], -1e-3 * np.sign(gradient[large]), rtol=0.02
        )


@pytest.mark.parametrize(
    ("what", "more", "says"),
    [
        ("limbs", ["--values=1"], "values is given, but limbs has none"),
        ("steps", ["--values=a"], "values: expected numbers by commas, got 'a'"),
        ("steps", ["--values=1.5"], "values: expected whole numbers from 1, got 1.5"),
        ("rates", ["--values=-1"], "values: expected numbers above 0, got -1"),
        ("noise", ["--values=-1"], "values: expected 0 or more pixels, got -1"),
        ("datasets", [], "source_data_dir: datasets needs the folder"),
        ("parts", ["--source_data_dir=x"], "parts needs no source"),
        ("parts", ["--adapt=none"], "adapt: no method 'none'"),
    ],
)
def test_bad_options_in_one_line(what, more, says, model, folder, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        run(what, model, folder, tmp_path, *more)
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1
