"""What `predict` tells of people and pictures: tables, marks, words, and in 3D."""

import csv
import itertools
import json

import cv2
import numpy as np

from tests.tfpose.cli.predicting import refused, write_boxes
from tfpose.lifters.build import build_lifter
from tfpose.skeletons import get_skeleton
from tfpose.top_down.predictor import TopDownPredictor


def test_the_table_has_what_the_json_file_has(predict, quick, clip, photos, tmp_path):
    odd = tmp_path / "na,me\udcff.mp4"
    odd.write_bytes(clip.read_bytes())
    boxes = {odd.name: {"1": [[40, 90, 160, 200], [9, 9, 90, 90]]}}
    for photo in photos.iterdir():
        boxes[photo.name] = [[10, 10, 50, 50]]
    boxes[next(photos.iterdir()).name] = []
    document = predict(odd, photos, boxes=write_boxes(tmp_path, boxes), format="csv")
    with open(
        predict.out / "poses.csv",
        newline="",
        encoding="utf-8",
        errors="surrogateescape",
    ) as file:
        rows = list(csv.DictReader(file))
    joints = document["categories"][0]["keypoints"]
    people, images = document["annotations"], document["images"]
    assert len(people) == 3 and len(rows) == 3 * 14
    for row, (person, joint) in zip(
        rows, itertools.product(people, joints), strict=True
    ):
        image = images[person["image_id"] - 1]
        assert row["file_name"] == image["file_name"]
        for name in ("frame_index", "seconds"):
            assert row[name] == str(image.get(name, ""))
        assert row["person"] == str(person["id"]) and row["joint"] == joint
        assert row["track_id"] == str(person.get("track_id", ""))
        place = 3 * joints.index(joint)
        found = [float(row[name]) for name in ("x", "y", "score")]
        assert found == person["keypoints"][place : place + 3]


def test_uncertain_joints_are_marked(predict, quick, photos, monkeypatch):
    photo = next(photos.iterdir())
    scores = np.where(np.arange(14) % 3, 0.9, 0.3)
    points = np.random.default_rng(0).uniform(16, 48, (14, 2))
    monkeypatch.setattr(
        TopDownPredictor, "locate", lambda self, images: (points[None], scores[None])
    )
    drawn = {}
    for threshold in (0.2, 0.5):
        monkeypatch.setattr(TopDownPredictor, "score_threshold", threshold)
        document = predict(photo, box="10,10,90,90", format="csv")
        (person,), (category,) = document["annotations"], document["categories"]
        names = np.array(category["keypoints"])
        wanted = names[::3].tolist() if threshold == 0.5 else []
        assert person["uncertain"] == wanted
        assert person["num_keypoints"] == 14 - len(wanted)
        assert category["score_threshold"] == threshold
        with open(predict.out / "poses.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [r["joint"] for r in rows if r["certain"] == "0"] == wanted
        drawn[threshold] = cv2.imread(str(predict.out / f"{photo.stem}_pose.png"))
    assert (drawn[0.2] != drawn[0.5]).any()


def test_each_box_has_a_person_however_little_they_score(
    predict, quick, photos, monkeypatch
):
    points, scores = np.full((1, 14, 2), 20.0), np.full((1, 14), -0.1)
    monkeypatch.setattr(
        TopDownPredictor, "locate", lambda self, images: (points, scores)
    )
    document = predict(next(photos.iterdir()), box="10,10,90,90")
    (person,) = document["annotations"]
    assert person["score"] < 0


def test_a_net_that_was_given_whole_pictures_says_so(
    predict, quick, photos, shared_data, capsys
):
    predict(photos)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("one person was taken to fill each picture")
    assert "--boxes=FILE, or a --model that finds" in said[0] and len(said) == 2
    for boxes in ({"boxes": shared_data / "coco" / "train.json"}, {"box": "9,9,90,90"}):
        predict(photos, **boxes)
        assert "one person" not in capsys.readouterr().out


def test_what_failed_does_not_keep_the_rest_from_being_lifted(
    predict, quick, photos, tmp_path, capsys
):
    net = build_lifter("martinez_small", get_skeleton("lsp14"))
    net.save(tmp_path / "lifter.keras")
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(next(photos.iterdir()).read_bytes()[:900])
    lines = refused(capsys, predict, damaged, photos, lift=tmp_path / "lifter.keras")
    assert len(lines) == 2 and lines[0].startswith(f"not used: {damaged}: ")
    assert lines[1] == "error: " + lines[0].removeprefix("not used: ")
    lifted = json.loads((predict.out / "poses_3d.json").read_text())
    assert len(lifted["annotations"]) == 2
    # With nothing to lift there is one line, about the reason.
    (line,) = refused(capsys, predict, damaged, lift=tmp_path / "lifter.keras")
    assert line.startswith(f"error: {damaged}: ")
