"""Commands with a pose net that adapts: each step's accuracy, what was left out."""

import json

import cv2
import numpy as np
import pytest

from data_pipelines.readers.datasets import load_dataset
from data_pipelines.top_down import labelled_people
from tests.tiny_metta import make_tiny_metta
from tfpose.cli.adaptation_steps import accuracy_by_step
from tfpose.cli.commands import main


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("metta") / "metta.keras"
    make_tiny_metta().save(path)
    return str(path)


@pytest.fixture(scope="module")
def few(few_athletes) -> str:
    return few_athletes(6)


def test_each_step_has_its_accuracy_and_time(model, few):
    net = make_tiny_metta()
    people = labelled_people(load_dataset("coco_format", few, "val"))
    rows = accuracy_by_step(net, "metta,steps=2,learning_rate=3", people, "half_pixel")
    assert [set(row) for row in rows] == [{"pck", "ap", "ms"}] * 3
    assert all(row["ms"] > 0 for row in rows)
    again = accuracy_by_step(net, "metta,steps=1,learning_rate=3", people, "half_pixel")
    for row, same in zip(rows, again, strict=False):
        assert {**row, "ms": 0} == pytest.approx({**same, "ms": 0})


@pytest.mark.slow
def test_evaluate_tells_the_steps_and_what_was_left_out(model, few, tmp_path, capsys):
    reports = {}
    for name, more in (("plain", []), ("adapted", ["--adapt=metta,limit=1e-9"])):
        out = tmp_path / f"{name}.json"
        main(
            [
                "evaluate",
                f"--model={model}",
                "--dataset=coco_format",
                f"--data_dir={few}",
                "--split=val",
                "--no_flip_test",
                f"--out={out}",
                *more,
            ]
        )
        reports[name] = json.loads(out.read_text())
    shown = capsys.readouterr().out
    assert "after 0 steps: pck" in shown and "after 3 steps: pck" in shown
    assert "steps" not in reports["plain"]
    # Nobody moves so little: all answers are the plain ones.
    plain, adapted = (reports[name]["metrics"]["pck"] for name in reports)
    assert plain == pytest.approx(adapted)
    assert reports["adapted"]["steps"][0]["pck"] == pytest.approx(plain)
    assert any("joints moved too far" in note for note in reports["adapted"]["notes"])


def test_predict_adapts_to_a_photo(model, shared_data, tmp_path):
    photo = next((shared_data / "lspet").glob("*/*.jpg"))
    found = {}
    for name, more in (("plain", []), ("adapted", ["--adapt=metta,learning_rate=3"])):
        out = tmp_path / name
        main(["predict", str(photo), f"--model={model}", f"--out={out}", *more])
        document = json.loads((out / "poses.json").read_text())
        found[name] = np.array(document["annotations"][0]["keypoints"])
    assert found["plain"].shape == found["adapted"].shape
    assert np.abs(found["plain"] - found["adapted"]).max() > 0


def test_predict_says_whom_it_did_not_adapt_to(model, shared_data, tmp_path, capsys):
    photo = next((shared_data / "lspet").glob("*/*.jpg"))
    command = ["predict", str(photo), f"--model={model}", "--adapt=metta,limit=1e-9"]
    main([*command, f"--out={tmp_path / 'poses'}"])
    shown = capsys.readouterr().out
    assert "not adapted to 1 people whose joints moved too far" in shown


@pytest.mark.parametrize("photo_side", (1, 200))
def test_people_smaller_than_the_mask_get_the_plain_answer(
    model, photo_side, tmp_path, capsys
):
    photo = tmp_path / "photo.png"
    noise = np.random.default_rng(0).integers(0, 256, (photo_side, photo_side, 3))
    cv2.imwrite(str(photo), noise)
    found = {}
    for name, more in (
        ("plain", "--adapt=metta,limit=1e-9"),
        ("adapted", "--adapt=metta,learning_rate=3,guard=false,limit=0"),
    ):
        command = [
            "predict",
            str(photo),
            f"--model={model}",
            f"--out={tmp_path / name}",
        ]
        # The box of a far person in a large photo.
        box = f"--box=20,20,{min(photo_side, 4)},{min(photo_side, 4)}"
        main([*command, more, *([box] if photo_side > 20 else [])])
        document = json.loads((tmp_path / name / "poses.json").read_text())
        found[name] = np.array(document["annotations"][0]["keypoints"])
    np.testing.assert_array_equal(found["plain"], found["adapted"])
    assert "not adapted to 1 people smaller than the mask" in capsys.readouterr().out
