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
    for more in ("toy", "toy_online"):
        assert reports[more]["unadapted"]["unscaled"] == reports[""]["unscaled"]
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
    assert line.endswith("it is an option of adapt: toy,flip=true")
    curve = tmp_path / "curve.png"
    main([*arguments, "--adapt=toy", f"--curve={curve}"])
    assert cv2.imread(str(curve)).std() > 5
    for options, message in (
        (["--curve=x.png"], "error: curve is of a lifter that adapts, expected adapt"),
        (["--adapt=toi"], "error: adapt: no method 'toi'; did you mean 'toy'?"),
        (["--adapt=drift"], "error: adapt: drift is for other nets, expected one of "),
        (["--noise=-1"], "error: noise: expected 0 or more pixels, got -1.0"),
        (["--refine=no"], f"error: {lifter_model}: refine: expected one of limbs, "),
    ):
        assert _refusal(capsys, *arguments, *options).startswith(message)


def test_lifting_a_file(methods, lifter, lifter_model, tmp_path, capsys):
    """People of a video are a stream each, whatever their order in a frame; those of
    photos are alone, and an online method leaves them out.
    """
    rng = np.random.default_rng(0)
    bodies = rng.uniform(50, 250, (2, 16, 2))
    frames = bodies[None] + rng.uniform(-5, 5, (4, 2, 16, 2))
    order = [(0, 1), (1, 0), (0, 1), (1, 0)]
    joints = {"keypoints": list(H36M.joints), "id": 1, "name": "person"}
    sides = {"height": 300, "width": 400}
    images = [
        {"id": i, "file_name": "a.mp4", "frame_index": i, "seconds": i / 25, **sides}
        for i in range(4)
    ] + [{"id": 4, "file_name": "a.jpg", **sides}]
    people = [
        {"image_id": i, "who": who, "points": frames[i, who]}
        for i in range(4)
        for who in order[i]
    ] + [{"image_id": 4, "who": 2, "points": bodies[0]}]
    annotations = [
        {
            "id": row,
            "image_id": person["image_id"],
            "keypoints": np.c_[person["points"], np.ones(16)].ravel().tolist(),
        }
        for row, person in enumerate(people)
    ]
    document = tmp_path / "poses.json"
    content = {"images": images, "annotations": annotations, "categories": [joints]}
    size = np.array([300, 400], np.float32)
    for tracked in (False, True):
        if tracked:
            # Who is who is said, and it is the other way round at the end.
            people[6]["who"], people[7]["who"] = people[7]["who"], people[6]["who"]
            for annotation, person in zip(annotations, people, strict=True):
                annotation["track_id"] = person["who"]
        document.write_text(json.dumps(content))
        capsys.readouterr()
        out = tmp_path / f"out_{tracked}"
        main(
            ["predict", str(document), f"--lift={lifter_model}", f"--out={out}"]
            + ["--adapt=toy_online"]
        )
        assert "not adapted to 1 streams of one pose" in capsys.readouterr().out
        found = json.loads((out / "poses_3d.json").read_text())["annotations"]
        for who in range(2):
            rows = [row for row, person in enumerate(people) if person["who"] == who]
            points = np.array([people[row]["points"] for row in rows], np.float32)
            seen = np.asarray(normalize_keypoints(points, size))
            adapted = AdaptedModel(ToyAdapter(lifter, online=True), lifter.variables)
            expected = AdaptingLifter(lifter, adapted).lift_all(seen)
            positions = [found[row]["positions"] for row in rows]
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


def test_evaluate(methods, pose_model, few_athletes, tmp_path, capsys):
    """The further poses drift, the fewer are right, and the report says why."""
    folder = few_athletes(24)
    people = load_dataset("coco_format", folder, "val")
    out, written = tmp_path / "report.json", tmp_path / "poses.json"
    arguments = ["evaluate", "--model", pose_model, "--data_dir", folder]
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
