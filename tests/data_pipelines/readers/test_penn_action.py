"""Penn Action on its published label files, with frames drawn here."""

import shutil

import cv2
import numpy as np
import pytest
import scipy.io

from data_pipelines.images import decode_image
from data_pipelines.prepare import prepare_split
from data_pipelines.readers.datasets import load_dataset
from data_pipelines.readers.penn_action import read_penn_action
from data_pipelines.top_down import pose_truth
from tfpose.errors import InputError
from tfpose.metrics.pck import torso_size
from tfpose.metrics.pose_scores import pck_scores

HEIGHT, WIDTH = 60, 80


def draw_frames(folder, clip, count, height=HEIGHT, width=WIDTH):
    frames = folder / "frames" / clip
    frames.mkdir(parents=True)
    _, data = cv2.imencode(".jpg", np.full((height, width, 3), 90, np.uint8))
    for frame in range(1, count + 1):
        (frames / f"{frame:06d}.jpg").write_bytes(data.tobytes())
    return frames


def write_labels(folder, clip, **changes):
    """A clip of 4 frames, joints in x 21..33 and y 11..23, all visible."""
    x = np.tile(np.arange(21.0, 34.0), (4, 1))
    fields = {
        "action": "bowl",
        "pose": "left",
        "x": x,
        "y": x - 10,
        "visibility": np.ones((4, 13), np.uint8),
        "train": np.array([[1]], np.int32),
        "bbox": np.tile([11.0, 6.0, 41.0, 31.0], (4, 1)),
        "dimensions": np.array([[HEIGHT, WIDTH, 4]], np.uint16),
        "nframes": np.array([[4]], np.uint8),
    }
    fields |= changes
    fields = {name: value for name, value in fields.items() if value is not None}
    (folder / "labels").mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(folder / "labels" / f"{clip}.mat", fields)


@pytest.fixture
def one_clip(tmp_path):
    """Makes a folder of clip 0007, whose label fields may be changed."""

    def make(**changes):
        write_labels(tmp_path, "0007", **changes)
        draw_frames(tmp_path, "0007", 4)
        return tmp_path

    return make


def test_published_labels(shared_data, tmp_path):
    """Clips that differ in type (float64, uint8, uint16), split and placeholders."""
    source = shared_data / "formats" / "penn_action" / "labels"
    (tmp_path / "labels").mkdir()
    counts = {"train": {"0361": 56, "1041": 29}, "val": {"2241": 98, "2321": 71}}
    for clips in counts.values():
        for clip, count in clips.items():
            shutil.copy(source / f"{clip}.mat", tmp_path / "labels")
            width, height = 480, 270 if clip == "0361" else 360
            draw_frames(tmp_path, clip, count, height, width)
    for split, clips in counts.items():
        people, report = read_penn_action(tmp_path, split)
        assert not report.skipped and not report.notes
        assert len(people) == sum(clips.values())
        assert set(people.image_ids // 100_000) == {int(clip) for clip in clips}
        row = len(people) - 1
        assert people.images.describe(row).endswith(f"{[*clips.values()][1]:06d}.jpg")
        size = tuple(people.image_sizes[row])
        assert decode_image(people.images.read(row), size).shape[:2] == size
        low, high = people.boxes[:, :2], people.boxes[:, :2] + people.boxes[:, 2:]
        joints = people.keypoints[..., :2]
        seen = people.keypoints[..., 2] == 2
        inside = ((joints > low[:, None]) & (joints < high[:, None])).all(axis=2)
        assert inside[seen].all() and (people.keypoints[~seen] == 0).all()
        assert np.isfinite(torso_size(people.keypoints, people.skeleton)).any()
    people, _ = read_penn_action(tmp_path, "train")
    assert people.skeleton.name == "penn_action13"
    # Clip 0361: a joint and the box of its first frame, 136 joints not visible.
    raw = scipy.io.loadmat(source / "0361.mat")
    elbow = [raw["x"][0, 3], raw["y"][0, 3]]
    assert np.allclose(people.keypoints[0, 3, :2] + 1, elbow)
    assert (people.keypoints[:56, :, 2] == 0).sum() == 136
    centre = people.boxes[0, :2] + people.boxes[0, 2:] / 2 - 0.5
    corners = raw["bbox"][0]
    assert np.allclose(centre + 1, (corners[:2] + corners[2:]) / 2)


def test_all_label_files_at_hand_fit(shared_data, tmp_path):
    source = shared_data / "formats" / "penn_action" / "labels"
    (tmp_path / "labels").symlink_to(source)
    (tmp_path / "frames").mkdir()
    for split, clips in (("train", 29), ("val", 30)):
        with pytest.raises(InputError, match=f"{clips} x folder: frame folder is abse"):
            read_penn_action(tmp_path, split)


def test_torsos_of_the_published_labels(shared_data, tmp_path):
    """PCK@0.2 as TTP's code has it: torsos of hidden joints, hits of visible ones."""
    source = shared_data / "formats" / "penn_action" / "labels"
    (tmp_path / "labels").mkdir()
    points, seen = [], []
    for clip, size in (("2241", (360, 480)), ("2321", (360, 480))):
        shutil.copy(source / f"{clip}.mat", tmp_path / "labels")
        raw = scipy.io.loadmat(source / f"{clip}.mat")
        draw_frames(tmp_path, clip, len(raw["x"]), *size)
        points.append(np.stack([raw["x"], raw["y"]], axis=-1).astype(float))
        seen.append(raw["visibility"] > 0)
    points, seen = np.concatenate(points), np.concatenate(seen)
    people, _ = read_penn_action(tmp_path, "val")
    middles = (points[:, 1] + points[:, 2], points[:, 7] + points[:, 8])
    torsos = np.linalg.norm((middles[0] - middles[1]) / 2, axis=-1)
    np.testing.assert_allclose(people.torso_sizes, torsos, rtol=1e-6)
    hidden = np.isnan(torso_size(people.keypoints, people.skeleton, "midline"))
    assert hidden.any() and not hidden.all()
    rng = np.random.default_rng(0)
    error = rng.normal(0, 0.13, points.shape) * torsos[:, None, None]
    within = np.linalg.norm(error, axis=-1) <= 0.2 * torsos[:, None]
    predicted = points - 1 + error
    metrics, notes = pck_scores(pose_truth(people), people.skeleton, predicted)
    assert metrics["pck"] == pytest.approx(within[seen].mean(), abs=1e-12)
    shares = (within & seen).sum(axis=0) / seen.sum(axis=0)
    assert metrics["pck_mean"] == pytest.approx(shares.mean(), abs=1e-12)
    assert "of hidden joints too" in notes[0] and "left out" not in "".join(notes)
    assert f"pck of the {(~hidden).sum()} people whose whole torso is" in notes[1]


def test_torsos_of_joints_that_nothing_is_said_of(one_clip, tmp_path):
    """Nor of any place; and records keep what is known."""
    x = np.tile(np.arange(21.0, 34.0), (4, 1))
    y, visibility = x - 10, np.ones((4, 13))
    x[:, [7, 8]] += 30
    visibility[:, 1] = 0
    x[1, 1], x[2, 1], y[2, 1] = np.nan, 0, 0
    x[3, [7, 8]] = x[3, [2, 1]]
    y[3, [7, 8]] = y[3, [2, 1]]
    people, _ = read_penn_action(one_clip(x=x, y=y, visibility=visibility), "train")
    length = np.hypot(36, 6)
    np.testing.assert_allclose(people.torso_sizes, [length, *[np.nan] * 3], rtol=1e-6)
    prepare_split("penn_action", tmp_path, "train", tmp_path / "out", quiet=True)
    found = load_dataset("records", tmp_path / "out", "train")
    np.testing.assert_array_equal(found.torso_sizes, people.torso_sizes)


def test_coordinates_count_from_one(one_clip):
    folder = one_clip()
    assert len(load_dataset("penn_action", folder, "train")) == 4
    people, report = read_penn_action(folder, "train")
    assert not report.skipped and not report.notes
    assert people.image_ids.tolist() == [700_001, 700_002, 700_003, 700_004]
    assert np.array_equal(people.person_ids, people.image_ids)
    assert people.keypoints[0, 0].tolist() == [20, 10, 2]
    assert people.boxes[0].tolist() == [10.5, 5.5, 30, 25]
    assert people.image_sizes[0].tolist() == [HEIGHT, WIDTH]
    assert np.isnan(people.areas).all() and not people.crowd.any()
    with pytest.raises(InputError, match="no usable person in .*: 0 images, 0 people"):
        read_penn_action(folder, "val")


def test_what_is_not_there_is_reported(tmp_path):
    visibility = np.ones((4, 13))
    visibility[1] = 0
    write_labels(
        tmp_path, "0001", visibility=visibility, bbox=np.ones((3, 4)) * [1, 1, 90, 31]
    )
    frames = draw_frames(tmp_path, "0001", 3)
    (frames / "000001.jpg").write_bytes(b"")
    write_labels(tmp_path, "0002")
    write_labels(tmp_path, "0003", dimensions=[[30, 40, 4]])
    draw_frames(tmp_path, "0003", 4)
    write_labels(tmp_path, "notes")
    people, report = read_penn_action(tmp_path, "train")
    assert people.image_ids.tolist() == [100_002, 100_003]
    assert people.num_labelled.tolist() == [0, 13]
    assert people.boxes[0].tolist() == [0.5, 0.5, WIDTH - 0.5, 30]
    assert report.counts() == {
        "image: file is empty": 1,
        "image: file is absent": 1,
        "folder: frame folder is absent": 1,
        "folder: frames are of another size than their labels": 1,
        "label file: its name is no clip number": 1,
    }
    assert report.notes == {
        "box absent, that of the frame before taken": 1,
        "bbox clipped to its image": 2,
        "person without labelled keypoints": 1,
    }


def test_boxes_that_show_nobody(one_clip):
    boxes = np.tile([11.0, 6.0, 41.0, 31.0], (4, 1))
    boxes[0], boxes[1], boxes[2] = [50, 6, 40, 31], [90, 6, 99, 31], np.inf
    visibility = np.ones((4, 13))
    visibility[2] = 0
    folder = one_clip(bbox=boxes, visibility=visibility)
    people, report = read_penn_action(folder, "train")
    assert people.image_ids.tolist() == [700_004]
    assert report.counts() == {
        "image: bbox has no size": 1,
        "image: bbox outside its image": 1,
        "image: no box, and no keypoints to find it from": 1,
    }


def test_without_boxes_the_joints_extent_is_taken(one_clip):
    visibility = np.ones((4, 13))
    visibility[3, 1:] = 0
    folder = one_clip(bbox=np.zeros((0, 4)), visibility=visibility)
    people, report = read_penn_action(folder, "train")
    assert people.boxes.tolist() == [[20.5, 10.5, 12, 12]] * 3
    assert len(report.skipped) == 1
    assert report.notes["box absent, extent of the labelled keypoints"] == 3


def test_a_coordinate_that_is_none(one_clip):
    x = np.tile(np.arange(21.0, 34.0), (4, 1))
    x[0, 5], x[1, 5] = np.nan, 1e300
    people, report = read_penn_action(one_clip(x=x), "train")
    assert people.image_ids.tolist() == [700_003, 700_004]
    assert report.counts() == {"image: a labelled keypoint is not finite": 2}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": None}, "no variable 'x', found .*y, "),
        ({"x": "left"}, r"'x' is <U4 \[1\], expected numbers \[N, 13\]"),
        ({"x": np.array([{}, 1], object)}, r"'x' is object \[1, 2\], expected num"),
        ({"y": np.ones((3, 13))}, r"'y' is float64 \[3, 13\], expected .*\[4, 13\]"),
        ({"x": np.ones((4, 12))}, r"'x' is float64 \[4, 12\], expected .*\[N, 13\]"),
        ({"bbox": np.ones((4, 3))}, r"'bbox' is float64 \[4, 3\], expected .*\[N, 4\]"),
        ({"train": [[0]]}, r"'train' is \[0.0\], expected 1 or -1"),
        ({"dimensions": [[60]]}, r"'dimensions' is \[60.0\], expected height, width"),
        ({"dimensions": [[0, 9, 4]]}, "'dimensions' is .*expected height, width"),
    ],
)
def test_fields_that_do_not_fit(one_clip, changes, message):
    with pytest.raises(InputError, match=f"0007.mat: {message}"):
        read_penn_action(one_clip(**changes), "train")


@pytest.mark.parametrize("data", [b"", b"MATLAB", b"x" * 1000, "cut", "bits"])
def test_a_broken_label_file(one_clip, data):
    folder = one_clip()
    path = folder / "labels" / "0007.mat"
    whole = path.read_bytes()
    if data == "cut":
        data = whole[: len(whole) // 2]
    elif data == "bits":
        data = whole[:128] + bytes(byte ^ 0x15 for byte in whole[128:])
    path.write_bytes(data)
    with pytest.raises(InputError, match="0007.mat: ") as caught:
        read_penn_action(folder, "train")
    assert "\n" not in str(caught.value)


def test_folders_that_are_not_there(tmp_path):
    with pytest.raises(InputError, match="labels: not there; found nothing"):
        read_penn_action(tmp_path, "train")
