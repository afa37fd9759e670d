"""What a net's scores mean, measured, told and kept in its file."""

import json
import pathlib
import shutil

import cv2
import keras
import numpy as np
import pytest

from tests.tiny_logocap import tiny_logocap
from tfpose.cli import calibrate as module
from tfpose.cli import dataset_people
from tfpose.cli.commands import main
from tfpose.cli.dataset_people import DatasetPeople
from tfpose.cli.models import load_predictor
from tfpose.top_down.crop import transform_points


@pytest.fixture
def knowing(monkeypatch):
    """A net whose first seven joints are right, with 0.75, the others wrong, with
    0.375.

    Of joints that have no label it is as certain as of the others.
    """

    def locate(predictor, sampler):
        points = sampler.people.keypoints[..., :2].astype(float)
        points[:, 7:] += 300
        scores = np.full(points.shape[:2], 0.375, np.float32)
        scores[:, :7] = 0.75
        return transform_points(sampler.matrices, points), scores

    monkeypatch.setattr(dataset_people, "_locate", locate)


def test_a_net_learns_what_its_scores_mean(
    knowing, pose_model, few_athletes, tmp_path, capsys
):
    out = tmp_path / "out"
    assert load_predictor(pose_model).score_threshold == 0.2
    arguments = [f"--model={pose_model}", f"--data_dir={few_athletes(12)}"]
    main(["calibrate", *arguments, f"--out={out}"])
    assert f"score_threshold 0.38; in {out}" in capsys.readouterr().out
    told = json.loads((out / "reliability.json").read_text())
    assert told["people"].startswith("12 people of ")
    assert told["right"] == "within 0.2 of the torso's diagonal"
    assert (told["right_above"], told["right_below"]) == (1, 0)
    bins = {row["from"]: row for row in told["bins"]}
    assert (bins[0.7]["right"], bins[0.3]["right"], bins[0.1]["right"]) == (1, 0, None)
    page = (out / "reliability.md").read_text()
    assert "| 0.7 to 0.8 | " in page and " | 100 % | " in page
    assert cv2.imread(str(out / "reliability.png")).shape[1] > 500
    # The same net, that knows.
    before, after = (load_predictor(p) for p in (pose_model, str(out / "model.keras")))
    assert after.score_threshold == 0.38
    for one, other in zip(
        before.net.get_weights(), after.net.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_nobody_with_a_torso_is_refused(pose_model, few_athletes, tmp_path, capsys):
    folder = pathlib.Path(few_athletes(2))
    document = json.loads((folder / "val.json").read_text())
    for person in document["annotations"]:
        person["keypoints"][3:] = [0] * (len(person["keypoints"]) - 3)
        person["num_keypoints"] = 1
    (folder / "val.json").write_text(json.dumps(document))
    command = f"calibrate --model={pose_model} --data_dir={folder} --out={tmp_path}"
    with pytest.raises(SystemExit) as stop:
        main(command.split())
    assert stop.value.code == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert "nobody has a torso's diagonal, nothing to compare with" in told


def test_a_net_that_finds_people_learns_who_is_one(
    shared_data, tmp_path, capsys, monkeypatch
):
    """Finds everybody of COCO's photos with 0.75, and a stranger with 0.25 on each."""
    keras.utils.set_random_seed(0)
    model, out = tmp_path / "crowd.keras", tmp_path / "out"
    net = tiny_logocap(slots=12)
    net.save(model)

    def find(predictor, people):
        rows = np.flatnonzero(people.num_labelled > 0)
        photos = np.unique(people.image_index[rows])
        places = np.concatenate(
            [people.keypoints[rows, :, :2], np.full((len(photos), 17, 2), -1e4)]
        ).astype(float)
        scores = np.repeat([0.75, 0.25], [len(rows), len(photos)])
        index = np.concatenate([people.image_index[rows], photos])
        boxes = np.zeros((len(index), 4))
        joints = np.repeat(scores[:, None], 17, axis=1).astype(np.float32)
        return DatasetPeople(places, joints, scores, boxes, index, boxes[:, 0])

    monkeypatch.setattr(module, "find_people", find)
    data = [f"--data_dir={shared_data / 'coco'}", "--split=train"]
    main(["calibrate", f"--model={model}", *data, f"--out={out}"])
    assert "person_threshold 0.25" in capsys.readouterr().out
    told = json.loads((out / "reliability.json").read_text())
    # Twenty of a photo are compared, as COCO's evaluation does.
    assert told["person_threshold"] == 0.25 and told["found"] > 0.9
    assert told["right"] == pytest.approx(1, abs=0.1)
    assert "of labelled people" in (out / "reliability.md").read_text()
    after = load_predictor(str(out / "model.keras"))
    assert (after.person_threshold, after.score_threshold) == (0.25, 0)


def test_a_net_that_finds_nobody_is_refused(shared_data, tmp_path, capsys):
    net = tiny_logocap(slots=12)
    head = net.dense_model.get_layer("heat_head")
    head.bias.assign(np.full(head.bias.shape, -10))
    net.save(tmp_path / "blind.keras")
    folder = tmp_path / "val"
    folder.mkdir()
    source = shared_data / "formats" / "coco"
    shutil.copy(source / "test_coco.json", folder / "val.json")
    (folder / "images").symlink_to(source)
    command = f"calibrate --model={tmp_path / 'blind.keras'} --data_dir={folder}"
    with pytest.raises(SystemExit) as stop:
        main([*command.split(), f"--out={tmp_path / 'out'}"])
    assert stop.value.code == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.endswith("val: the net finds none of the labelled people")
