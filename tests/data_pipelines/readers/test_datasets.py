"""Every dataset opens by name, or says what it expected where."""

import json
import shutil

import pytest

from data_pipelines.prepare import prepare_split
from data_pipelines.readers.datasets import load_dataset
from tfpose.errors import InputError


def test_coco_layout(small_set, tmp_path):
    folder = tmp_path / "coco"
    (folder / "annotations").mkdir(parents=True)
    shutil.move(small_set / "images", folder / "val2017")
    shutil.move(
        small_set / "train.json",
        folder / "annotations" / "person_keypoints_val2017.json",
    )
    people = load_dataset("coco", folder, "val")
    assert len(people) == 12 and people.name == "person_keypoints_val2017"
    with pytest.raises(InputError, match="train2017: not there; .*found annotations"):
        load_dataset("coco", folder, "train")


def test_coco_format_with_images_beside_the_file(small_set):
    assert len(load_dataset("coco_format", small_set, "train")) == 12
    for path in (small_set / "images").iterdir():
        path.rename(small_set / path.name)
    (small_set / "images").rmdir()
    assert len(load_dataset("coco_format", small_set, "train")) == 12


def test_records(small_set, tmp_path):
    prepare_split("coco_format", small_set, "train", tmp_path / "out", quiet=True)
    assert len(load_dataset("records", tmp_path / "out", "train")) == 12
    with pytest.raises(InputError, match="val/manifest.json: not there"):
        load_dataset("records", tmp_path / "out", "val")


def test_what_was_skipped_is_written_and_logged(small_set, tmp_path, caplog):
    (small_set / "images" / "01.jpg").unlink()
    with caplog.at_level("WARNING"):
        load_dataset("coco_format", small_set, "train", tmp_path / "skipped.json")
    assert "1 x image: image file is absent" in caplog.text
    report = json.loads((tmp_path / "skipped.json").read_text())
    assert report["counts"] == {
        "image: image file is absent": 1,
        "annotation: its image file is absent": 1,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("coko", "/", "train"), "unknown dataset 'coko', expected one of coco, "),
        (("coco", "/", "test"), "unknown split 'test', expected train or val"),
        (("coco", "", "train"), "needs data_dir, a folder with annotations/person_k"),
        (("coco", "/no/such", "val"), "data_dir /no/such: no such folder"),
        (("coco_format", "{}", "val"), "val.json: not there; .*found images, train"),
        (("records", "{}", "train"), "manifest.json: not there; .*dataset 'records'"),
    ],
)
def test_wrong_names_and_paths(small_set, arguments, message):
    dataset, folder, split = arguments
    with pytest.raises(InputError, match=message) as caught:
        load_dataset(dataset, folder.format(small_set), split)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ("mannequin", ("studio", 4000, 0, "train", {})),
        (
            "mannequin_crowd",
            ("crowd", 2000, 0, "train", {"image_size": (256, 256), "people": (2, 8)}),
        ),
    ],
)
def test_mannequins_are_drawn_once(small_set, tmp_path, monkeypatch, dataset, expected):
    written = []

    def write_dataset(out_dir, scenario, count, seed, split, **options):
        written.append((scenario, count, seed, split, options))
        shutil.copytree(small_set, out_dir, dirs_exist_ok=True)

    write = pytest.importorskip("data_pipelines.mannequin.write")
    monkeypatch.setattr(write, "write_dataset", write_dataset)
    for _ in range(2):
        people = load_dataset(dataset, tmp_path / "drawn", "train")
    assert len(people) == 12
    assert written == [expected]
