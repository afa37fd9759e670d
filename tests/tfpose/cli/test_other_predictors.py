"""Nets that are no top-down ones are one row of a table: commands see predictors."""

import json

import keras
import numpy as np
import pytest

from data_pipelines.images import decode_image
from data_pipelines.readers.datasets import load_dataset
from tests.tfpose.cli.refusing import refusal
from tfpose.cli import models
from tfpose.cli.commands import main
from tfpose.predictors import People, Predictor
from tfpose.skeletons import get_skeleton
from tfpose.top_down.net import build_heatmap_net
from tfpose.top_down.predictor import TopDownPredictor
from tfpose.weights.keras_file import load_keras

COCO17 = get_skeleton("coco17")


@keras.saving.register_keras_serializable(package="tests")
class OtherNet(keras.Sequential):
    """A net of another kind."""


@pytest.fixture
def other_model(tmp_path) -> str:
    net = OtherNet([keras.Input((2,)), keras.layers.Dense(1)])
    net.save(tmp_path / "other.keras")
    return str(tmp_path / "other.keras")


class Knowing(Predictor):
    """Finds, by itself, the labelled people of the photos that it knows."""

    wants_boxes = False
    skeleton = COCO17

    def __init__(self, folder) -> None:
        self._people = load_dataset("coco_format", folder, "val")
        self._rows = {
            decode_image(self._people.images.read(row)).tobytes(): row
            for row in range(len(self._people.image_ids))
        }

    def predict(self, image: np.ndarray, boxes: np.ndarray | None = None) -> People:
        assert self.usable_boxes(image, boxes) is None
        row, people = self._rows[image.tobytes()], self._people
        here = (people.image_index == row) & (people.num_labelled > 0)
        keypoints = people.keypoints[here]
        sides = people.boxes[here, 2:].max(axis=1)
        # The smaller somebody is, the further off.
        keypoints[..., 0] += 400 / sides[:, None]
        scores = (keypoints[..., 2] > 0).astype(np.float32)
        return People(
            keypoints[..., :2].astype(float),
            scores,
            sides.astype(float),
            people.boxes[here].astype(float),
        )


@pytest.fixture
def boxless(other_model, coco_folder, monkeypatch) -> str:
    """A file whose net is a predictor that wants no boxes."""
    monkeypatch.setitem(
        models.PREDICTORS, OtherNet, lambda net, adapted, **_: Knowing(coco_folder)
    )
    return other_model


def test_without_a_row_the_net_is_refused(other_model, coco_folder, capsys):
    line = refusal(
        capsys, "evaluate", "--model", other_model, "--data_dir", coco_folder
    )
    assert line.endswith("expected a pose net, got a OtherNet")


def test_people_of_whole_pictures_have_an_ap_only(boxless, coco_folder, tmp_path):
    out, written = tmp_path / "report.json", tmp_path / "poses.json"
    arguments = ["evaluate", "--data_dir", str(coco_folder), "--out", str(out)]
    main([*arguments, "--model", boxless, "--write_results", str(written)])
    report = json.loads(out.read_text())
    assert not any(name.startswith("pck") for name in report["metrics"])
    notes = "; ".join(report["notes"])
    assert "no pck: people that are found belong to no labelled one" in notes
    assert report["protocol"]["boxes"] == "none, the model finds people by itself"
    assert report["protocol"]["poses ranked by"] == "the model's score"
    assert "decoder" not in report["protocol"]
    labelled = json.loads((coco_folder / "val.json").read_text())["annotations"]
    visible = [person for person in labelled if person["num_keypoints"]]
    assert (
        report["protocol"]["poses"]
        == len(visible)
        == len(json.loads(written.read_text()))
    )
    # The same poses from a file have the same metrics.
    main([*arguments, "--results", str(written)])
    again = json.loads(out.read_text())["metrics"]
    assert report["metrics"] == pytest.approx(again, abs=2e-4)
    assert 0.3 < report["metrics"]["ap"] < 1


def test_people_of_whole_pictures_are_drawn_and_written(
    boxless, coco_folder, tmp_path, capsys
):
    out = tmp_path / "out"
    main(["predict", str(coco_folder / "images"), f"--model={boxless}", f"--out={out}"])
    assert "one person" not in capsys.readouterr().out
    document = json.loads((out / "poses.json").read_text())
    assert len(document["images"]) == 4 == len(list(out.glob("*_pose.png")))
    knowing = Knowing(coco_folder)
    for image in document["images"]:
        with open(image["file_name"], "rb") as file:
            expected = knowing.predict(decode_image(file.read()))
        people = [p for p in document["annotations"] if p["image_id"] == image["id"]]
        assert [p["bbox"] for p in people] == expected.boxes.tolist()
        scores = [p["score"] for p in people]
        assert scores == pytest.approx(expected.person_scores, abs=1e-4)
        points = np.reshape([p["keypoints"] for p in people], expected.poses.shape)
        assert np.allclose(points, expected.poses, atol=1e-3)


def test_boxes_have_nothing_to_act_on(boxless, coco_folder, shared_data, capsys):
    photos = coco_folder / "images"
    line = refusal(capsys, "predict", photos, "--model", boxless, "--box", "1,2,3,4")
    assert line == f"error: box is given, but {boxless} finds people by itself"
    boxes = ("--boxes", coco_folder / "val.json")
    line = refusal(capsys, "predict", photos, "--model", boxless, *boxes)
    assert line == f"error: boxes is given, but {boxless} finds people by itself"
    evaluate = ("evaluate", "--model", boxless, "--data_dir", coco_folder)
    found = shared_data / "formats" / "coco" / "test_coco_det_AP_H_56.json"
    for more in (("--detections", found), ("--no_rescore",)):
        line = refusal(capsys, *evaluate, *more)
        assert line.endswith("is given, but the model finds people by itself")


class PictureByPicture(Predictor):
    """A top-down predictor whose pictures come one by one, whole."""

    wants_boxes = True

    def __init__(self, inner: TopDownPredictor) -> None:
        self._inner, self.skeleton = inner, inner.skeleton

    def predict(self, image: np.ndarray, boxes: np.ndarray | None = None) -> People:
        return self._inner.predict(image, self.usable_boxes(image, boxes))


def test_any_predictor_can_look_into_boxes(
    other_model, coco_folder, shared_data, tmp_path, monkeypatch
):
    """True boxes and a detector's: as the top-down net that it is made of."""
    info = {
        "skeleton": COCO17.to_dict(),
        "sigma": 1.0,
        "decoder": "quarter",
        "alignment": "official",
        "flip_shift": 1,
    }
    net = build_heatmap_net("hrnet_tiny", (64, 48), 17, info=info)
    rng = np.random.default_rng(0)
    for weight in net.trainable_weights:
        weight.assign(rng.normal(0, 0.2, weight.shape))
    plain = str(tmp_path / "plain.keras")
    net.save(plain)
    # People of one image are apart in the file.
    labels = coco_folder / "val.json"
    document = json.loads(labels.read_text())
    rng.shuffle(document["annotations"])
    labels.write_text(json.dumps(document))
    monkeypatch.setitem(
        models.PREDICTORS,
        OtherNet,
        lambda net, adapted, **_: PictureByPicture(TopDownPredictor(load_keras(plain))),
    )
    out = tmp_path / "report.json"
    found = shared_data / "formats" / "coco" / "test_coco_det_AP_H_56.json"
    for more in ([], ["--detections", str(found), "--box_threshold=0.3"]):
        reports, poses = [], []
        for model in (plain, other_model):
            written = tmp_path / "poses.json"
            arguments = ["--data_dir", str(coco_folder), "--nms_threshold=1", *more]
            arguments += [f"--out={out}", f"--write_results={written}"]
            main(["evaluate", "--model", model, *arguments])
            reports.append(json.loads(out.read_text()))
            poses.append(json.loads(written.read_text()))
        assert ("pck" in reports[0]["metrics"]) == (not more)
        assert reports[1]["metrics"] == pytest.approx(reports[0]["metrics"], abs=1e-6)
        assert reports[1]["notes"] == reports[0]["notes"]
        for one, other in zip(*poses, strict=True):
            assert one["image_id"] == other["image_id"]
            assert np.allclose(one["keypoints"], other["keypoints"], atol=0.1)
            assert one["bbox"] == pytest.approx(other["bbox"])
