"""Nets of every family on LiteRT: built-in operators, all forms, the same answers."""

import numpy as np
import pytest

from export.lifter import lifter_example, lifter_function
from export.litert.convert import convert, quantise
from export.litert.report import answers, keras_answers
from export.pose_net import pose_function
from export.validation import pose_calibration, pose_validation
from tests.export.conftest import make_net
from tfpose.cli.models import DEFAULT_NET
from tfpose.lifters.build import LIFTERS, build_lifter
from tfpose.skeletons import get_skeleton
from tfpose.weights.keras_file import load_keras


def _distances(found, expected):
    return np.linalg.norm(found["keypoints"] - expected["keypoints"], axis=-1)


@pytest.mark.parametrize(
    "name",
    [
        "hrnet_tiny",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("hrnet_w32", "resnet50", "tokenpose_t", "tokenpose_l_d6")
        ),
    ],
)
def test_pose_nets_have_built_in_operators(name):
    function = pose_function(make_net(name))
    pictures = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    expected = keras_answers(function, {"image": pictures})
    model = convert(function)
    found = answers(model, {"image": pictures})
    # A map of noise may have two peaks of one height.
    assert np.quantile(_distances(found, expected), 0.9) < 1e-3
    samples = [{"image": picture[None]} for picture in pictures]
    scale = np.abs(expected["scores"]).mean()
    for form, error in (("fp16", 0.01), ("dynamic", 0.2), ("int8", 0.2)):
        small = quantise(model, form, samples, function.kept, function.varied)
        assert len(small) < 0.75 * len(model)
        scores = answers(small, {"image": pictures})["scores"]
        assert np.abs(scores - expected["scores"]).mean() < error * scale


@pytest.mark.parametrize("name", sorted(LIFTERS))
def test_lifters_have_built_in_operators(name):
    function = lifter_function(build_lifter(name, get_skeleton("h36m16")))
    rng = np.random.default_rng(0)
    example = lifter_example(function)
    inputs = {key: np.repeat(value, 8, axis=0) for key, value in example.items()}
    inputs["keypoints"] += rng.normal(0, 60, inputs["keypoints"].shape)
    expected = keras_answers(function, inputs)
    model = convert(function)
    found = answers(model, inputs)
    assert found["valid"].all()
    assert np.abs(found["positions"] - expected["positions"]).max() < 1e-4
    samples = [
        {key: values[i : i + 1] for key, values in inputs.items()} for i in (0, 1)
    ]
    spread = np.std(expected["positions"])
    for form, error in (("fp16", 2e-3), ("dynamic", 0.05), ("int8", 0.05)):
        small = quantise(model, form, samples, function.kept, function.varied)
        positions = answers(small, inputs)["positions"]
        assert np.abs(positions - expected["positions"]).mean() < error * spread


@pytest.mark.slow
def test_the_shipped_net_keeps_its_accuracy_on_real_photos(shared_data):
    folder = str(shared_data / "lspet")
    function = pose_function(load_keras(str(DEFAULT_NET)))
    people = pose_validation(function, "coco_format", folder, "val", limit=200)
    samples = pose_calibration(function, "coco_format", folder, 100)
    expected = keras_answers(function, people.inputs)
    model = convert(function)
    assert _distances(answers(model, people.inputs), expected).max() < 1e-3
    metrics, _ = people.score(expected)
    small = answers(quantise(model, "int8", samples), people.inputs)
    lost, _ = people.score(small)
    # 40.7 % of all 998.
    assert 0.35 < metrics["pck"] < 0.47
    assert lost["pck"] > metrics["pck"] - 0.005
    assert lost["ap"] > metrics["ap"] - 0.01
    assert np.median(_distances(small, expected)) < 0.3
