"""`python -m export.litert`: files and report, on pictures whose answers are known."""

import json

import cv2
import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from export.litert import measure as litert_measure
from export.litert.__main__ import main
from export.litert.file import read_metadata
from export.litert.latency import measure
from tests.export.conftest import DOTS_SIZE, dots_pictures


@pytest.fixture(scope="module")
def model(dots_net, tmp_path_factory):
    """A `.keras` file of the net that finds dots."""
    path = tmp_path_factory.mktemp("net") / "dots.keras"
    dots_net.save(path)
    return str(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """12 pictures of dots to train with and 9 to validate with, in COCO format."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "images").mkdir()
    height, width = DOTS_SIZE
    # A box with a quarter more around it is the picture.
    box = [0.1 * width, 0.1 * height, 0.8 * width, 0.8 * height]
    joints = ["head", "left_hand", "right_hand"]
    for seed, (split, count) in enumerate((("train", 12), ("val", 9))):
        pictures, points = dots_pictures(count, seed)
        images, annotations = [], []
        for i, picture in enumerate(pictures):
            name = f"{split}{i}.png"
            cv2.imwrite(str(folder / "images" / name), picture[..., ::-1])
            images.append(
                {"id": i, "file_name": name, "height": height, "width": width}
            )
            labels = np.column_stack([points[i], [2, 2, 2]])
            annotations.append(
                {
                    "id": i,
                    "image_id": i,
                    "category_id": 1,
                    "bbox": box,
                    "keypoints": labels.ravel().tolist(),
                }
            )
        content = {
            "images": images,
            "annotations": annotations,
            "categories": [{"id": 1, "name": "person", "keypoints": joints}],
        }
        (folder / f"{split}.json").write_text(json.dumps(content))
    return folder


def test_model_sidecar_and_report_are_written(
    model, data, tmp_path, capsys, monkeypatch
):
    # Each in a process of its own is right for times, and slow.
    monkeypatch.setattr(litert_measure, "measure_apart", measure)
    out = tmp_path / "out"
    main(
        [f"--model={model}", f"--out={out}", "--quantize=int8", f"--data_dir={data}"]
        + ["--runs=3"]
    )
    content = (out / "model.tflite").read_bytes()
    told = json.loads((out / "model.json").read_text())
    inside = read_metadata(content)
    assert told["litert"].pop("bytes") == len(content)
    assert told["litert"].pop("operators")["locate"]["nodes"] > 50
    assert told == inside and told["litert"]["quantize"] == "int8"
    assert told["litert"]["calibration_samples"] == 12
    assert told["name"] == "dots" and told["skeleton"]["joints"][0] == "head"

    report = json.loads((out / "report.json").read_text())
    names = [form["name"] for form in report["forms"]]
    assert names == ["Keras float", "LiteRT float", "LiteRT int8"]
    assert {form["signature"] for form in report["forms"]} == {"locate"}
    original, floating, int8 = report["forms"]
    assert original["metrics"]["pck"] == 1
    assert floating["metrics"] == original["metrics"]
    assert floating["difference"]["max"] < 1e-3 < int8["difference"]["max"] < 0.5
    assert int8["bytes"] == len(content)
    assert [row["threads"] for row in int8["latency"]] == [1, 2]
    assert all(row["median_ms"] > 0 for row in int8["latency"])
    assert int8["operators"]["CONV_2D"] >= 1
    assert "CONV_2D" not in int8["not_delegated"]

    page = (out / "report.md").read_text()
    assert "9 people of" in page and "| LiteRT int8 | 100.00 % |" in page
    assert cv2.imread(str(out / "report.png")).shape[1] > 800
    assert "LiteRT int8      locate: " in capsys.readouterr().out


def test_several_forms_by_a_folder_of_pictures(model, data, tmp_path):
    out = tmp_path / "out"
    main(
        [f"--model={model}", f"--out={out}", "--quantize=none,int8", "--runs=0"]
        + [f"--calibration={data / 'images'}", "--calibration_samples=5"]
        + ["--image_size=128,96", "--dtype=float32"]
    )
    found = {}
    for form in ("none", "int8"):
        content = (out / f"model_{form}.tflite").read_bytes()
        assert read_metadata(content)["image_size"] == [128, 96]
        run = Interpreter(model_content=content).get_signature_runner()
        picture, points = (part[0] for part in dots_pictures(1, seed=7))
        large = cv2.resize(picture, (96, 128)).astype(np.float32)
        found[form] = run(image=large[None])["keypoints"][0]
        assert np.abs(found[form] - (2 * points + 0.5)).max() < 1.5
    assert not np.array_equal(found["none"], found["int8"])
    report = json.loads((out / "report.json").read_text())
    assert [form["metrics"] for form in report["forms"]] == [{}, {}]
    assert report["data"] == ""


def test_lifters_have_a_report_on_real_poses(
    lifter_net, mocap_folder, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(litert_measure, "measure_apart", measure)
    lifter_net.save(tmp_path / "lifter.keras")
    out = tmp_path / "out"
    main(
        [f"--model={tmp_path / 'lifter.keras'}", f"--out={out}", "--dataset=mocap"]
        + [f"--data_dir={mocap_folder}", "--subjects=bd", "--limit=40", "--runs=3"]
        + ["--quantize=fp16"]
    )
    report = json.loads((out / "report.json").read_text())
    keras_form, exact, half = report["forms"]
    assert report["unit_of_difference"] == "mm"
    assert keras_form["metrics"]["mpjpe_mm"] > 100  # It has learned nothing.
    for form, near in ((exact, 1e-2), (half, 5)):
        expected = pytest.approx(keras_form["metrics"]["mpjpe_mm"], abs=near)
        assert form["metrics"]["mpjpe_mm"] == expected
        assert [row["threads"] for row in form["latency"]] == [1, 2]
    with pytest.raises(SystemExit):
        main(
            [f"--model={tmp_path / 'lifter.keras'}", f"--out={out}", "--dataset=mocap"]
            + [f"--data_dir={mocap_folder}", "--subjects=bd,nobody"]
        )
    assert "no subject 'nobody'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--quantize=int4"], "quantize: 'int4' is none of none, fp16, dynamic, int8"),
        (["--quantize=int8"], "int8 must see real inputs: expected --calibration"),
        (["--image_size=64"], "image_size is '64', expected HEIGHT,WIDTH"),
        (["--skeleton=coco17"], "skeleton is for lifters"),
        (["--stride=2"], "stride is for lifters, and this net is a pose net"),
        (["--dtype=int8"], "dtype is 'int8'"),
        (["--dataset=3dpw"], "dataset is '3dpw', expected for this net one of"),
        (["--data_dir=nowhere"], "nowhere"),
    ],
)
def test_bad_choices_end_with_one_line(model, tmp_path, capsys, options, message):
    with pytest.raises(SystemExit) as ended:
        main([f"--model={model}", f"--out={tmp_path / 'out'}", *options])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith("error: ") and message in said and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_what_is_no_pose_net_is_refused(tmp_path, capsys):
    path = str(tmp_path / "other.keras")
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(path)
    for model, message in ((path, "expected a pose net or lifter"), ("no", "no such")):
        with pytest.raises(SystemExit):
            main([f"--model={model}", f"--out={tmp_path / 'out'}"])
        assert message in capsys.readouterr().err
