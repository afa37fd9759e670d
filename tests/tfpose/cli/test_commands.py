"""Commands, as people use and misuse them, on real photos."""

import json
import os
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest

from data_pipelines.images import decode_image
from data_pipelines.readers.coco_format import read_coco
from tests.tfpose.cli.refusing import refusal
from tfpose.cli.commands import main
from tfpose.skeletons import get_skeleton
from tfpose.top_down.net import build_heatmap_net
from tfpose.top_down.predictor import TopDownPredictor
from tfpose.weights.keras_file import load_keras

LSP = get_skeleton("lsp14")


@pytest.fixture(scope="module")
def model(pose_model):
    """An untrained pose net whose heatmaps are far from 0."""
    return pose_model


@pytest.fixture
def photos(shared_data, tmp_path):
    """Two folders with three photos, two of one name."""
    real = sorted((shared_data / "lspet" / "images").rglob("*.jpg"))[:3]
    names = ("one/a.jpg", "one/b.jpg", "two/a.jpg")
    for source, name in zip(real, names, strict=True):
        target = tmp_path / "photos" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    return tmp_path / "photos"


def test_predict(photos, model, tmp_path, capsys):
    out = tmp_path / "out"
    one, two = photos / "one", photos / "two"
    # A photo that is named twice is done once.
    main(
        ["predict", str(one), str(two), str(one / "b.jpg"), "--model", model]
        + ["--out", str(out)]
    )
    assert sorted(path.name for path in out.iterdir()) == [
        "a_2_pose.png",
        "a_pose.png",
        "b_pose.png",
        "poses.json",
    ]
    assert "3/3" in capsys.readouterr().out
    found = json.loads((out / "poses.json").read_text())
    assert [image["file_name"] for image in found["images"]] == [
        str(one / "a.jpg"),
        str(one / "b.jpg"),
        str(two / "a.jpg"),
    ]
    assert found["categories"][0]["keypoints"] == list(LSP.joints)
    predictor = TopDownPredictor(load_keras(model))
    for image, pose in zip(found["images"], found["annotations"], strict=True):
        assert pose["image_id"] == image["id"]
        with open(image["file_name"], "rb") as file:
            photo = decode_image(file.read())
        assert photo.shape[:2] == (image["height"], image["width"])
        assert pose["bbox"] == [0, 0, image["width"], image["height"]]
        people = predictor.predict(photo)
        expected, scores = people.poses[0], people.joint_scores
        assert np.allclose(np.reshape(pose["keypoints"], (14, 3)), expected, atol=2e-3)
        assert pose["score"] == pytest.approx(scores.mean(), abs=1e-3)
    pictures = [cv2.imread(str(out / name)) for name in ("a_pose.png", "a_2_pose.png")]
    for picture, folder in zip(pictures, (one, two), strict=True):
        photo = cv2.imread(str(folder / "a.jpg"))
        assert picture.shape == photo.shape
        same = (picture == photo).all(axis=-1).mean()
        # The photo with limbs on it.
        assert 0.3 < same < 1


def test_predict_in_a_box(photos, model, tmp_path):
    photo = photos / "one" / "a.jpg"
    main(
        ["predict", str(photo), "--model", model, "--box", "20,30,60.5,70"]
        + ["--out", str(tmp_path / "out")]
    )
    found = json.loads((tmp_path / "out" / "poses.json").read_text())
    assert found["annotations"][0]["bbox"] == [20, 30, 60.5, 70]


def test_one_bad_photo_does_not_lose_the_others(photos, model, tmp_path, capsys):
    bad = photos / "one" / "a.jpg"
    bad.write_bytes(bad.read_bytes()[:2000])
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as stop:
        main(["predict", str(photos / "one"), "--model", model, "--out", str(out)])
    assert stop.value.code == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2 and "a.jpg" in errors[0]
    assert errors[1].startswith("error: ") and "truncated" in errors[1]
    images = json.loads((out / "poses.json").read_text())["images"]
    assert [image["file_name"] for image in images] == [str(photos / "one" / "b.jpg")]
    assert (out / "b_pose.png").exists() and not (out / "a_pose.png").exists()


def test_predict_refuses_in_one_line(photos, model, tmp_path, capsys):
    photo = photos / "one" / "a.jpg"
    out = ["--out", tmp_path / "out"]

    def refused(path=photo, model=model, more=()):
        return refusal(capsys, "predict", path, "--model", model, *out, *more)

    assert "nowhere.jpg: no such file" in refused("nowhere.jpg")
    assert "found none" in refused(tmp_path.parent / tmp_path.name / "photos")
    assert "none.keras: no such file" in refused(model="none.keras")
    assert "a.jpg: expected a .keras model" in refused(model=photo)
    for box in ("1,2,3", "a,b,c,d", ""):
        assert "expected x,y,w,h" in refused(more=("--box", box))
    for box in ("5,5,0,9", "1000,0,5,5", "nan,0,5,5"):
        line = refused(more=("--box", box))
        assert "a.jpg: box: expected" in line and " px, got " in line
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(photo.read_bytes()[:500])
    assert "broken.jpg: truncated JPEG" in refused(broken)
    broken.write_text("no photo")
    assert "broken.jpg" in refused(broken)
    assert not (tmp_path / "out").exists()


def test_a_jigsaw_net_is_refused(photos, tmp_path, capsys):
    path = tmp_path / "jigsaw.keras"
    info = {"task": "hsjp", "grid": 3, "sigma": 3.0}
    build_heatmap_net("hrnet_tiny", (64, 64), 9, info=info).save(path)
    line = refusal(capsys, "predict", photos / "one" / "a.jpg", "--model", path)
    assert "jigsaw.keras: model: expected a pose net" in line
    assert "trainers.top_down" in line
    line = refusal(capsys, "evaluate", "--model", path, "--data_dir", photos)
    assert "jigsaw.keras" in line


def test_results_that_cannot_be_written(photos, model, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    photo = photos / "one" / "a.jpg"
    line = refusal(
        capsys, "predict", photo, "--model", model, "--out", tmp_path / "file"
    )
    assert "cannot be written" in line
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.fixture
def small_val(shared_data, tmp_path):
    """40 people of the real validation set."""
    source = shared_data / "lspet"
    content = json.loads((source / "val.json").read_text())
    content["images"] = content["images"][:40]
    ids = {image["id"] for image in content["images"]}
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] in ids]
    folder = tmp_path / "lspet"
    for image in content["images"]:
        target = folder / "images" / image["file_name"].removeprefix("images/")
        target.parent.mkdir(parents=True, exist_ok=True)
        origin = source / "images" / image["file_name"].removeprefix("images/")
        shutil.copy(origin, target)
    (folder / "val.json").write_text(json.dumps(content))
    return folder


def test_evaluate(small_val, model, tmp_path, capsys):
    out = tmp_path / "deep" / "metrics.json"
    main(
        ["evaluate", "--model", model, "--data_dir", str(small_val)]
        + ["--out", str(out)]
    )
    shown = capsys.readouterr().out
    written = json.loads(out.read_text())
    assert {"pck", "pck_mean"} <= set(written["metrics"])
    assert 0 <= written["metrics"]["pck"] < 0.3
    assert f"{written['metrics']['pck']:.4f}" in shown
    assert "40 people" in shown and "flip test: yes, shifted by 0" in shown


def test_evaluate_refuses_in_one_line(small_val, model, tmp_path, capsys):
    def refused(folder, *more):
        return refusal(
            capsys, "evaluate", "--model", model, "--data_dir", folder, *more
        )

    assert "nowhere: no such folder" in refused(tmp_path / "nowhere")
    assert "train.json: not there" in refused(small_val, "--split", "train")
    photo = next((small_val / "images").rglob("*.jpg"))
    photo.write_bytes(photo.read_bytes()[:1000])
    line = refused(small_val)
    assert photo.name in line and "truncated" in line
    content = json.loads((small_val / "val.json").read_text())
    content["annotations"] = [
        {k: v for k, v in a.items() if k != "keypoints"} for a in content["annotations"]
    ]
    (small_val / "val.json").write_text(json.dumps(content))
    assert "has a labelled joint" in refused(small_val)


@pytest.fixture
def hands(shared_data, tmp_path):
    """A folder of people labelled with joints that no body has."""
    folder = tmp_path / "hands"
    folder.mkdir()
    (folder / "images").symlink_to(shared_data / "coco" / "images")
    content = json.loads((shared_data / "coco" / "train.json").read_text())
    content["categories"][0]["keypoints"] = [f"knuckle_{n}" for n in range(17)]
    (folder / "train.json").write_text(json.dumps(content))
    return folder


def test_evaluate_refuses_a_set_without_a_joint_of_the_net(hands, model, capsys):
    line = refusal(
        capsys, "evaluate", "--model", model, "--data_dir", hands, "--split", "train"
    )
    assert str(hands) in line and "expected some of the model's, lsp14" in line


def test_keypoint_priors_need_no_images(shared_data, tmp_path, capsys):
    shutil.copy(shared_data / "lspet" / "val.json", tmp_path / "alone.json")
    out = tmp_path / "priors"
    main(["keypoint_priors", str(tmp_path / "alone.json"), "--out", str(out)])
    lines = capsys.readouterr().out.splitlines()
    for joint in LSP.joints:
        assert sum(line.startswith(f"{joint} ") for line in lines) == 1
    assert next(line for line in lines if line.startswith("head_top")).split()[2:6] == [
        "in",
        "row",
        "1,",
        "column",
    ]
    assert {path.name for path in out.iterdir()} == {
        "keypoint_priors.json",
        "head.png",
        "upper_limbs.png",
        "lower_limbs.png",
    }
    joints = json.loads((out / "keypoint_priors.json").read_text())["joints"]
    assert list(joints) == list(LSP.joints)
    with_images, _ = read_coco(
        shared_data / "lspet" / "val.json", shared_data / "lspet" / "images"
    )
    labelled = (with_images.keypoints[..., 2] > 0).sum(axis=0)
    for joint, count in zip(joints.values(), labelled, strict=True):
        assert np.shape(joint["fractions"]) == (3, 3)
        assert np.sum(joint["fractions"]) == pytest.approx(1, abs=1e-4)
        assert joint["inside"] + joint["outside"] == count


def _annotations(tmp_path, **image):
    """One person with a joint in the middle of each quarter of the box."""
    points = [(2.5, 4.5), (7.5, 4.5), (2.5, 14.5), (7.5, 14.5)]
    keypoints = [v for x, y in points for v in (x - 0.5 + 10, y - 0.5 + 20, 2)]
    person = {"id": 1, "image_id": 5, "category_id": 1, "bbox": [10, 20, 10, 19]}
    joints = ["nose", "neck", "left_hip", "right_hip"]
    content = {
        "images": [{"id": 5, "file_name": "gone.jpg", **image}],
        "annotations": [{**person, "keypoints": keypoints}],
        "categories": [{"id": 1, "name": "person", "keypoints": joints}],
    }
    path = tmp_path / "people.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("image", [{}, {"width": 90, "height": 90}, {"width": 5}])
def test_keypoint_priors_count_cells(tmp_path, capsys, image):
    path, out = _annotations(tmp_path, **image), tmp_path / "out"
    main(["keypoint_priors", str(path), "--out", str(out), "--grid", "2"])
    joints = json.loads((out / "keypoint_priors.json").read_text())["joints"]
    cells = [np.ravel(joint["fractions"]).argmax() for joint in joints.values()]
    assert cells == [0, 1, 2, 3]
    assert all(joint["inside"] == 1 for joint in joints.values())


def test_keypoint_priors_refuse_in_one_line(tmp_path, capsys):
    def refused(*arguments):
        return refusal(capsys, "keypoint_priors", *arguments)

    path = _annotations(tmp_path)
    assert "grid: expected at least 1" in refused(path, "--grid", 0)
    assert "none.json: not readable" in refused(tmp_path / "none.json")
    assert "skeleton" in refused(path, "--skeleton", "coco71")
    path.write_text("{")
    assert "people.json: not JSON at line 1" in refused(path)


def _start(*arguments):
    # Without what tests set to keep TensorFlow quiet.
    hushed = ("TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS")
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if k not in hushed},
    )


def test_help_needs_no_tensorflow():
    done = _start("-X", "importtime", "-m", "tfpose", "--help")
    assert done.returncode == 0 and "keypoint_priors" in done.stdout
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "numpy" in imported and not {"tensorflow", "keras"} & imported


def test_errors_come_alone():
    done = _start("-m", "tfpose", "predict", "nowhere.jpg", "--model=x")
    assert done.returncode == 2
    assert done.stderr == "error: nowhere.jpg: no such file or folder\n"
