"""Poses of photos with boxes and of real video, and what happens on the way."""

import csv
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
from tests.tfpose.cli.stream_server import stream_server
from tfpose.cli import picture_sources, prediction_files
from tfpose.cli import predict as module
from tfpose.cli.commands import main
from tfpose.errors import InputError
from tfpose.lifters.build import build_lifter
from tfpose.skeletons import get_skeleton
from tfpose.top_down.predictor import TopDownPredictor

FRAMES = 30


@pytest.fixture(scope="module")
def clip(shared_data, tmp_path_factory):
    """The first frames of a real video, a quarter as wide and high."""
    path = tmp_path_factory.mktemp("clip") / "one.mp4"
    writer = VideoWriter(path, 60)
    source = VideoReader(shared_data / "video" / "one_person.mp4")
    for frame in itertools.islice(source, FRAMES):
        writer.write(
            cv2.resize(frame.image, (270, 480), interpolation=cv2.INTER_AREA),
            frame.seconds,
        )
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
    """Runs the command into an empty folder and returns its JSON file's content."""
    out = tmp_path / "out"

    def run(*paths, **options):
        shutil.rmtree(out, ignore_errors=True)
        more = [
            f"--{name}" if value is True else f"--{name}={value}"
            for name, value in options.items()
        ]
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
    # Who is there throughout keeps the number; the one of a single frame has none.
    ids = [person.get("track_id") for person in people]
    assert ids.count(1) == len(people) - 1 and ids.count(None) == 1
    # What is written can be given as boxes again.
    again = predict(clip, boxes=shutil.copy(predict.out / "poses.json", tmp_path))
    assert again["annotations"] == people


def test_a_net_sees_the_same_in_a_video_and_a_picture(predict, clip, tmp_path):
    """The frame that is given alone has the pose that it has in the video."""
    boxes = {"0": [[40, 90, 160, 200]], "1": [], "2": [[50, 80, 150, 220]]}
    document = predict(clip, boxes=_boxes(tmp_path, boxes), no_smooth=True)
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


def test_the_table_has_what_the_json_file_has(predict, quick, clip, photos, tmp_path):
    odd = tmp_path / "na,me\udcff.mp4"
    odd.write_bytes(clip.read_bytes())
    boxes = {odd.name: {"1": [[40, 90, 160, 200], [9, 9, 90, 90]]}}
    for photo in photos.iterdir():
        boxes[photo.name] = [[10, 10, 50, 50]]
    boxes[next(photos.iterdir()).name] = []
    document = predict(odd, photos, boxes=_boxes(tmp_path, boxes), format="csv")
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


def test_what_failed_does_not_keep_the_rest_from_being_lifted(
    predict, quick, photos, tmp_path, capsys
):
    net = build_lifter("martinez_small", get_skeleton("lsp14"))
    net.save(tmp_path / "lifter.keras")
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(next(photos.iterdir()).read_bytes()[:900])
    lines = _refused(capsys, predict, damaged, photos, lift=tmp_path / "lifter.keras")
    assert len(lines) == 2 and lines[0].startswith(f"not used: {damaged}: ")
    assert lines[1] == "error: " + lines[0].removeprefix("not used: ")
    lifted = json.loads((predict.out / "poses_3d.json").read_text())
    assert len(lifted["annotations"]) == 2
    # With nothing to lift there is one line, about the reason.
    (line,) = _refused(capsys, predict, damaged, lift=tmp_path / "lifter.keras")
    assert line.startswith(f"error: {damaged}: ")


def test_a_folder_that_cannot_be_written_is_named_at_once(
    predict, quick, photos, capsys, monkeypatch
):
    predict.out.write_text("a file")
    monkeypatch.setattr(prediction_files, "draw_skeleton", None)
    (line,) = _refused(capsys, predict, photos)
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
    lines = _refused(
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
        lines = _refused(capsys, predict, address)
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
