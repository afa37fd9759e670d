"""Poses of photos with boxes and of real video, and what happens on the way."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import av
import cv2
import numpy as np
import pytest

from data_pipelines.video import VideoFrame, VideoReader
from data_pipelines.video_writer import VideoWriter
from tests.tfpose.cli.predicting import FRAMES, refused, write_boxes
from tests.tfpose.cli.stream_server import stream_server
from tfpose.cli import picture_sources, prediction_files
from tfpose.cli import predict as module
from tfpose.cli.commands import main
from tfpose.errors import InputError


def test_video(predict, quick, clip, tmp_path, capsys):
    boxes = {str(index): [[40, 90, 160, 200]] for index in range(FRAMES)}
    boxes["3"] = []
    boxes["5"] *= 2
    document = predict(clip, boxes=write_boxes(tmp_path, boxes))
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
    # Who is there throughout keeps the number; the one of a single frame has none.
    ids = [person.get("track_id") for person in people]
    assert ids.count(1) == len(people) - 1 and ids.count(None) == 1
    # What is written can be given as boxes again.
    again = predict(clip, boxes=shutil.copy(predict.out / "poses.json", tmp_path))
    assert again["annotations"] == people


def test_a_net_sees_the_same_in_a_video_and_a_picture(predict, clip, tmp_path):
    """The frame that is given alone has the pose that it has in the video."""
    boxes = {"0": [[40, 90, 160, 200]], "1": [], "2": [[50, 80, 150, 220]]}
    document = predict(clip, boxes=write_boxes(tmp_path, boxes), no_smooth=True)
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
    lines = refused(capsys, predict, photos, clip, boxes=write_boxes(tmp_path, boxes))
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
    lines = refused(capsys, predict, damaged)
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
    both = write_boxes(tmp_path, {photo.name: []})
    lines = refused(capsys, predict, photo, boxes=both, box="1,2,3,4")
    assert lines == ["error: box and boxes are both given, expected one of them"]
    (line,) = refused(
        capsys, predict, photo, boxes=write_boxes(tmp_path, {"b.jpg": []})
    )
    assert f"{photo}: " in line and "has no entry of its name" in line
    (line,) = refused(capsys, predict, photo, boxes=tmp_path / "none.json")
    assert "none.json: not readable" in line
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    (line,) = refused(capsys, predict, text)
    assert line == f"error: {text}: not a video, or a damaged one"
    # One box for all frames is complained of once.
    line = refused(capsys, predict, clip, box="900,0,9,9")[-1]
    assert line.startswith(f"error: {clip}: box: expected finite")
    # The rest is done all the same.
    (line,) = refused(capsys, predict, text, photo)
    assert line == f"error: {text}: not a video, or a damaged one"
    assert (predict.out / f"{photo.stem}_pose.png").exists()


def test_a_folder_that_cannot_be_written_is_named_at_once(
    predict, quick, photos, capsys, monkeypatch
):
    predict.out.write_text("a file")
    monkeypatch.setattr(prediction_files, "draw_skeleton", None)
    (line,) = refused(capsys, predict, photos)
    assert line == f"error: {predict.out}: cannot be written: File exists"


def test_ctrl_c_keeps_what_is_done(predict, quick, clip, monkeypatch, capsys):
    done = []
    draw, handler = prediction_files.draw_skeleton, signal.getsignal(signal.SIGINT)

    def interrupting(*arguments, **options):
        done.append(True)
        if len(done) == 20:
            # While a frame is being written, which is finished first.
            os.kill(os.getpid(), signal.SIGINT)
        return draw(*arguments, **options)

    monkeypatch.setattr(prediction_files, "draw_skeleton", interrupting)
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


def test_a_second_run_overwrites_nothing(quick, photos, tmp_path, capsys):
    for number in ("", "2", "3"):
        main(["predict", str(photos), f"--out={tmp_path / 'out'}"])
        assert f"in {tmp_path / 'out'}{number}\n" in capsys.readouterr().out
        assert (tmp_path / f"out{number}" / "poses.json").exists()


def test_what_cannot_be_written_costs_itself_only(
    quick, photos, clip, tmp_path, monkeypatch, capsys
):
    """The disk is full, but for the poses."""

    def full(path, picture):
        raise InputError(f"{path}: cannot be written: No space left on device")

    monkeypatch.setattr(prediction_files, "write_picture", full)
    monkeypatch.setattr(
        VideoWriter, "write", lambda self, image, seconds: full(self.path, image)
    )
    lines = refused(
        capsys, main, ["predict", str(photos), str(clip), f"--out={tmp_path / 'out'}"]
    )
    assert len(lines) == 4 and all(line.startswith("not written") for line in lines[:3])
    names = ("_pose.png", "_pose.png", "one_pose.mp4")
    for name, line in zip(names, lines[:3], strict=True):
        assert f"{name}: cannot be written: No space left" in line
    assert lines[3] == "error: 3 photos, videos or boxes were not used or written"
    document = json.loads((tmp_path / "out" / "poses.json").read_text())
    assert len(document["images"]) == len(document["annotations"]) == 2 + FRAMES


def test_sound_and_times_of_a_video_are_kept(predict, quick, shared_data):
    source = shared_data / "video" / "one_person.mp4"
    predict(source)
    with av.open(str(predict.out / "one_person_pose.mp4")) as made:
        (picture,), (sound,) = made.streams.video, made.streams.audio
        assert picture.codec_context.name == "h264" and picture.frames == 100
        assert sound.codec_context.name == "aac"
        length = float(sound.duration * sound.time_base)
        assert length == pytest.approx(100 / 60, abs=0.03)
    phone = shared_data / "cases" / "video" / "vfr.mp4"
    document = predict(phone)
    drawn = [frame.seconds for frame in VideoReader(predict.out / "vfr_pose.mp4")]
    assert drawn == pytest.approx([i["seconds"] for i in document["images"]], abs=1e-3)
    assert drawn == pytest.approx([f.seconds for f in VideoReader(phone)], abs=1e-4)


def test_a_stream_from_an_address(predict, quick, monkeypatch, capsys):
    """A server sends frames now and then hangs up."""

    class Window:
        missing, closed = "there is no screen", False

        def __init__(self, title):
            pass

        def show(self, picture):
            shown.append(picture.shape)

        def close(self):
            pass

    shown = []
    monkeypatch.setattr(module, "Window", Window)
    with stream_server(frames=30) as port:
        address = f"http://me:secret@127.0.0.1:{port}/hall/cam.ts"
        lines = refused(capsys, predict, address)
    said = f"http://127.0.0.1:{port}/hall/cam.ts: "
    assert lines[0] == f"{said}Ctrl-C ends it; it is not shown: there is no screen"
    assert lines[-1].startswith(f"error: {said}the stream broke off: ")
    # What came until then is there.
    document = json.loads((predict.out / "poses.json").read_text())
    images = document["images"]
    assert {image["file_name"] for image in images} == {
        f"http://127.0.0.1:{port}/hall/cam.ts"
    }
    seconds = [image["seconds"] for image in images]
    assert seconds == sorted(set(seconds)) and seconds[-1] == pytest.approx(
        29 / 25, abs=0.05
    )
    assert len(shown) == len(images) and shown[0] == (48, 64, 3)
    assert (predict.out / "cam_pose.mp4").exists()
    assert "secret" not in str(lines)


def test_a_number_is_a_camera(predict, quick, monkeypatch, tmp_path, capsys):
    """Somebody closes the window at the third picture."""

    class Camera:
        path, fps, announced, live = "camera 0", 30.0, 0, True

        def __init__(self, number):
            assert number == 0

        def __iter__(self):
            for index in range(1000):
                yield VideoFrame(index, index / 30, np.zeros((48, 64, 3), np.uint8))
                time.sleep(0.02)

    class Window:
        missing, closed = "", False

        def __init__(self, title):
            assert title == "camera 0"

        def show(self, picture):
            shown.append(picture)
            self.closed = len(shown) == 3

        def close(self):
            shown.append("closed")

    shown = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(picture_sources, "Webcam", Camera)
    monkeypatch.setattr(module, "Window", Window)
    document = predict("0")
    assert len(document["images"]) == 3 and len(shown) == 4 and shown[3] == "closed"
    assert document["images"][0]["file_name"] == "camera 0"
    assert sorted(os.listdir(predict.out)) == ["camera0_pose.mp4", "poses.json"]
    assert "or q in its window" in capsys.readouterr().err
