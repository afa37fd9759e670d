"""CrowdPose and OCHuman in their own folders, with their own records."""

import shutil

import pytest

from data_pipelines.images import decode_image
from data_pipelines.readers import crowded
from data_pipelines.readers.datasets import load_dataset
from tfpose.errors import InputError

CROWDPOSE_FILES = [
    "annotations/mmpose_crowdpose_{}.json",
    "annotations/crowdpose_{}.json",
    "json/crowdpose_{}.json",
    "crowdpose_{}.json",
]
OCHUMAN_FILE = "annotations/ochuman_coco_format_{}_range_0.00_1.00.json"


def lay_out(source, folder, *names):
    """The images and test records of MMPose's, as the data set's own files."""
    folder.mkdir(exist_ok=True)
    (folder / "images").mkdir()
    for image in source.glob("*.jpg"):
        (folder / "images" / image.name).symlink_to(image)
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(source / f"test_{source.name}.json", folder / name)
    return folder


@pytest.fixture
def crowdpose(shared_data, tmp_path):
    """Makes the folder with the annotation files of these names."""
    source = shared_data / "formats" / "crowdpose"
    return lambda *names: lay_out(source, tmp_path / "crowdpose", *names)


@pytest.fixture
def ochuman(shared_data, tmp_path):
    """Makes the folder with the annotation files of these names."""
    source = shared_data / "formats" / "ochuman"
    return lambda *names: lay_out(source, tmp_path / "ochuman", *names)


def test_by_name(crowdpose, ochuman):
    folder = crowdpose("json/crowdpose_train.json", "json/crowdpose_test.json")
    assert len(load_dataset("crowdpose", folder, "train")) == 5
    assert len(load_dataset("crowdpose_test", folder, "val")) == 5
    with pytest.raises(InputError, match="not there; found .* expects .*json/crowdpo"):
        load_dataset("crowdpose", folder, "val")
    folder = ochuman(OCHUMAN_FILE.format("val"), OCHUMAN_FILE.format("test"))
    for name in ("ochuman", "ochuman_test"):
        assert len(load_dataset(name, folder, "val")) == 5


def check(people, report, skeleton, count):
    assert people.skeleton.name == skeleton and people.skeleton.sigmas is not None
    assert len(people) == count and not report.skipped
    for row in range(len(people.image_ids)):
        size = tuple(people.image_sizes[row])
        assert decode_image(people.images.read(row), size).shape[:2] == size


@pytest.mark.parametrize("pattern", CROWDPOSE_FILES)
def test_crowdpose(crowdpose, pattern):
    folder = crowdpose(pattern.format("train"), pattern.format("test"))
    people, report = crowded.read_crowdpose(folder, "train")
    check(people, report, "crowdpose14", 5)
    assert people.keypoints[0, 1].tolist() == [208, 108, 2]
    assert people.crowd_indices.tolist() == pytest.approx([0.33, 0.39])
    people, _ = crowded.read_crowdpose_test(folder, "val")
    assert people.name.endswith("crowdpose_test")


def test_trainval_is_not_taken_for_train_nor_test_for_val(crowdpose):
    folder = crowdpose("json/crowdpose_trainval.json", "json/crowdpose_test.json")
    people, _ = crowded.read_crowdpose_test(folder, "train")
    assert people.name == "crowdpose_trainval"
    for split in ("train", "val"):
        message = f"mmpose_crowdpose_{split}.json: not there; found json/crowdpose_te"
        with pytest.raises(InputError, match=message):
            crowded.read_crowdpose(folder, split)


def test_ochuman(ochuman):
    folder = ochuman(OCHUMAN_FILE.format("val"), OCHUMAN_FILE.format("test"))
    for read, name in (
        (crowded.read_ochuman, "val"),
        (crowded.read_ochuman_test, "test"),
    ):
        people, report = read(folder, "val")
        check(people, report, "coco17", 5)
        assert f"_{name}_range" in people.name
        assert people.areas[0] == 356725 and people.crowd_indices is None
        assert people.num_labelled.tolist() == [17, 16, 13, 12, 15]
        with pytest.raises(InputError, match="OCHuman has no train set, only val and"):
            read(folder, "train")


def test_files_that_are_not_there(ochuman, tmp_path):
    folder = ochuman("ochuman.json")
    with pytest.raises(InputError, match="_val_range_0.00_1.00.json: not there; found"):
        crowded.read_ochuman(folder, "val")
    shutil.rmtree(folder / "images")
    with pytest.raises(InputError, match="images: not there; found ochuman.json"):
        crowded.read_ochuman(folder, "val")
    (tmp_path / "bare" / "images").mkdir(parents=True)
    with pytest.raises(InputError, match="train.json: not there; found no .json file"):
        crowded.read_crowdpose(tmp_path / "bare", "train")
