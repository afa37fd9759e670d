"""Nets of every family on LiteRT: built-in operators, all forms, the same answers."""

import numpy as np
import pytest

from export.lifter import lifter_model
from export.litert.convert import convert
from export.litert.measure import answers, keras_answers
from export.litert.quantise import quantise
from export.pose_net import pose_model
from export.validation import pose_calibration, pose_validation
from tests.export.conftest import make_net
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
            for name in (
                "hrnet_w32",
                "resnet50",
                "efficientnet_lite0",
                "tokenpose_t",
                "tokenpose_l_d6",
            )
        ),
    ],
)
def test_pose_nets_have_built_in_operators(name):
    model = pose_model(make_net(name))
    pictures = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    expected = keras_answers(model, {"image": pictures})["locate"]
    file = convert(model)
    found = answers(file, model, {"image": pictures})["locate"]
    # A map of noise may have two peaks of one height.
    assert np.quantile(_distances(found, expected), 0.9) < 1e-3
    samples = [{"image": picture[None]} for picture in pictures]
    scale = np.abs(expected["scores"]).mean()
    for form, error in (("fp16", 0.01), ("dynamic", 0.2), ("int8", 0.2)):
        small = quantise(model, file, form, samples)
        assert len(small) < 0.75 * len(file)
        scores = answers(small, model, {"image": pictures})["locate"]["scores"]
        assert np.abs(scores - expected["scores"]).mean() < error * scale


@pytest.mark.parametrize("name", sorted(LIFTERS))
def test_lifters_have_built_in_operators(name):
    model = lifter_model(build_lifter(name, get_skeleton("h36m16")))
    rng = np.random.default_rng(0)
    example = model.main.example
    inputs = {key: np.repeat(value, 8, axis=0) for key, value in example.items()}
    inputs["keypoints"] += rng.normal(0, 60, inputs["keypoints"].shape)
    expected = keras_answers(model, inputs)["lift"]
    file = convert(model)
    found = answers(file, model, inputs)["lift"]
    assert found["valid"].all()
    assert np.abs(found["positions"] - expected["positions"]).max() < 1e-4
    samples = [
        {key: values[i : i + 1] for key, values in inputs.items()} for i in (0, 1)
    ]
    spread = np.std(expected["positions"])
    for form, error in (("fp16", 2e-3), ("dynamic", 0.05), ("int8", 0.05)):
        small = quantise(model, file, form, samples)
        positions = answers(small, model, inputs)["lift"]["positions"]
        assert np.abs(positions - expected["positions"]).mean() < error * spread


@pytest.mark.slow
def test_the_shipped_net_keeps_its_accuracy_on_real_photos(shared_data):
    folder = str(shared_data / "lspet")
    model = pose_model(load_keras("tfpose_person"))
    people = pose_validation(model, "coco_format", folder, "val", limit=200)
    samples = pose_calibration(model, "coco_format", folder, 100)
    expected = keras_answers(model, people.inputs)["locate"]
    file = convert(model)
    found = answers(file, model, people.inputs)["locate"]
    assert _distances(found, expected).max() < 1e-3
    metrics, _ = people.score(expected)
    file = quantise(model, file, "int8", samples)
    small = answers(file, model, people.inputs)["locate"]
    lost, _ = people.score(small)
    # 54.4 % of all 998.
    assert 0.48 < metrics["pck"] < 0.61
    assert lost["pck"] > metrics["pck"] - 0.005
    assert lost["ap"] > metrics["ap"] - 0.01
    assert np.median(_distances(small, expected)) < 0.3
