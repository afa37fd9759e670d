"""Boxes by file name and frame, in both forms."""

import json
import pathlib

import numpy as np
import pytest

from data_pipelines.readers.box_file import BoxFile
from tfpose.errors import InputError

A, B = pathlib.Path("one/a.jpg"), pathlib.Path("two/b.jpg")
CLIP = pathlib.Path("clips/c.mp4")


@pytest.fixture
def load(tmp_path):
    def read(content, photos=(A, B), videos=(CLIP,)):
        path = tmp_path / "boxes.json"
        path.write_text(json.dumps(content))
        return BoxFile(path, photos, videos)

    return read


def test_plain_form(load) -> None:
    frames = {"0": [[1, 2, 3, 4]], "7": []}
    table = load(
        {"a.jpg": [[1, 2, 3, 4.5], [5, 6, 7, 8]], "b.jpg": [], "c.mp4": frames}
    )
    assert table.of_photo(A).tolist() == [[1, 2, 3, 4.5], [5, 6, 7, 8]]
    assert table.of_photo(B).shape == (0, 4)
    of_clip = table.of_video(CLIP)
    assert list(of_clip) == [0, 7] and of_clip[0].tolist() == [[1, 2, 3, 4]]
    assert of_clip[7].shape == (0, 4)


def test_frame_numbers_alone_are_of_the_one_video(load) -> None:
    table = load({"3": [[1, 2, 3, 4]]})
    assert table.of_video(CLIP)[3].tolist() == [[1, 2, 3, 4]]
    for videos in ((), (CLIP, A.with_suffix(".avi"))):
        with pytest.raises(InputError, match=f"there are {len(videos)}"):
            load({"3": [[1, 2, 3, 4]]}, videos=videos)


def test_coco_form(load) -> None:
    images = [
        {"id": 5, "file_name": "one/a.jpg"},
        {"id": 6, "file_name": "b.jpg"},
        {"id": 7, "file_name": "c.mp4", "frame_index": 2},
        {"id": 8, "file_name": "c.mp4", "frame_index": 4},
    ]
    people = [
        {"image_id": 5, "bbox": [1, 2, 3, 4], "category_id": 1},
        {"image_id": 5, "bbox": [0, 0, 9, 9], "category_id": 1, "iscrowd": 1},
        {"image_id": 5, "bbox": [0, 0, 8, 8], "category_id": 18},
        {"image_id": 8, "bbox": [5, 6, 7, 8], "category_id": 1},
    ]
    categories = [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}]
    content = {"images": images, "annotations": people, "categories": categories}
    table = load(content)
    assert table.of_photo(A).tolist() == [[1, 2, 3, 4]]
    assert table.of_photo(B).shape == (0, 4)
    of_clip = table.of_video(CLIP)
    assert of_clip[2].shape == (0, 4) and of_clip[4].tolist() == [[5, 6, 7, 8]]
    images.append({"id": 9, "file_name": "b.jpg"})
    with pytest.raises(InputError, match="'b.jpg' is there more than once"):
        load(content)


def test_real_annotations(shared_data) -> None:
    path = shared_data / "coco" / "train.json"
    document = json.loads(path.read_text())
    photos = [
        shared_data / "coco" / "images" / pathlib.Path(image["file_name"]).name
        for image in document["images"]
    ]
    table = BoxFile(path, photos, [])
    found = np.concatenate([table.of_photo(photo) for photo in photos])
    people = [a for a in document["annotations"] if not a.get("iscrowd")]
    assert len(found) == len(people) > 400
    assert sorted(found.tolist()) == sorted(map(list, (p["bbox"] for p in people)))


def test_names_are_ends_of_paths(load) -> None:
    same = pathlib.Path("two/a.jpg")
    table = load({"one/a.jpg": [[1, 1, 1, 1]], "a.jpg": [[2, 2, 2, 2]]}, (A, same))
    assert table.of_photo(A)[0, 0] == 1 and table.of_photo(same)[0, 0] == 2
    with pytest.raises(InputError, match="'a.jpg' may be one/a.jpg or two/a.jpg"):
        load({"a.jpg": []}, (A, same))
    # Only whole parts of the path count.
    with pytest.raises(InputError, match="one/a.jpg: .*boxes.json has no entry"):
        load({".jpg": [], "xone/a.jpg": []}).of_photo(A)
    # A photo's boxes are not a video's.
    with pytest.raises(InputError, match="c.mp4: .*has no entry"):
        load({"c.mp4": [[1, 1, 1, 1]]}).of_video(CLIP)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"image_id": 1, "bbox": [1, 2, 3, 4]}], "found a list at the top"),
        ({"a.jpg": [1, 2, 3, 4]}, "'a.jpg': box is 1, expected four"),
        ({"a.jpg": [[1, 2, 3]]}, "'a.jpg': box is \\[1, 2, 3\\], expected four"),
        ({"a.jpg": [[1, 2, 3, True]]}, "expected four finite numbers"),
        ({"a.jpg": [[1, 2, 0, 4]]}, "expected a width and height above 0"),
        ({"a.jpg": 3}, "'a.jpg': expected a list of boxes, found int"),
        ({"c.mp4": {"first": []}}, "'c.mp4': frame is 'first', expected a number"),
        ({"c.mp4": {"4": [[1]]}}, "'c.mp4': frame 4: box is \\[1\\]"),
        ({"4": [[1]]}, "frame 4: box is \\[1\\]"),
        ({"images": [], "annotations": [{}]}, "annotation 0: image_id is null"),
        (
            {"images": [], "annotations": [{"image_id": 1}]},
            "annotation 0: bbox is null, expected four numbers",
        ),
        (
            {"images": [], "annotations": [{"image_id": 1, "bbox": [1, 2, 3, 4]}]},
            "annotation 0: image_id 1 is none of the images",
        ),
        (
            {"images": [{"id": 1}], "annotations": []},
            "image 0: file_name is null, expected a text",
        ),
        ({"images": 5, "annotations": []}, "images is a int, expected a list"),
    ],
)
def test_what_is_no_box_file_is_refused(load, content, message) -> None:
    with pytest.raises(InputError, match=message) as error:
        load(content)
    assert "boxes.json: " in str(error.value) and "\n" not in str(error.value)


@pytest.fixture
def of_case(shared_data):
    """The boxes of a file of `cases/boxes`."""
    folder = shared_data / "cases" / "boxes"
    photo = folder / "p.jpg"

    def read(name):
        return BoxFile(folder / f"{name}.json", [photo], []).of_photo(photo).tolist()

    return read


@pytest.mark.parametrize("name", ["Person_capital", "category_human", "windows_name"])
def test_people_alone_by_any_word_and_file_by_any_path(of_case, name) -> None:
    assert of_case(name) == [[340, 138, 60, 195]]


def test_records_without_a_box_are_named(of_case) -> None:
    with pytest.raises(InputError, match="null_bbox.json: annotation 1: bbox is null"):
        of_case("null_bbox")


def test_which_are_people_is_known_or_asked(load) -> None:
    people = [
        {"image_id": 5.0, "bbox": [1, 2, 3, 4], "category_id": 0},
        {"image_id": 5, "bbox": [5, 6, 7, 8], "category_id": 16.0},
    ]
    content = {"images": [{"id": 5, "file_name": "a.jpg"}], "annotations": people}
    with pytest.raises(InputError, match="category_id 0 and 16, and no categories"):
        load(content)
    others = [{"id": 0, "name": "cat"}, {"id": 16, "name": "dog"}]
    with pytest.raises(InputError, match=r"one category of people.*'cat', 'dog'"):
        load({**content, "categories": others})
    others[0]["name"] = "PERSON"
    others[1]["keypoints"] = ["nose", "tail"]
    table = load({**content, "categories": others})
    assert table.of_photo(A).tolist() == [[1, 2, 3, 4]]


def test_paths_of_another_machine(load) -> None:
    found = load({"D:\\x\\two\\b.jpg": [[1, 2, 3, 4]], "D:\\x\\six\\b.jpg": []})
    assert found.of_photo(B).tolist() == [[1, 2, 3, 4]]
    assert load({"/elsewhere/a.jpg": []}).of_photo(A).shape == (0, 4)
    with pytest.raises(InputError, match="may be .*three.* or .*four"):
        load({"D:\\three\\b.jpg": [[1, 2, 3, 4]], "D:\\four\\b.jpg": []})
    with pytest.raises(InputError, match="no entry of its name"):
        load({"other/a.jpg": []}).of_photo(A)
