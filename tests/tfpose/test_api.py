"""`from tfpose import load_predictor`: photos, arrays and videos in, people out."""

import doctest
import shutil
import subprocess
import sys
import warnings

import numpy as np
import PIL.Image
import pytest

import tfpose
from data_pipelines.images import decode_image
from tfpose import api
from tfpose.cli import models
from tfpose.errors import InputError
from tfpose.predictors import People

# Most of these look at whole photos on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:no boxes:UserWarning")


@pytest.fixture(scope="module")
def predictor() -> api.PosePredictor:
    """Looks into boxes."""
    return tfpose.load_predictor("tfpose_person")


@pytest.fixture(scope="module")
def shipped() -> api.PosePredictor:
    """Finds people, or looks into boxes if there are some."""
    return tfpose.load_predictor()


@pytest.fixture
def folder(shared_data, tmp_path, monkeypatch):
    """The folder to work in, with photo.jpg and clip.mp4."""
    photo = next((shared_data / "lspet" / "images").rglob("*.jpg"))
    shutil.copy(photo, tmp_path / "photo.jpg")
    shutil.copy(shared_data / "video" / "one_person.mp4", tmp_path / "clip.mp4")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def positions(person: api.Person) -> np.ndarray:
    """`[J, 3]`: x, y and score."""
    return np.array(list(person.joints.values()))


def test_the_documented_example(folder):
    # As in a program of its own, where warnings are no errors.
    found = doctest.testmod(api, extraglobs={"__name__": "example"})
    assert found.attempted and not found.failed


def test_a_file_its_pixels_and_pillow_give_the_same_people(folder, predictor):
    (person,) = predictor("photo.jpg")
    pixels = decode_image((folder / "photo.jpg").read_bytes())
    with PIL.Image.open("photo.jpg") as picture:
        others = [predictor(picture), predictor(folder / "photo.jpg")]
    for (other,) in [*others, predictor(pixels)]:
        assert np.allclose(positions(other), positions(person), atol=1e-2)
    height, width = pixels.shape[:2]
    assert person.box == (0, 0, width, height)
    # What the commands find, by name.
    commands = models.load_predictor("tfpose_person")
    people = commands.predict(pixels)
    assert tuple(person.joints) == predictor.joint_names
    assert np.allclose(positions(person), people.poses[0], atol=1e-2)
    assert person.score == pytest.approx(people.person_scores[0], abs=1e-4)
    threshold = commands.score_threshold
    unsure = [name for name, joint in person.joints.items() if joint.score <= threshold]
    assert list(person.uncertain) == unsure


def test_everybody_is_found_without_boxes(shared_data, shipped):
    assert len(shipped(shared_data / "coco" / "images" / "000000000241.jpg")) > 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert shipped(np.zeros((90, 120, 3), np.uint8)) == []


def test_the_nets_that_ship_take_boxes_too(folder, predictor, shipped):
    boxes = [[0, 0, 100, 190], [50, 10, 80, 90]]
    for one, other in zip(
        shipped("photo.jpg", boxes), predictor("photo.jpg", boxes), strict=True
    ):
        assert np.allclose(positions(one), positions(other), atol=1e-2)
        assert one.uncertain == other.uncertain


def test_who_scores_too_little_is_left_out(shared_data, monkeypatch):
    photo = sorted((shared_data / "coco" / "images").glob("*.jpg"))[0]
    crowd = tfpose.load_predictor("tfpose_crowd")
    monkeypatch.setattr(crowd._predictor, "person_threshold", 0.0)
    everybody = sorted(person.score for person in crowd(photo))
    assert len(everybody) > 2
    monkeypatch.setattr(crowd._predictor, "person_threshold", everybody[-2])
    assert [person.score for person in crowd(photo)] == everybody[-1:]


def test_each_box_has_its_person(folder, predictor):
    boxes = [[0, 0, 100, 190], [50, 10, 80, 90]]
    assert [list(person.box) for person in predictor("photo.jpg", boxes)] == boxes
    assert predictor("photo.jpg", np.zeros((0, 4))) == []


def test_without_boxes_it_warns_that_one_person_fills_the_picture(predictor):
    photo = np.zeros((9, 9, 3), np.uint8)
    with pytest.warns(UserWarning, match="one person is taken to fill the pic") as told:
        predictor(photo)
    assert told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        predictor(photo, [[0, 0, 9, 9]])


def test_boxes_are_numbers(predictor):
    photo = np.zeros((9, 9, 3), np.uint8)
    with pytest.raises(
        InputError, match=r"boxes: expected numbers, .* \[\[1, 2\], \[3"
    ):
        predictor(photo, [[1, 2], [3]])


def test_videos_come_frame_by_frame(folder, predictor):
    frames = iter(predictor.video("clip.mp4"))
    first, (person,) = next(frames)
    (alone,) = predictor(first.image)
    # People of other frames were in the same batch.
    assert np.allclose(positions(person), positions(alone), atol=1e-2)
    later, _ = next(frames)
    assert (first.index, later.index) == (0, 1)
    assert later.seconds > first.seconds == 0


def test_a_photo_is_one_whatever_it_is_called(folder, predictor):
    shutil.copy("photo.jpg", "photo.mp4")
    (other,), (person,) = predictor("photo.mp4"), predictor("photo.jpg")
    assert np.allclose(positions(other), positions(person), atol=1e-2)


@pytest.fixture
def crossing(monkeypatch, predictor):
    """Two people who walk, tremble and are listed in another order in each frame."""
    rng = np.random.default_rng(0)
    count = len(predictor.joint_names)
    standing = rng.uniform(0, 200, (count, 2))

    def stream(pictures):
        for picture in pictures:
            walked = 5.0 * picture.origin.index
            places = [standing + [walked, 0], standing + [900 - walked, 0]]
            if picture.origin.index % 2:
                places.reverse()
            keypoints = np.array(places) + rng.normal(0, 2, (2, count, 2))
            scores = np.ones((2, count), np.float32)
            yield picture, People(keypoints, scores, np.ones(2), np.ones((2, 4)))

    monkeypatch.setattr(predictor._predictor, "stream", stream)
    return predictor


def test_people_of_a_video_keep_their_number_and_move_smoothly(folder, crossing):
    def noses(smooth: bool) -> np.ndarray:
        """The x of a joint of number 1, then of number 2, `[2, T]`."""
        found = []
        for _, people in crossing.video("clip.mp4", smooth=smooth):
            people.sort(key=lambda person: person.number)
            assert [person.number for person in people] == [1, 2]
            found.append([person.joints["nose"].x for person in people])
        return np.transpose(found)

    rough, smooth = noses(False), noses(True)
    # They walk past each other.
    assert list(rough[:, -1] - rough[:, 0] > 400) == [True, False]
    assert rough[1, -1] - rough[1, 0] < -400
    jitter, left = (np.abs(np.diff(x, 2)).mean() for x in (rough, smooth))
    assert left < jitter / 2


@pytest.mark.parametrize(
    "photo,message",
    [
        ("absent.jpg", "absent.jpg: not readable: No such file"),
        ("clip.mp4", r"clip.mp4: a video; expected a photo, see `video\(\)`"),
        ("clip.jpg", r"clip.jpg: a video; expected a photo, see `video\(\)`"),
        (None, r"image: expected uint8 \[h, w, 3\], got object"),
        ([[1, 2], [3]], r"photo: expected pixels, \[h, w, 3\]: setting an array"),
        (np.zeros((4, 4, 3)), r"image: expected uint8 \[h, w, 3\], got float64"),
    ],
)
def test_what_is_no_photo_is_refused(folder, predictor, photo, message):
    shutil.copy("clip.mp4", "clip.jpg")
    with pytest.raises(InputError, match=message):
        predictor(photo)


@pytest.mark.slow
def test_the_package_alone_imports_little():
    """Keras and the nets that it registers, nothing that reads photos or videos."""
    code = "import sys, tfpose; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    imported = set(done.stdout.split())
    assert not {"tfpose.api", "tfpose.cli", "data_pipelines"} & imported
    assert {"keras", "tfpose.top_down.net"} < imported


def test_other_names_are_not_there():
    with pytest.raises(AttributeError, match="has no attribute 'load_predictors'"):
        _ = tfpose.load_predictors
