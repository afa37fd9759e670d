"""Commands adapt models by a method's name, and know no more of it."""

import json
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.lifting.batches import LiftingEvaluation
from data_pipelines.lifting.datasets import load_lifting_dataset
from data_pipelines.readers.datasets import load_dataset
from tests.toy_adapter import ToyAdapter, make_toy_lifter
from tfpose import adapters
from tfpose.adaptation import AdaptedModel, Adapter, Outputs, Sample, State
from tfpose.adapters import Adaptation
from tfpose.cli.commands import main
from tfpose.geometry import normalize_keypoints
from tfpose.lifters.pose_lifter import AdaptingLifter
from tfpose.skeletons import get_skeleton
from tfpose.top_down.predictor import TopDownPredictor

H36M = get_skeleton("h36m16")


class Drift(Adapter):
    """Sample k of a stream (of one sample, if episodic) is found k pixels further."""

    def __init__(self, net, online: bool = False) -> None:
        self._plain, self.online = TopDownPredictor(net, flip_test=False), online

    def init(self, weights: Sequence[Any]) -> State:
        return {"count": np.float32(0)}

    def adapt(self, state: State, sample: Sample) -> State:
        assert sample["image"].shape == (1, 64, 64, 3)
        return {"count": state["count"] + 1}

    def predict(self, state: State, sample: Sample) -> Outputs:
        keypoints, scores = self._plain.locate(sample["image"])
        return {"keypoints": keypoints + state["count"], "scores": scores}


@pytest.fixture
def methods(monkeypatch):
    """Adapters of both kinds, as the only rows of the table."""
    monkeypatch.setattr(adapters, "ADAPTATIONS", {})
    for name, online in (("", False), ("_online", True)):
        for of_lifters, kind in ((True, ToyAdapter), (False, Drift)):
            method = Adaptation(of_lifters, lambda net, _, k=kind, o=online: k(net, o))
            row = ("toy" if of_lifters else "drift") + name
            monkeypatch.setitem(adapters.ADAPTATIONS, row, method)


@pytest.fixture(scope="module")
def lifter():
    return make_toy_lifter(H36M)


@pytest.fixture(scope="module")
def lifter_model(lifter, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("lifter") / "lifter.keras"
    lifter.save(path)
    return str(path)


def _refusal(capsys, *arguments) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    assert stop.value.code == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.parametrize("command", ["predict", "evaluate", "evaluate_3d"])
def test_without_a_method_there_is_no_option(command, monkeypatch, capsys):
    monkeypatch.setattr(adapters, "ADAPTATIONS", {})
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert "--adapt" not in capsys.readouterr().out


def test_each_command_lists_its_methods(methods, capsys):
    for command, names in (
        ("predict", "drift, drift_online, toy, toy_online;"),
        ("evaluate", "drift, drift_online;"),
        ("evaluate_3d", "toy, toy_online;"),
    ):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        shown = " ".join(capsys.readouterr().out.split())
        assert "--adapt METHOD[,OPTION=VALUE...]" in shown
        assert f"by one of {names} default: no" in shown


def test_evaluate_3d(methods, lifter, lifter_model, shared_data, tmp_path, capsys):
    """Real poses of motion capture, in their order, each adapted to first."""
    folder = str(shared_data / "mocap" / "cmu_bvh")
    out = tmp_path / "out.json"
    arguments = ["evaluate_3d", f"--model={lifter_model}", "--dataset=mocap"]
    arguments += [f"--data_dir={folder}", "--stride=400", f"--out={out}"]
    reports = {}
    for more in ("", "toy", "toy_online"):
        capsys.readouterr()
        main([*arguments, *([f"--adapt={more}"] if more else [])])
        shown = capsys.readouterr().out
        assert (f"adapted to each pose, in order: {more}" in shown) == bool(more)
        reports[more] = json.loads(out.read_text())
        assert reports[more].get("adaptation", "") == more
    errors = {k: v["unscaled"]["overall"]["mpjpe"] for k, v in reports.items()}
    assert len(set(errors.values())) == 3
    evaluation = LiftingEvaluation(
        load_lifting_dataset("mocap", folder, "test", H36M, stride=400)
    )
    for name, online in (("toy", False), ("toy_online", True)):
        adapter = ToyAdapter(lifter, online)
        adapted = AdaptedModel(adapter, lifter.variables, tf.function)
        positions = AdaptingLifter(lifter, adapted).lift_all(evaluation.keypoints)
        expected = evaluation.scores(positions, flip=False)["unscaled"].overall.mpjpe
        assert errors[name] == pytest.approx(expected, rel=1e-4)
    line = _refusal(capsys, *arguments, "--adapt=toy", "--flip_test")
    assert line == "error: flip_test is given, but a lifter that adapts has none"


def test_lifting_a_file(methods, lifter, lifter_model, tmp_path, capsys):
    """People of a file are one stream, over all its images."""
    rng = np.random.default_rng(0)
    points = rng.uniform(50, 250, (5, 16, 3))
    points[..., 2] = 0.9
    people = [
        {"id": row, "image_id": row // 2, "keypoints": pose.ravel().tolist()}
        for row, pose in enumerate(points)
    ]
    document = tmp_path / "poses.json"
    document.write_text(json.dumps(people))
    main(
        ["predict", str(document), f"--lift={lifter_model}", f"--out={tmp_path}"]
        + ["--skeleton=h36m16", "--image_size=300,400", "--adapt=toy_online"]
    )
    found = json.loads((tmp_path / "poses_3d.json").read_text())["annotations"]
    adapted = AdaptedModel(ToyAdapter(lifter, online=True), lifter.variables)
    size = np.array([300, 400], np.float32)
    seen = np.asarray(normalize_keypoints(points[..., :2].astype(np.float32), size))
    expected = AdaptingLifter(lifter, adapted).lift_all(seen)
    positions = [person["positions"] for person in found]
    assert np.allclose(positions, expected, atol=1e-4)
    line = _refusal(
        capsys, "predict", document, "--lift", lifter_model, "--adapt=drift"
    )
    assert line == "error: adapt: drift is for pose nets, expected pictures"


def test_photos(methods, pose_model, pose_net, coco_folder, tmp_path, capsys):
    photos = coco_folder / "images"
    poses = {}
    for method in ("drift", "drift_online"):
        out = tmp_path / method
        main(
            ["predict", str(photos), f"--model={pose_model}", f"--out={out}"]
            + [f"--adapt={method}"]
        )
        document = json.loads((out / "poses.json").read_text())
        poses[method] = [
            np.reshape(person["keypoints"], (14, 3))
            for person in document["annotations"]
        ]
    plain = TopDownPredictor(pose_net, flip_test=False)
    for row, image in enumerate(document["images"]):
        picture = cv2.imread(image["file_name"])[..., ::-1]
        expected = plain.predict(np.ascontiguousarray(picture)).poses[0]
        # Pixels of the picture to one of the crop.
        scale = 1.25 * max(picture.shape[:2]) / 64
        for method, count in (("drift", 1), ("drift_online", row + 1)):
            moved = poses[method][row] - expected
            assert np.allclose(moved[:, :2], count * scale, atol=0.05 * scale)
    line = _refusal(capsys, "predict", photos, "--adapt=toy")
    assert line == "error: adapt: toy is for lifters, expected --lift"


def test_evaluate(methods, pose_model, shared_data, tmp_path, capsys):
    """The further poses drift, the fewer are right, and the report says why."""
    folder = tmp_path / "few"
    source = shared_data / "lspet"
    document = json.loads((source / "val.json").read_text())
    document["images"] = document["images"][:24]
    kept = {image["id"] for image in document["images"]}
    document["annotations"] = [
        person for person in document["annotations"] if person["image_id"] in kept
    ]
    folder.mkdir()
    (folder / "images").symlink_to(source / "images")
    (folder / "val.json").write_text(json.dumps(document))
    people = load_dataset("coco_format", str(folder), "val")
    out, written = tmp_path / "report.json", tmp_path / "poses.json"
    arguments = ["evaluate", "--model", pose_model, "--data_dir", str(folder)]
    arguments += ["--out", str(out), "--write_results", str(written)]
    arguments += ["--nms_threshold=1"]
    poses = {}
    for method in ("", "drift", "drift_online"):
        adapt = [f"--adapt={method}"] if method else ["--no_flip_test"]
        main([*arguments, *adapt])
        said = json.loads(out.read_text())["protocol"]
        assert said.get("adaptation", "") == method and said["flip test"] == "no"
        poses[method] = np.array(
            [
                np.reshape(pose["keypoints"], (14, 3))[:, :2]
                for pose in json.loads(written.read_text())
            ]
        )
    sides = people.boxes[people.num_labelled > 0, 2:].max(axis=1)
    scale = (1.25 * sides / 64)[:, None, None]
    for method, counts in (("drift", 1), ("drift_online", np.arange(len(sides)) + 1)):
        moved = (poses[method] - poses[""]) / scale
        assert np.allclose(moved, np.reshape(counts, (-1, 1, 1)), atol=0.05)
    line = _refusal(capsys, *arguments, "--adapt=drift", "--decoder=argmax")
    assert line.endswith("decoder is given, but adaptation decodes by itself")
