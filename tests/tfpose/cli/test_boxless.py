"""Commands with nets without boxes: everybody is drawn, written and evaluated."""

import json

import keras
import numpy as np
import pytest

from data_pipelines.images import decode_image
from tests.tfpose.cli.refusing import refusal
from tests.tiny_dekr import tiny_dekr
from tests.tiny_logocap import tiny_logocap
from tfpose.cli.commands import main
from tfpose.cli.models import load_predictor
from tfpose.logocap.predictor import CentrePredictor
from tfpose.weights.pose_scorers import build_scorer_preset


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    keras.utils.set_random_seed(0)
    path = tmp_path_factory.mktemp("boxless") / "logocap.keras"
    tiny_logocap(slots=12).save(path)
    return str(path)


@pytest.mark.slow
def test_everybody_is_drawn_and_written(model, coco_folder, tmp_path):
    out = tmp_path / "out"
    main(["predict", str(coco_folder / "images"), f"--model={model}", f"--out={out}"])
    document = json.loads((out / "poses.json").read_text())
    assert len(list(out.glob("*_pose.png"))) == len(document["images"]) == 4
    predictor = load_predictor(model)
    assert isinstance(predictor, CentrePredictor)
    for image in document["images"]:
        with open(image["file_name"], "rb") as file:
            expected = predictor.predict(decode_image(file.read()))
        people = [p for p in document["annotations"] if p["image_id"] == image["id"]]
        assert len(people) == len(expected) > 0
        points = np.reshape([p["keypoints"] for p in people], expected.poses.shape)
        assert np.allclose(points, expected.poses, atol=1e-2)


def test_a_picture_without_people_is_written_without_any(model, shared_data, tmp_path):
    net = keras.saving.load_model(model)
    head = net.dense_model.get_layer("heat_head")
    head.bias.assign(np.full(head.bias.shape, -10))
    net.save(tmp_path / "blind.keras")
    photo = next((shared_data / "formats" / "coco").glob("*.jpg"))
    out = tmp_path / "out"
    main(["predict", str(photo), f"--model={tmp_path / 'blind.keras'}", f"--out={out}"])
    document = json.loads((out / "poses.json").read_text())
    assert len(document["images"]) == 1 and document["annotations"] == []


def test_evaluate_takes_levels_and_sizes(model, coco_folder, tmp_path):
    out, written = tmp_path / "report.json", tmp_path / "poses.json"
    main(
        f"evaluate --model={model} --data_dir={coco_folder} --out={out} --level=none "
        f"--short_side=128 --no_flip_test --write_results={written}".split()
    )
    report = json.loads(out.read_text())
    assert report["protocol"]["adaptation to the picture"] == "none"
    assert report["protocol"]["short side"] == 128
    assert report["protocol"]["flip test"] == "no"
    assert 0 <= report["metrics"]["ap"] < 0.5
    assert report["protocol"]["poses"] == len(json.loads(written.read_text())) > 4


def test_evaluate_takes_a_dekr_net_and_rescores_its_poses(coco_folder, tmp_path):
    keras.utils.set_random_seed(0)
    names = ("dekr", "scorer", "report", "poses")
    paths = {name: tmp_path / f"{name}.keras" for name in names}
    tiny_dekr(slots=12).save(paths["dekr"])
    build_scorer_preset("dekr_scorer").save(paths["scorer"])
    command = (
        f"evaluate --model={paths['dekr']} --data_dir={coco_folder} --no_flip_test "
        f"--out={paths['report']} --write_results={paths['poses']}"
    )

    def scores(*more: str) -> np.ndarray:
        main([*command.split(), *more])
        return np.array([p["score"] for p in json.loads(paths["poses"].read_text())])

    plain = scores("--nms_threshold=1")
    rescored = scores("--nms_threshold=1", f"--pose_scorer={paths['scorer']}")
    assert len(plain) == len(rescored) > 4 and not np.allclose(plain, rescored)
    report = json.loads(paths["report"].read_text())
    assert report["protocol"]["adaptation to the picture"] == "none"
    assert report["protocol"]["poses rescored"] == "yes"


@pytest.mark.slow
def test_choices_of_other_nets_are_refused(model, pose_model, coco_folder, capsys):
    evaluate = ("evaluate", "--data_dir", coco_folder, "--model", model)
    line = refusal(capsys, *evaluate, "--decoder=dark")
    assert line.endswith("decoder is given, but the model finds people by itself")
    assert "level is 'half', expected" in refusal(capsys, *evaluate, "--level=half")
    line = refusal(capsys, *evaluate[:-1], pose_model, "--level=full")
    assert line.endswith("level is given, but the model looks into boxes")
    line = refusal(capsys, *evaluate[:-1], pose_model, f"--pose_scorer={model}")
    assert line.endswith("pose_scorer is given, but the model looks into boxes")
    line = refusal(capsys, *evaluate, f"--pose_scorer={model}")
    assert line.endswith(f"pose_scorer: {model} is not one, see `tfpose presets`")
    line = refusal(capsys, *evaluate, "--adapt=metta")
    assert line.startswith(f"error: {model}: ") and "metta" in line.lower()
