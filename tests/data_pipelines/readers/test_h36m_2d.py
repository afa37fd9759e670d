"""Human3.6M's frames and joints in MMPose's two forms."""

import json
import shutil

import numpy as np
import pytest

from data_pipelines.images import decode_image
from data_pipelines.readers.datasets import load_dataset
from data_pipelines.readers.h36m_2d import read_h36m
from tfpose.errors import InputError
from tfpose.skeletons import get_skeleton

JOINTS = get_skeleton("h36m17")


@pytest.fixture
def source(shared_data):
    """MMPose's four frames of S1, S5, S7 and S8."""
    return shared_data / "formats" / "h36m"


@pytest.fixture
def npz_folder(source, tmp_path):
    """Those frames and their .npz file, laid out as the whole set."""
    for place in ("images", "annotation_body3d/fps50"):
        (tmp_path / place).mkdir(parents=True)
    for subject in ("S1", "S5", "S7", "S8"):
        (tmp_path / "images" / subject).symlink_to(source / subject)
    file = tmp_path / "annotation_body3d" / "fps50" / "h36m_train.npz"
    shutil.copy(source / "test_h36m_body3d.npz", file)
    return tmp_path


@pytest.fixture
def coco_folder(source, tmp_path):
    """Those frames as subject folders beside the COCO file."""
    folder = tmp_path / "coco"
    folder.mkdir()
    for name in ("S1", "S5", "S7", "S8"):
        (folder / name).symlink_to(source / name)
    shutil.copy(source / "h36m_coco.json", folder)
    return folder


def npz_path(folder):
    return folder / "annotation_body3d" / "fps50" / "h36m_train.npz"


def change_npz(folder, **changes):
    """Replaces arrays of the .npz file; None takes one out."""
    arrays = dict(np.load(npz_path(folder))) | changes
    arrays = {name: array for name, array in arrays.items() if array is not None}
    np.savez(npz_path(folder), **arrays)
    return folder


def change_coco(folder, change):
    path = folder / "h36m_coco.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return folder


def test_both_forms_say_the_same(npz_folder, coco_folder):
    tables = []
    for folder in (npz_folder, coco_folder):
        assert len(load_dataset("h36m", folder, "train")) == 4
        people, report = read_h36m(folder, "train")
        assert not report.skipped and len(people) == 4
        assert people.name == "h36m_train" and people.skeleton is JOINTS
        for row, (height, width) in enumerate(people.image_sizes):
            data = people.images.read(people.image_index[row])
            assert decode_image(data).shape == (height, width, 3)
        tables.append(people)
    npz, coco = tables
    assert npz.image_sizes.tolist() == [[1002, 1000]] * 3 + [[1000, 1000]]
    for column in ("image_ids", "image_sizes", "person_ids"):
        assert np.array_equal(getattr(npz, column), getattr(coco, column))
    assert np.allclose(npz.boxes, coco.boxes, atol=1e-3)
    assert np.allclose(npz.keypoints, coco.keypoints, atol=1e-3)
    assert (npz.keypoints[..., 2] == 2).all()


def test_legs_are_on_the_side_of_their_arms(coco_folder, source):
    """The COCO file's own names cross them; its 3D joints tell, person by person."""
    content = json.loads((coco_folder / "h36m_coco.json").read_text())
    people, _ = read_h36m(coco_folder, "train")
    world = np.array([a["keypoints_3d"] for a in content["annotations"]])
    world = world.reshape(4, 17, 4)[..., :3]

    def across(names, joint):
        return (
            world[:, names.index(f"left_{joint}")]
            - world[:, names.index(f"right_{joint}")]
        )

    named = content["categories"][0]["keypoints"]
    for names, right in ((list(people.skeleton.joints), True), (named, False)):
        same_side = (across(names, "hip") * across(names, "shoulder")).sum(axis=1) > 0
        assert same_side.tolist() == [right] * 4


def test_joints_that_a_file_names_otherwise(coco_folder):
    joints = [f"joint {number}" for number in range(17)]

    def rename(content):
        content["categories"][0]["keypoints"] = joints

    def forget(content):
        del content["categories"][0]["keypoints"]

    assert read_h36m(change_coco(coco_folder, rename), "train")[0].skeleton != JOINTS
    assert read_h36m(change_coco(coco_folder, forget), "train")[0].skeleton is JOINTS


def test_splits_are_of_subjects(coco_folder, npz_folder, source):
    with pytest.raises(InputError, match="val is of subjects S9, S11, found S1, S5"):
        read_h36m(coco_folder, "val")
    old, new = "S5_SittingDown.54138969", "S9_SittingDown.54138969"
    frame = "{0}/{1}/{1}_002061.jpg"
    for folder in (coco_folder, npz_folder / "images"):
        (folder / "S9" / new).mkdir(parents=True)
        shutil.copy(folder / frame.format("S5", old), folder / frame.format("S9", new))

    def change(content):
        content["images"][1]["file_name"] = f"{new}_002061.jpg"

    change_coco(coco_folder, change)
    people, report = read_h36m(coco_folder, "val")
    assert people.image_ids.tolist() == [2] and not report.skipped
    people, report = read_h36m(coco_folder, "train")
    assert people.image_ids.tolist() == [1, 3, 4] and not report.skipped
    names = np.load(npz_path(npz_folder))["imgname"]
    names[1] = frame.format("S9", new)
    names[2] = "picture.jpg"
    change_npz(npz_folder, imgname=names)
    people, report = read_h36m(npz_folder, "train")
    assert people.image_ids.tolist() == [1, 4]
    assert report.counts() == {
        "folder: subject of another split": 1,
        "folder: no subject in its name": 1,
    }
    npz_path(npz_folder).rename(npz_path(npz_folder).with_name("h36m_test.npz"))
    assert read_h36m(npz_folder, "val")[0].image_ids.tolist() == [2]


def test_a_name_without_a_subject_is_reported(coco_folder):
    def change(content):
        content["images"][0]["file_name"] = "picture.jpg"

    people, report = read_h36m(change_coco(coco_folder, change), "train")
    assert people.image_ids.tolist() == [2, 3, 4]
    assert report.counts() == {"image: no subject in its name": 1}


def test_frames_that_are_not_there(npz_folder):
    (npz_folder / "images" / "S5").unlink()
    people, report = read_h36m(npz_folder, "train")
    assert people.image_ids.tolist() == [1, 3, 4]
    assert report.counts() == {"folder: frame folder is absent": 1}


def test_a_box_that_is_none_and_a_joint_that_is_absent(npz_folder):
    arrays = np.load(npz_path(npz_folder))
    scale, part = arrays["scale"], arrays["part"]
    scale[0], part[3, 16] = np.nan, 0
    people, report = read_h36m(change_npz(npz_folder, scale=scale, part=part), "train")
    joints = part[0, :, :2]
    low, extent = joints.min(axis=0) + 0.5, np.ptp(joints, axis=0)
    assert np.allclose(people.boxes[0], [*low, *extent], atol=1e-3)
    assert people.keypoints[3, 16].tolist() == [0, 0, 0]
    assert report.notes == {"box absent, extent of the labelled keypoints": 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"part": None}, "no array 'part', found imgname, center, scale, S"),
        (
            {"part": np.ones((4, 24, 3))},
            r"'part' is .*\[4, 24, 3\], expected .*17",
        ),
        ({"scale": np.array(["a"] * 4)}, "'scale' is <U1 .*expected numbers"),
        ({"imgname": np.arange(4)}, r"'imgname' is int64 \[4\], expected texts"),
        ({"scale": np.array([{}] * 4)}, "not an .npz file of arrays: Object arrays"),
    ],
)
def test_arrays_that_do_not_fit(npz_folder, changes, message):
    with pytest.raises(InputError, match=f"h36m_train.npz: {message}"):
        read_h36m(change_npz(npz_folder, **changes), "train")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"text", None])
def test_a_broken_npz_file(npz_folder, data):
    whole = npz_path(npz_folder).read_bytes()
    npz_path(npz_folder).write_bytes(whole[:-999] if data is None else data)
    with pytest.raises(InputError, match="h36m_train.npz: not ") as caught:
        read_h36m(npz_folder, "train")
    assert "\n" not in str(caught.value)


def test_an_empty_folder(tmp_path):
    with pytest.raises(InputError, match="h36m_test.npz and .*h36m_coco.json: not th"):
        read_h36m(tmp_path, "val")
