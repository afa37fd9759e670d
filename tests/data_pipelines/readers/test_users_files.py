"""Annotation files of the kind that users have, which once were misread in silence."""

import json
import shutil

import numpy as np
import pytest

from data_pipelines.readers.coco_format import read_coco
from data_pipelines.top_down import PoseAugmentation, TopDownTraining
from tfpose.errors import InputError

PAIRS = ((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16))


@pytest.fixture
def read(shared_data):
    """Reads a file of `cases/coco` with COCO's photos."""

    def of(name):
        cases, photos = shared_data / "cases" / "coco", shared_data / "coco" / "images"
        return read_coco(cases / f"{name}.json", photos)

    return of


@pytest.fixture
def content(shared_data):
    return json.loads(
        (shared_data / "cases" / "coco" / "joined_names.json").read_text()
    )


@pytest.fixture
def read_changed(shared_data, tmp_path):
    """Reads a changed content."""

    def of(content):
        path = tmp_path / "changed.json"
        path.write_text(json.dumps(content))
        return read_coco(path, shared_data / "coco" / "images")

    return of


def test_joined_names_are_those_of_coco(read):
    people, _ = read("joined_names")
    assert people.skeleton.name == "coco17" and len(people) == 18


def test_sides_of_a_mouse(read):
    people, report = read("dlc_leftear")
    assert people.skeleton.joints == ("snout", "left_ear", "right_ear", "tailbase")
    assert people.skeleton.flip_pairs == ((1, 2),)
    assert any("snout, tailbase" in note for note in report.notes)


def test_names_of_other_letters_are_kept_with_their_sides(read):
    people, _ = read("cyrillic_names")
    assert people.skeleton.joints[:3] == ("нос", "левый_eye", "правый_eye")
    assert people.skeleton.flip_pairs == PAIRS


def test_numbered_joints_are_not_mirrored_before_somebody_says_how(
    content, read_changed
):
    category = content["categories"][0]
    category["keypoints"] = [str(joint) for joint in range(17)]
    people, _ = read_changed(content)
    with pytest.raises(InputError, match="flip_pairs"):
        TopDownTraining(people, (64, 64), 2, 0, PoseAugmentation())
    TopDownTraining(people, (64, 64), 2, 0, PoseAugmentation(flip_probability=0))
    category["flip_pairs"] = PAIRS
    people, _ = read_changed(content)
    TopDownTraining(people, (64, 64), 2, 0, PoseAugmentation())
    assert people.skeleton.flip_pairs == PAIRS


def test_shares_of_the_picture_are_no_pixels(read):
    with pytest.raises(InputError, match="normalised.json: .*shares of the picture"):
        read("keypoints_normalised")


@pytest.mark.parametrize("change", ["thousandths", "of the crop", "exchanged"])
def test_keypoints_that_are_not_in_their_boxes_are_refused(
    content, read_changed, change
):
    for person in content["annotations"]:
        points = np.array(person["keypoints"], float).reshape(-1, 3)
        if change == "thousandths":
            points[:, :2] /= 100
        elif change == "of the crop":
            points[:, :2] -= 1000
        else:
            points = points[:, [1, 0, 2]]
            x, y, width, height = person["bbox"]
            person["bbox"] = [x + 1000, y, width, height]
        person["keypoints"] = points.ravel().tolist()
    for image in content["images"]:
        image["width"], image["height"] = 4000, 4000
    with pytest.raises(InputError, match=r"keypoints of \d+ of 18 people are not in"):
        read_changed(content)


def test_boxes_by_two_corners_are_refused(read):
    with pytest.raises(InputError, match=r"13 of 18 boxes reach over .* x1, y1, x2"):
        read("bbox_xyxy")


def test_joints_in_the_very_corner_are_absent(read):
    people, report = read("absent_00_v2")
    expected, _ = read("joined_names")
    assert np.array_equal(people.keypoints[..., :2], expected.keypoints[..., :2])
    assert np.array_equal(people.num_labelled, expected.num_labelled)
    absent = int((expected.keypoints[..., 2] == 0).sum())
    assert report.notes["labelled keypoint at (0, 0), taken for absent"] == absent


def test_two_photos_of_one_name_are_not_mixed_up(read, shared_data, tmp_path):
    with pytest.raises(InputError, match="'cam1/.*' and 'cam2/.*' both lead to"):
        read("two_cameras_one_file")
    source = shared_data / "cases" / "coco" / "two_cameras_one_file.json"
    photos = sorted((shared_data / "coco" / "images").glob("*.jpg"))
    for camera, photo in (("cam1", photos[0]), ("cam2", photos[0])):
        (tmp_path / camera).mkdir()
        shutil.copy(photo, tmp_path / camera / "000000000036.jpg")
    people, _ = read_coco(source, tmp_path)
    assert len(set(people.images.paths)) == len(people.images.paths) == 2


def test_a_photo_of_two_records_is_one(content, read_changed):
    twin = {**content["images"][0], "id": 999}
    content["images"].append(twin)
    content["annotations"][-1]["image_id"] = 999
    people, report = read_changed(content)
    assert len(people) == 18 and len(people.image_ids) == 6
    assert people.image_index[-1] == 0
    assert report.notes["image named by two records, taken for one"] == 1


def test_numbers_with_a_point_are_whole(read):
    people, report = read("float_ids")
    assert people.image_ids[0] == 36 and people.image_ids.dtype == np.int64
    assert len(people) == 18 and not report.skipped


def test_names_written_on_windows(content, read_changed):
    for image in content["images"]:
        image["file_name"] = "C:\\data\\images\\" + image["file_name"]
    people, report = read_changed(content)
    assert len(people) == 18 and not report.skipped


@pytest.mark.parametrize("name", ["Person", " PEOPLE", "human", "Pedestrian"])
def test_people_by_other_words(content, read_changed, name):
    joints = content["categories"][0].pop("keypoints")
    content["categories"] = [
        {"id": 1, "name": "dog", "keypoints": joints},
        {"id": 7, "name": name, "keypoints": joints},
    ]
    for person in content["annotations"][:4]:
        person["category_id"] = 7
    people, _ = read_changed(content)
    assert len(people) == 4


@pytest.mark.parametrize("box", [[5], 5, [1, 2, 3], [1, 2, 3, 4, 5], [[1, 2, 3, 4]]])
def test_boxes_are_not_reshaped(content, read_changed, box):
    content["annotations"][0]["bbox"] = box
    people, report = read_changed(content)
    assert len(people) == 17
    assert report.skipped[0]["reason"] == "bbox is not four numbers"
