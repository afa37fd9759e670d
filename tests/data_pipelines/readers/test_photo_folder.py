"""Folders of photos without labels, as people have them."""

import json

import numpy as np
import pytest

from data_pipelines.readers.coco_format import BOXES_ALONE
from data_pipelines.readers.datasets import load_dataset, read_source
from tfpose.errors import InputError


@pytest.fixture
def folder(shared_data, tmp_path):
    """Twenty real photos of everyday actions, in two subfolders, and a text."""
    photos = sorted((shared_data / "stanford40" / "images").rglob("*.jpg"))[:20]
    for number, photo in enumerate(photos):
        place = tmp_path / ("indoors" if number < 15 else "outdoors")
        place.mkdir(exist_ok=True)
        (place / f"{number:02}.JPG").symlink_to(photo)
    (tmp_path / "notes.txt").write_text("where I took them")
    return tmp_path


def test_photos_of_one_person_each(folder):
    train, report = read_source("photos", folder, "train")
    val = load_dataset("photos", folder, "val")
    assert (len(train), len(val)) == (18, 2)
    assert report.notes == {"file that is no photo": 1}
    names = {train.images.describe(row)[-6:] for row in range(18)}
    assert names.isdisjoint({val.images.describe(row)[-6:] for row in range(2)})
    assert train.skeleton is BOXES_ALONE and not train.num_labelled.any()
    height, width = train.picture(3).shape[:2]
    np.testing.assert_array_equal(train.boxes[3], [0, 0, width, height])


def test_people_whose_boxes_are_in_a_file(folder):
    boxes = {f"{n:02}.JPG": [[10, 20, 50, 60], [-5, 0, 30, 40]] for n in range(20)}
    boxes["03.JPG"] = []
    boxes["04.JPG"] = [[5000, 0, 10, 10]]
    del boxes["05.JPG"]
    (folder / "boxes.json").write_text(json.dumps(boxes))
    people, report = read_source("photos", folder, "train")
    assert len(people) == 2 * 15
    np.testing.assert_array_equal(people.boxes[1], [0, 0, 25, 40])
    assert report.counts() == {
        "image: no entry in boxes.json": 1,
        "annotation: bbox outside its image": 1,
    }


def test_splits_of_ones_own(folder):
    (folder / "indoors").rename(folder / "train")
    with pytest.raises(InputError, match="val: not there"):
        load_dataset("photos", folder, "val")
    (folder / "outdoors").rename(folder / "val")
    assert [len(load_dataset("photos", folder, s)) for s in ("train", "val")] == [15, 5]


def test_what_is_no_folder_of_photos_is_refused(folder):
    (folder / "indoors" / "00.JPG").unlink()
    (folder / "indoors" / "00.JPG").write_text("not a photo")
    _, report = read_source("photos", folder, "train")
    assert report.counts() == {"image: image not readable": 1}
    (folder / "boxes.json").write_text('{"01.JPG": [[1, 2, 3]]}')
    with pytest.raises(InputError, match="boxes.json: '01.JPG': box is"):
        load_dataset("photos", folder, "train")
    for photo in folder.rglob("*.JPG"):
        photo.unlink()
    with pytest.raises(InputError, match="no photos for train; dataset 'photos'"):
        load_dataset("photos", folder, "train")
