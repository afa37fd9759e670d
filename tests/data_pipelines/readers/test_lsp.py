"""LSP and LSPET in their own form: shapes, flags, splits, boxes, and what is wrong."""

import cv2
import numpy as np
import pytest
import scipy.io

from data_pipelines.images import decode_image
from data_pipelines.prepare import prepare_split
from data_pipelines.readers.datasets import load_dataset
from data_pipelines.readers.lsp import read_lsp, read_lspet
from tfpose.errors import InputError

SIZE = (120, 90)


def _poses(count):
    """MATLAB coordinates `[N, 14, 2]` of people in the middle of the photo."""
    return np.random.default_rng(0).uniform(31, 61, (count, 14, 2)).round(3)


def _write(folder, joints, pattern, numbers):
    (folder / "images").mkdir(parents=True)
    scipy.io.savemat(folder / "joints.mat", {"joints": joints})
    for number in numbers:
        pixels = np.full((*SIZE, 3), number % 251, np.uint8)
        cv2.imwrite(str(folder / "images" / pattern.format(number)), pixels)
    return folder


@pytest.fixture
def lsp(tmp_path):
    """As published, with four of the 2,000 photos."""
    poses = _poses(2000)
    occluded = np.zeros((2000, 14, 1))
    occluded[:, 3] = 1
    joints = np.concatenate([poses, occluded], axis=-1).transpose(2, 1, 0)
    assert joints.shape == (3, 14, 2000)
    numbers = (1, 1000, 1001, 2000)
    return _write(tmp_path / "lsp", joints, "im{:04d}.jpg", numbers), poses


@pytest.fixture
def lspet(tmp_path):
    """As published, with a few of the 10,000 photos."""
    poses = _poses(10000)
    labelled = np.ones((10000, 14, 1))
    labelled[:, 5] = 0
    poses[:, 5] = -7
    joints = np.concatenate([poses, labelled], axis=-1).transpose(1, 2, 0)
    assert joints.shape == (14, 3, 10000)
    numbers = (1, 9, 10, 9999, 10000)
    return _write(tmp_path / "lspet", joints, "im{:05d}.jpg", numbers), poses


def test_lsp_as_published(lsp):
    folder, poses = lsp
    for split, numbers in (("train", [1, 1000]), ("val", [1001, 2000])):
        people, report = read_lsp(str(folder), split)
        assert people.skeleton.name == "lsp14" and people.name == f"lsp_{split}"
        np.testing.assert_array_equal(people.image_ids, numbers)
        np.testing.assert_array_equal(people.person_ids, numbers)
        np.testing.assert_array_equal(people.image_sizes, [SIZE, SIZE])
        rows = np.array(numbers) - 1
        np.testing.assert_allclose(
            people.keypoints[..., :2], poses[rows] - 1, atol=1e-5
        )
        assert (people.keypoints[:, 3, 2] == 1).all()
        assert (np.delete(people.keypoints[..., 2], 3, axis=1) == 2).all()
        assert np.isnan(people.areas).all() and people.head_sizes is None
        assert report.counts()["image: image file is absent"] == 998
    pixels = decode_image(people.images.read(1), SIZE)
    assert pixels[5, 5, 0] == pytest.approx(2000 % 251, abs=3)


def test_lspet_as_published(lspet):
    folder, poses = lspet
    train, _ = read_lspet(str(folder), "train")
    val, _ = read_lspet(str(folder), "val")
    np.testing.assert_array_equal(train.image_ids, [1, 9, 9999])
    np.testing.assert_array_equal(val.image_ids, [10, 10000])
    # No joint is taken for occluded, and what is not labelled is not there.
    np.testing.assert_array_equal(np.unique(train.keypoints[..., 2]), [0, 2])
    np.testing.assert_array_equal(train.keypoints[:, 5], 0)
    np.testing.assert_allclose(val.keypoints[0, 6, :2], poses[9, 6] - 1, atol=1e-5)


def test_boxes_hold_the_joints_and_a_margin(lsp):
    folder, _ = lsp
    content = scipy.io.loadmat(folder / "joints.mat")["joints"]
    content[:2, :, 0] = 50
    content[:2, 0, 0] = (21, 31)
    content[:2, 1, 0] = (61, 111)
    scipy.io.savemat(folder / "joints.mat", {"joints": content})
    people, _ = read_lsp(str(folder), "train")
    # From 20.5 to 60.5 and from 30.5 to 110.5, and a tenth of 80 on every side.
    np.testing.assert_allclose(people.boxes[0], [12.5, 22.5, 56, 96])
    content[:2, 1, 0] = (61, 131)
    scipy.io.savemat(folder / "joints.mat", {"joints": content})
    people, _ = read_lsp(str(folder), "train")
    np.testing.assert_allclose(people.boxes[0], [10.5, 20.5, 60, SIZE[0] - 20.5])
    assert people.keypoints[0, 1, 1] == 130


def test_what_cannot_be_used_is_named(lspet):
    folder, _ = lspet
    content = scipy.io.loadmat(folder / "joints.mat")["joints"]
    content[1:, 2, 0] = 0
    content[4, 2, 8] = 2
    content[:, :2, 9998] += 500
    scipy.io.savemat(folder / "joints.mat", {"joints": content[..., :9999]})
    with pytest.raises(InputError, match="no usable person in .*joints.mat: 3 im") as e:
        read_lspet(str(folder), "train")
    assert "\n" not in str(e.value)
    content[:, :2, 9998] -= 500
    content[3, 0, 9998] = np.nan
    scipy.io.savemat(folder / "joints.mat", {"joints": content[..., :9999]})
    people, report = read_lspet(str(folder), "train")
    np.testing.assert_array_equal(people.image_ids[people.image_index], [9999])
    np.testing.assert_array_equal(people.keypoints[0, 3], 0)
    entries = {
        (entry["id"], entry["reason"])
        for entry in report.skipped
        if "absent" not in entry["reason"]
    }
    assert entries == {
        (1, "fewer than two labelled joints"),
        (9, "third value of a joint is not 0 or 1"),
        (10000, "not in joints.mat"),
    }


def test_each_refuses_the_other(lsp, lspet):
    with pytest.raises(InputError, match=r"joints.mat: 'joints' is .* LSP's, see lsp"):
        load_dataset("lspet", lsp[0], "val")
    with pytest.raises(InputError, match=r"joints.mat: 'joints' .* LSPET's, see lspet"):
        load_dataset("lsp", lspet[0], "val")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"joints": np.zeros((3, 13, 9))}, r"'joints' is float64 \[3, 13, 9\], expe"),
        ({"points": np.zeros((3, 14, 9))}, "no variable 'joints', found points"),
        (None, "joints.mat: not there; found images; dataset 'lsp' expects"),
    ],
)
def test_bad_files(tmp_path, content, message):
    folder = _write(tmp_path / "lsp", np.zeros(1), "im{:04d}.jpg", [])
    (folder / "joints.mat").unlink()
    if content is not None:
        scipy.io.savemat(folder / "joints.mat", content)
    with pytest.raises(InputError, match=message) as caught:
        load_dataset("lsp", folder, "train")
    assert "\n" not in str(caught.value)


def test_records_of_lsp_are_the_same(lsp, tmp_path):
    folder, _ = lsp
    expected = load_dataset("lsp", folder, "val")
    prepare_split("lsp", folder, "val", tmp_path / "out", quiet=True)
    found = load_dataset("records", tmp_path / "out", "val")
    for name, column in expected.columns.items():
        np.testing.assert_array_equal(found.columns[name], column)
    assert found.images.read(1) == expected.images.read(1)
