"""Poses of photos with boxes and of real video, and what happens on the way."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest

from data_pipelines.video import VideoReader, VideoWriter
from tfpose.cli import predict as module
from tfpose.cli.commands import main
from tfpose.top_down.predictor import TopDownPredictor

FRAMES = 30


@pytest.fixture(scope="module")
def clip(shared_data, tmp_path_factory):
    """The first frames of a real video, a quarter as wide and high."""
    path = tmp_path_factory.mktemp("clip") / "one.mp4"
    writer = VideoWriter(path, 60)
    source = VideoReader(shared_data / "video" / "one_person.mp4")
    for frame in itertools.islice(source, FRAMES):
        writer.write(cv2.resize(frame.image, (270, 480), interpolation=cv2.INTER_AREA))
    writer.close()
    return path


@pytest.fixture
def photos(shared_data, tmp_path):
    """A folder of two photos with several people each."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for source in sorted((shared_data / "coco" / "images").glob("*.jpg"))[:2]:
        shutil.copy(source, folder)
    return folder


@pytest.fixture
def quick(monkeypatch, pose_net):
    """Poses at fixed places of the crop, without a net's time and loading."""

    def locate(self, images):
        count = len(images) if isinstance(images, np.ndarray) else images.shape[0]
        points = np.random.default_rng(0).uniform(16, 48, (14, 2))
        return np.tile(points, (count, 1, 1)), np.full((count, 14), 0.9)

    monkeypatch.setattr("tfpose.top_down.predictor.TopDownPredictor.locate", locate)
    monkeypatch.setattr(
        module, "load_predictor", lambda path, adapt: TopDownPredictor(pose_net)
    )


@pytest.fixture
def predict(pose_model, tmp_path):
    """Runs the command and returns its JSON file's content."""
    out = tmp_path / "out"

    def run(*paths, **options):
        more = [f"--{name}={value}" for name, value in options.items()]
        main(
            [
                "predict",
                *map(str, paths),
                f"--model={pose_model}",
                f"--out={out}",
                *more,
            ]
        )
        return json.loads((out / "poses.json").read_text())

    run.out = out
    return run


def _refused(capsys, run, *paths, **options):
    """All lines on stderr of a command that ends with exit code 2."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        run(*paths, **options)
    assert stop.value.code == 2
    return capsys.readouterr().err.splitlines()


def _boxes(tmp_path, content):
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(content))
    return path


def test_video(predict, quick, clip, tmp_path, capsys):
    boxes = {str(index): [[40, 90, 160, 200]] for index in range(FRAMES)}
    boxes["3"] = []
    boxes["5"] *= 2
    document = predict(clip, boxes=_boxes(tmp_path, boxes))
    assert sorted(os.listdir(predict.out)) == ["one_pose.mp4", "poses.json"]
    drawn, source = VideoReader(predict.out / "one_pose.mp4"), VideoReader(clip)
    assert drawn.fps == source.fps
    changes = []
    for new, old in zip(drawn, source, strict=True):
        assert new.image.shape == old.image.shape == (480, 270, 3)
        changed = np.abs(new.image.astype(int) - old.image).max(axis=-1) > 60
        changes.append(changed.sum())
    assert changes[3] < 30 and min(changes[:3] + changes[4:]) > 200
    images, people = document["images"], document["annotations"]
    assert [image["frame_index"] for image in images] == list(range(FRAMES))
    assert [image["seconds"] for image in images] == pytest.approx(
        [index / 60 for index in range(FRAMES)], abs=1e-3
    )
    assert {image["file_name"] for image in images} == {str(clip)}
    frames = [images[person["image_id"] - 1]["frame_index"] for person in people]
    expected = [0, 1, 2, 4, 5, 5, *range(6, FRAMES)]
    assert frames == expected
    assert f"{FRAMES}/{FRAMES} pictures, {FRAMES} people" in capsys.readouterr().out
    # What is written can be given as boxes again.
    again = predict(clip, boxes=shutil.copy(predict.out / "poses.json", tmp_path))
    assert again["annotations"] == people


def test_a_net_sees_the_same_in_a_video_and_a_picture(predict, clip, tmp_path):
    """The frame that is given alone has the pose that it has in the video."""
    boxes = {"0": [[40, 90, 160, 200]], "1": [], "2": [[50, 80, 150, 220]]}
    document = predict(clip, boxes=_boxes(tmp_path, boxes))
    photo = tmp_path / "frame.png"
    frame = next(itertools.islice(VideoReader(clip), 2, None))
    cv2.imwrite(str(photo), frame.image[..., ::-1])
    alone = predict(photo, box="50,80,150,220")["annotations"][0]["keypoints"]
    assert np.allclose(document["annotations"][1]["keypoints"], alone, atol=1e-2)


def test_boxes_of_photos(predict, quick, photos, shared_data, capsys):
    document = json.loads((shared_data / "coco" / "train.json").read_text())
    found = predict(photos, boxes=shared_data / "coco" / "train.json")
    names = {image["id"]: image["file_name"] for image in document["images"]}
    for image in found["images"]:
        name = os.path.basename(image["file_name"])
        expected = [
            person["bbox"]
            for person in document["annotations"]
            if os.path.basename(names[person["image_id"]]) == name
        ]
        poses = [p for p in found["annotations"] if p["image_id"] == image["id"]]
        assert [pose["bbox"] for pose in poses] == expected and expected
        for pose in poses:
            # Each pose is where its box is.
            middle = np.reshape(pose["keypoints"], (14, 3))[:, :2].mean(axis=0)
            x, y, w, h = pose["bbox"]
            assert np.abs(middle - [x + w / 2, y + h / 2]).max() < max(w, h) / 4


def test_bad_boxes_cost_themselves_only(predict, quick, photos, clip, tmp_path, capsys):
    first, second = sorted(photos.iterdir())
    boxes = {
        first.name: [[10, 10, 50, 50], [5000, 0, 9, 9], [20, 10, 50, 50]],
        "one.mp4": {"1": [[0, 900, 9, 9]], "2": [[0, 0, 90, 90]]},
    }
    lines = _refused(capsys, predict, photos, clip, boxes=_boxes(tmp_path, boxes))
    assert len(lines) == 4
    assert lines[0].startswith(f"not used: {second}: ") and "has no entry" in lines[0]
    assert lines[1].startswith(f"not used: {first}: box: expected finite")
    assert lines[2].startswith(f"not used: {clip}: frame 1: box: expected finite")
    assert lines[3] == "error: 3 photos, videos or boxes were not used or written"
    document = json.loads((predict.out / "poses.json").read_text())
    assert [p["bbox"][0] for p in document["annotations"]] == [10, 20, 0]
    assert len(document["images"]) == 1 + FRAMES


def test_boxes_that_seem_to_be_two_corners_are_said(
    predict, quick, shared_data, capsys
):
    folder = shared_data / "cases" / "boxes"
    predict(folder / "p.jpg", boxes=folder / "xyxy_overhang.json")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"check: {folder / 'p.jpg'}: boxes reach over")
    predict(folder / "p.jpg", boxes=folder / "Person_capital.json")
    assert not capsys.readouterr().err


def test_a_damaged_video_is_done_as_far_as_it_goes(
    predict, quick, shared_data, tmp_path, capsys
):
    whole = (shared_data / "video" / "one_person.mp4").read_bytes()
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(whole[:150000])
    lines = _refused(capsys, predict, damaged)
    assert len(lines) == 2 and "damaged.mp4: frame" in lines[0]
    assert lines[1].startswith("error: ") and "though the video says" in lines[1]
    done = VideoReader(predict.out / "damaged_pose.mp4").announced
    document = json.loads((predict.out / "poses.json").read_text())
    assert 0 < done == len(document["images"]) < 100


@pytest.mark.slow
def test_names_that_are_no_utf_8(photos, pose_model, tmp_path):
    """Under a plain C locale, too. TensorFlow is loaded anew."""
    name, out = b"a\xff:b.jpg", b"poses \xfe"
    folder = os.fsencode(tmp_path)
    shutil.copy(next(photos.iterdir()), folder + b"/" + name)
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    python = [sys.executable, "-m", "tfpose", "predict", f"--model={pose_model}"]
    done = subprocess.run(
        [*map(os.fsencode, python), name, b"--out=" + out],
        cwd=tmp_path,
        env=os.environ | plain | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    written = sorted(os.listdir(folder + b"/" + out))
    assert written == [b"a\xff:b_pose.png", b"poses.json"]


def test_refusals(predict, quick, photos, clip, tmp_path, capsys):
    photo = next(photos.iterdir())
    both = _boxes(tmp_path, {photo.name: []})
    lines = _refused(capsys, predict, photo, boxes=both, box="1,2,3,4")
    assert lines == ["error: box and boxes are both given, expected one of them"]
    (line,) = _refused(capsys, predict, photo, boxes=_boxes(tmp_path, {"b.jpg": []}))
    assert f"{photo}: " in line and "has no entry of its name" in line
    (line,) = _refused(capsys, predict, photo, boxes=tmp_path / "none.json")
    assert "none.json: not readable" in line
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    (line,) = _refused(capsys, predict, text)
    assert line == f"error: {text}: not a video, or a damaged one"
    # One box for all frames is complained of once.
    line = _refused(capsys, predict, clip, box="900,0,9,9")[-1]
    assert line.startswith(f"error: {clip}: box: expected finite")
    # The rest is done all the same.
    (line,) = _refused(capsys, predict, text, photo)
    assert line == f"error: {text}: not a video, or a damaged one"
    assert (predict.out / f"{photo.stem}_pose.png").exists()


def test_what_cannot_be_written_costs_itself_only(predict, quick, photos, clip, capsys):
    first, second = sorted(photos.iterdir())
    blocked = [f"{first.stem}_pose.png", "one_pose.mp4"]
    for name in blocked:
        # A folder of that name is in the way.
        (predict.out / name / "inside").mkdir(parents=True)
    lines = _refused(capsys, predict, photos, clip)
    for name, line in zip(blocked, lines[:2], strict=True):
        assert line.startswith("not written: ") and str(predict.out / name) in line
    assert lines[2:] == ["error: 2 photos, videos or boxes were not used or written"]
    document = json.loads((predict.out / "poses.json").read_text())
    assert len(document["images"]) == len(document["annotations"]) == 2 + FRAMES
    assert (predict.out / f"{second.stem}_pose.png").is_file()


def test_a_folder_that_cannot_be_written_is_named_at_once(
    predict, quick, photos, capsys, monkeypatch
):
    predict.out.write_text("a file")
    monkeypatch.setattr(module, "draw_skeleton", None)
    (line,) = _refused(capsys, predict, photos)
    assert line == f"error: {predict.out}: cannot be written: File exists"


def test_ctrl_c_keeps_what_is_done(predict, quick, clip, monkeypatch, capsys):
    done = []
    draw, handler = module.draw_skeleton, signal.getsignal(signal.SIGINT)

    def interrupting(*arguments, **options):
        done.append(True)
        if len(done) == 20:
            # While a frame is being written, which is finished first.
            os.kill(os.getpid(), signal.SIGINT)
        return draw(*arguments, **options)

    monkeypatch.setattr(module, "draw_skeleton", interrupting)
    with pytest.raises(SystemExit) as stop:
        predict(clip)
    assert stop.value.code == 130
    shown = capsys.readouterr().err.splitlines()
    assert shown == [f"interrupted: 20/{FRAMES} pictures, 20 people; in {predict.out}"]
    document = json.loads((predict.out / "poses.json").read_text())
    assert len(document["images"]) == len(document["annotations"]) == 20
    assert len(list(VideoReader(predict.out / "one_pose.mp4"))) == 20
    assert sorted(os.listdir(predict.out)) == ["one_pose.mp4", "poses.json"]
    assert signal.getsignal(signal.SIGINT) is handler


def test_ctrl_c_at_other_times(predict, quick, clip, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "find_sources", interrupted)
    with pytest.raises(SystemExit) as stop:
        predict(clip)
    assert stop.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"
