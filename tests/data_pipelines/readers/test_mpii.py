"""MPII in both its forms: people, head sizes, splits, and HRNet's regions and PCKh."""

import json
import types

import cv2
import numpy as np
import pytest
import scipy.io

from data_pipelines.prepare import prepare_split
from data_pipelines.readers.datasets import load_dataset
from data_pipelines.readers.mpii import read_mpii
from data_pipelines.readers.mpii_labels import mpii_squares
from data_pipelines.top_down import (
    PoseAugmentation,
    TopDownEvaluation,
    TopDownTraining,
    pose_truth,
)
from tests.peers import import_alone, peer_folder
from tfpose.codecs.alignment import ALIGNMENTS, input_middle
from tfpose.errors import InputError
from tfpose.metrics.pck import pckh
from tfpose.metrics.pose_scores import pck_scores
from tfpose.skeletons import get_skeleton
from tfpose.top_down.crop import box_regions, transform_points

JOINTS = (
    "rank rkne rhip lhip lkne lank pelv thor neck head "
    "rwri relb rsho lsho lelb lwri".split()
)
SIZE = (72, 128)


def _images(folder, names):
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for name in names:
        cv2.imwrite(str(folder / "images" / name), np.zeros((*SIZE, 3), np.uint8))


def _records(count, seed=0):
    """People as HRNet's files have them, every third image with two."""
    rng = np.random.default_rng(seed)
    records = []
    for row in range(count):
        seen = (rng.random(16) < 0.8).astype(int)
        seen[9] = 1
        points = rng.uniform(1, 70, (16, 2)).round(3)
        points[seen == 0] = -1
        record = {
            "image": f"{40 + row - row // 3:09d}.jpg",
            "center": rng.integers(20, 100, 2).tolist(),
            "scale": round(float(rng.uniform(0.1, 0.6)), 6),
            "joints": points.tolist(),
            "joints_vis": seen.tolist(),
        }
        records.append(record)
    return records


def _evaluation(records, seed=1):
    """`gt_valid.mat` of the same people: its variables, shapes and names."""
    corners = np.random.default_rng(seed).uniform(5, 25, (2, 2, len(records)))
    corners[1] += 30
    points = np.array([record["joints"] for record in records], np.float64)
    missing = 1 - np.array([record["joints_vis"] for record in records])
    return {
        "dataset_joints": np.array([JOINTS], object),
        "jnt_missing": missing.T.astype(np.uint8),
        "pos_gt_src": points.transpose(1, 2, 0),
        "headboxes_src": corners,
    }


@pytest.fixture
def json_set(tmp_path):
    """HRNet's folder: 9 people of train, 12 of val."""
    folder = tmp_path / "mpii"
    (folder / "annot").mkdir(parents=True)
    splits = {"train": _records(9, seed=5), "valid": _records(12)}
    for split, records in splits.items():
        (folder / "annot" / f"{split}.json").write_text(json.dumps(records))
        _images(folder, [record["image"] for record in records])
    scipy.io.savemat(folder / "annot" / "gt_valid.mat", _evaluation(splits["valid"]))
    return folder, splits


def test_hrnets_files(json_set):
    folder, splits = json_set
    for split, name in (("train", "train"), ("val", "valid")):
        records = splits[name]
        people = load_dataset("mpii", folder, split)
        assert people.skeleton.name == "mpii16" and people.name == f"mpii_{split}"
        assert len(people) == len(records)
        assert len(people.image_ids) == len({r["image"] for r in records})
        np.testing.assert_array_equal(people.person_ids, range(len(records)))
        seen = np.array([record["joints_vis"] for record in records])
        np.testing.assert_array_equal(people.keypoints[..., 2], 2 * seen)
        points = np.array([record["joints"] for record in records]) - 1
        points[seen == 0] = 0
        np.testing.assert_allclose(people.keypoints[..., :2], points, atol=1e-5)
        numbers = [int(record["image"][:9]) for record in records]
        np.testing.assert_array_equal(people.image_ids[people.image_index], numbers)
        np.testing.assert_array_equal(people.image_sizes, [SIZE] * len(set(numbers)))
        assert np.isnan(people.areas).all()
    corners = _evaluation(splits["valid"])["headboxes_src"]
    assert load_dataset("mpii", folder, "train").head_sizes is None
    diagonals = np.linalg.norm(corners[1] - corners[0], axis=0)
    np.testing.assert_allclose(people.head_sizes, 0.6 * diagonals, rtol=1e-6)


def test_squares_by_hand():
    """200 scales a side, about a middle 15 scales further down, counted from 0."""
    middles, boxes = mpii_squares(np.array([[594.0, 257.0]]), np.array([3.0]))
    np.testing.assert_allclose(middles, [[593, 256 + 45]])
    np.testing.assert_allclose(boxes, [[593.5 - 300, 256.5 + 45 - 300, 600, 600]])
    np.testing.assert_allclose(box_regions(boxes, (64, 64))[0], middles)


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_regions_are_about_the_labels_middle(json_set, alignment):
    """In every alignment, and so is where augmentation starts from."""
    folder, splits = json_set
    people = load_dataset("mpii", folder, "train")
    wanted = [
        np.add(record["center"], [-1, 15 * record["scale"] - 1])
        for record in splits["train"]
    ]
    size = (64, 48)
    sampler = TopDownEvaluation(people, size, alignment=alignment)
    middle = transform_points(sampler.matrices, np.array(wanted)[:, None])[:, 0]
    expected = np.broadcast_to(input_middle(alignment, size), middle.shape)
    np.testing.assert_allclose(middle, expected, atol=1e-4)
    change = PoseAugmentation(half_body_probability=0)
    training = TopDownTraining(people, size, 1, 0, change, alignment=alignment)
    np.testing.assert_array_equal(training.centres, sampler.centres)


def test_boxes_are_not_clipped(json_set):
    people = load_dataset("mpii", json_set[0], "train")
    assert (people.boxes[:, 2] == people.boxes[:, 3]).all()
    over = (people.boxes[:, :2] < 0) | (people.boxes[:, 1:3] > min(SIZE))
    assert over.any()


def test_mmposes_folder_is_read_too(json_set):
    folder, _ = json_set
    (folder / "annotations").mkdir()
    for old, new in (
        ("train.json", "mpii_train.json"),
        ("valid.json", "mpii_val.json"),
        ("gt_valid.mat", "mpii_gt_val.mat"),
    ):
        (folder / "annot" / old).rename(folder / "annotations" / new)
    assert len(load_dataset("mpii", folder, "train")) == 9
    assert np.isfinite(load_dataset("mpii", folder, "val").head_sizes).all()


def test_real_people(shared_data, tmp_path):
    """MMPose's five people of MPII lie in their regions, on photos that are there."""
    source = shared_data / "formats" / "mpii"
    (tmp_path / "annot").mkdir()
    (tmp_path / "annot" / "train.json").symlink_to(source / "test_mpii.json")
    (tmp_path / "images").symlink_to(source)
    people, report = read_mpii(str(tmp_path), "train")
    assert len(people) == 5 and not report.skipped
    assert 4645041 in people.image_ids and people.num_labelled.min() >= 14
    low, sides = people.boxes[:, None, :2], people.boxes[:, None, 2:]
    labelled = people.keypoints[..., 2] > 0
    inside = (np.abs(people.keypoints[..., :2] - low - sides / 2) < 0.625 * sides).all(
        axis=-1
    )
    assert inside[labelled].all()
    # And fill them: the head is above the middle.
    extent = np.where(labelled[..., None], people.keypoints[..., :2], np.nan)
    height = np.nanmax(extent[..., 1], axis=1) - np.nanmin(extent[..., 1], axis=1)
    assert (height > 0.4 * people.boxes[:, 3]).all()


def test_evaluation_file_decides_what_is_compared(json_set):
    """Absences and positions of gt_valid.mat, where they differ by little."""
    folder, splits = json_set
    content = _evaluation(splits["valid"])
    content["jnt_missing"][9, 3] = 1
    content["pos_gt_src"][9, :, 4] += 0.5
    scipy.io.savemat(folder / "annot" / "gt_valid.mat", content)
    people = load_dataset("mpii", folder, "val")
    np.testing.assert_array_equal(people.keypoints[3, 9], 0)
    expected = np.array(splits["valid"][4]["joints"][9]) - 0.5
    np.testing.assert_allclose(people.keypoints[4, 9, :2], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("headboxes_src"), "no variable 'headboxes_src', found data"),
        (
            lambda c: c.update(headboxes_src=np.zeros((2, 2, 9))),
            "'headboxes_src' has 9 people, expected the 12 of .*valid.json",
        ),
        (
            lambda c: c.update(pos_gt_src=c["pos_gt_src"][..., ::-1]),
            "joints lie elsewhere than in .*valid.json",
        ),
    ],
)
def test_evaluation_file_of_others_is_refused(json_set, change, message):
    folder, splits = json_set
    content = _evaluation(splits["valid"])
    change(content)
    scipy.io.savemat(folder / "annot" / "gt_valid.mat", content)
    with pytest.raises(InputError, match=f"gt_valid.mat: .*{message}") as caught:
        load_dataset("mpii", folder, "val")
    assert "\n" not in str(caught.value)


def test_bad_records_are_named_and_rows_stay_in_order(json_set):
    folder, splits = json_set
    records = splits["valid"]
    changes = {
        0: {"center": [-1.0, -1.0]},
        1: {"scale": None},
        2: {"joints_vis": [3] * 16},
        3: {"joints": [[1, 2]]},
        5: {"image": "absent.jpg"},
        6: {"joints_vis": [0] * 16},
    }
    for row, change in changes.items():
        records[row] = records[row] | change
    del records[4]["joints"]
    (folder / "annot" / "valid.json").write_text(json.dumps(records))
    (folder / "annot" / "gt_valid.mat").rename(folder / "elsewhere.mat")
    people, report = read_mpii(str(folder), "val")
    np.testing.assert_array_equal(people.person_ids, range(7, 12))
    reasons = {entry["id"]: entry["reason"] for entry in report.skipped if entry["id"]}
    form = "center, scale, joints or joints_vis have another form"
    assert [reasons.get(row) for row in range(1, 7)] == [
        form,
        "joints_vis is not 0 or 1",
        form,
        "no joints",
        "its image file is absent",
        "no labelled joint",
    ]
    assert report.counts()["annotation: no centre or scale of the person"] == 1


def test_files_that_are_not_there_or_not_mpiis(json_set):
    folder, _ = json_set
    (folder / "annot" / "train.json").write_text("{}")
    with pytest.raises(InputError, match="train.json: found a dict at the top, expe"):
        load_dataset("mpii", folder, "train")
    (folder / "annot" / "train.json").unlink()
    with pytest.raises(InputError, match="train.json: not there; .*dataset 'mpii'"):
        load_dataset("mpii", folder, "train")


def _structs(rows, fields):
    """A MATLAB struct array `[1, N]`."""
    array = np.empty((1, len(rows)), [(field, object) for field in fields])
    for column, row in enumerate(rows):
        for field in fields:
            array[0, column][field] = row.get(field, np.zeros((0, 0)))
    return array


def _person(rng, occluded=(), without=()):
    """One annorect and its 16 joints as `[16, 2]`."""
    points = rng.uniform(1, 70, (16, 2)).round(3)
    rows = []
    for joint, (x, y) in enumerate(points):
        if joint in without:
            continue
        row = {"id": float(joint), "x": x, "y": y}
        # Unknown for the pelvis and the thorax; text in a part of the file.
        if joint not in (6, 7):
            row["is_visible"] = float(joint not in occluded) if joint % 2 else "1"
        rows.append(row)
    person = {
        "x1": 20.0,
        "y1": 10.0,
        "x2": 50.0,
        "y2": 50.0,
        "scale": 0.4,
        "objpos": _structs([{"x": 60.0, "y": 30.0}], ["x", "y"]),
        "annopoints": _structs(
            [{"point": _structs(rows, ["x", "y", "id", "is_visible"])}], ["point"]
        ),
    }
    return person, points


_ANNORECT = ("x1", "y1", "x2", "y2", "annopoints", "scale", "objpos")


def _release(people_of, videos, trained, apart):
    """The published file's content, of lists of annorects."""
    images = [
        {
            "image": _structs([{"name": f"{row + 5:09d}.jpg"}], ["name"]),
            "annorect": _structs(people, _ANNORECT) if people else np.zeros((0, 0)),
            "frame_sec": 3.0,
            "vididx": videos[row],
        }
        for row, people in enumerate(people_of)
    ]
    single = np.empty((len(images), 1), object)
    for row, places in enumerate(apart):
        single[row, 0] = np.array([places], np.float64).T
    fields = {
        "annolist": _structs(images, ["image", "annorect", "frame_sec", "vididx"]),
        "img_train": np.array([trained], np.uint8),
        "version": "12",
        "single_person": single,
        "act": _structs([{"act_id": 1.0}] * len(images), ["act_id"]),
        "video_list": np.array([["a"], ["b"]], object),
    }
    return {"RELEASE": _structs([fields], list(fields))}


@pytest.fixture
def mat_set(tmp_path):
    """Six images: two of a test set, two of video 20 (val), nobody in the last."""
    rng = np.random.default_rng(0)
    people = [_person(rng, occluded=(3,), without=(0,)) for _ in range(7)]
    bare = {key: people[6][0][key] for key in ("scale", "objpos")}
    release = _release(
        people_of=[
            [people[0][0], people[1][0]],
            [bare],
            [people[2][0], people[3][0]],
            [people[4][0], {"x1": 1.0}],
            [people[5][0]],
            [],
        ],
        videos=[11.0, 10.0, 20.0, 20.0, np.zeros((0, 0)), 7.0],
        trained=[1, 0, 1, 1, 1, 1],
        apart=[[1, 2], [1], [2], [1, 2], [1], []],
    )
    folder = tmp_path / "release"
    folder.mkdir()
    path = folder / "mpii_human_pose_v1_u12_1.mat"
    scipy.io.savemat(path, release, do_compression=True)
    _images(folder, [f"{row + 5:09d}.jpg" for row in range(6)])
    return folder, [points for _, points in people]


def test_the_published_file(mat_set):
    folder, points = mat_set
    train, report = read_mpii(str(folder), "train")
    # Image 4 has no video and is not a tenth one.
    np.testing.assert_array_equal(train.image_ids[train.image_index], [5, 5, 9])
    np.testing.assert_array_equal(train.person_ids, [0, 1, 7])
    visibility = np.full(16, 2)
    visibility[0], visibility[3] = 0, 1
    np.testing.assert_array_equal(train.keypoints[..., 2], [visibility] * 3)
    for row, person in enumerate((0, 1, 5)):
        np.testing.assert_allclose(
            train.keypoints[row, 1:, :2], points[person][1:] - 1, atol=1e-5
        )
    np.testing.assert_array_equal(train.keypoints[:, 0], 0)
    np.testing.assert_allclose(train.head_sizes, 30)
    np.testing.assert_allclose(train.boxes, [[19.5, -4.5, 80, 80]] * 3, atol=1e-5)
    assert report.notes["image of the test set, without published joints"] == 1


def test_validation_is_by_video_and_of_people_apart(mat_set):
    folder, points = mat_set
    val, report = read_mpii(str(folder), "val")
    np.testing.assert_array_equal(val.person_ids, [4, 5])
    np.testing.assert_allclose(
        val.keypoints[:, 1:, :2], np.stack([points[3], points[4]])[:, 1:] - 1, atol=1e-5
    )
    assert report.notes["person near others, not counted in val"] == 1
    assert report.counts() == {"annotation: no labelled joint": 1}


def test_json_files_rule_the_published_one_out(mat_set, json_set):
    (mat_set[0] / "mpii_human_pose_v1_u12_1.mat").rename(
        json_set[0] / "mpii_human_pose_v1_u12_1.mat"
    )
    assert len(load_dataset("mpii", json_set[0], "train")) == 9
    (json_set[0] / "annot" / "valid.json").unlink()
    with pytest.raises(InputError, match="valid.json: not there"):
        load_dataset("mpii", json_set[0], "val")


@pytest.mark.parametrize(
    ("release", "message"),
    [
        ({"RELEASE": 3.0}, "'RELEASE.annolist' lists no images"),
        ({"annolist": 3.0}, "no variable 'RELEASE', found annolist"),
        (
            {"RELEASE": {"annolist": {"image": 1.0}, "img_train": [[1, 0]]}},
            r"'RELEASE.img_train' is \[2\], expected a number for each of the 1 images",
        ),
    ],
)
def test_other_mat_files_are_refused(mat_set, release, message):
    path = mat_set[0] / "mpii_human_pose_v1_u12_1.mat"
    scipy.io.savemat(path, release)
    with pytest.raises(InputError, match=f"u12_1.mat: {message}") as caught:
        load_dataset("mpii", mat_set[0], "train")
    assert "\n" not in str(caught.value)


def test_records_keep_boxes_and_head_sizes(mat_set, tmp_path):
    expected = load_dataset("mpii", mat_set[0], "train")
    prepare_split("mpii", mat_set[0], "train", tmp_path / "out", quiet=True)
    found = load_dataset("records", tmp_path / "out", "train")
    for name in ("boxes", "keypoints", "head_sizes", "centres"):
        np.testing.assert_array_equal(found.columns[name], expected.columns[name])


@pytest.mark.parametrize(
    ("peer", "alignment"),
    [
        ("hrnet", "official"),
        ("simple_baseline", "official"),
        ("tokenpose", "tokenpose"),
    ],
)
def test_regions_are_the_originals(json_set, peer, alignment):
    """Their own reader and crop, of the same files; and their presets' sizes."""
    folder, _ = json_set
    lib = peer_folder(peer) / "lib"
    absent = {"json_tricks": {"load": json.load}}
    absent["dataset.JointsDataset"] = {"JointsDataset": object}
    with import_alone(lib, ["dataset.mpii", "utils.transforms"], absent) as modules:
        mpii, transforms = modules
        for split, name in (("train", "train"), ("val", "valid")):
            original = types.SimpleNamespace(
                num_joints=16, root=str(folder), image_set=name, data_format="jpg"
            )
            records = mpii.MPIIDataset._get_db(original)
            people = load_dataset("mpii", folder, split)
            for size in ((256, 256), (384, 288)):
                sampler = TopDownEvaluation(people, size, alignment=alignment)
                for record, matrix in zip(records, sampler.matrices, strict=True):
                    expected = transforms.get_affine_transform(
                        record["center"], record["scale"], 0, size[::-1]
                    )
                    np.testing.assert_allclose(matrix, expected, atol=1e-4)
            joints = np.array([record["joints_3d"][:, :2] for record in records])
            seen = people.keypoints[..., 2] > 0
            np.testing.assert_allclose(
                people.keypoints[..., :2][seen], joints[seen], atol=1e-5
            )


def test_regions_are_mmposes_udp(json_set):
    """Its map of a middle and a size, which its reader takes as HRNet's does."""
    folder, splits = json_set
    people = load_dataset("mpii", folder, "train")
    sampler = TopDownEvaluation(people, (256, 256), alignment="udp")
    name = "structures.bbox.transforms"
    with import_alone(peer_folder("mmpose") / "mmpose", [name]) as (boxes,):
        for record, matrix in zip(splits["train"], sampler.matrices, strict=True):
            scale = np.float32([record["scale"]] * 2)
            centre = np.float32(record["center"]) + [0, 15 * record["scale"]] - 1
            expected = boxes.get_udp_warp_matrix(
                centre, scale * 200 * 1.25, 0.0, (256, 256)
            )
            np.testing.assert_allclose(matrix, expected, atol=1e-4)


def test_pckh_is_hrnets(json_set):
    """The original's evaluation of the same predictions with the same gt_valid.mat."""
    folder, _ = json_set
    lib = peer_folder("hrnet") / "lib"
    people = load_dataset("mpii", folder, "val")
    rng = np.random.default_rng(2)
    spread = rng.choice([1.0, 6.0, 20.0], (len(people), 16, 1))
    predicted = people.keypoints + spread * rng.normal(0, 1, people.keypoints.shape)
    absent = {"json_tricks": {}, "dataset.JointsDataset": {"JointsDataset": object}}
    with import_alone(lib, ["dataset.mpii"], absent) as (mpii,):
        config = types.SimpleNamespace(ROOT=str(folder), TEST_SET="valid")
        config = types.SimpleNamespace(DATASET=config)
        expected, mean = mpii.MPIIDataset.evaluate(None, config, predicted, None)
    truth, predicted = pose_truth(people), predicted[..., :2]
    metrics, _ = pck_scores(truth, people.skeleton, predicted)
    assert 20 < mean < 95
    assert 100 * metrics["pckh"] == pytest.approx(mean, abs=1e-9)
    found, parts = pckh(predicted, truth.keypoints, truth.head_sizes, people.skeleton)
    assert len(parts) == 7
    for part, share in parts.items():
        assert 100 * share == pytest.approx(expected[part.capitalize()], abs=1e-9)
    finer, _ = pckh(predicted, truth.keypoints, truth.head_sizes, people.skeleton, 0.11)
    assert 100 * finer.overall == pytest.approx(expected["Mean@0.1"], abs=1e-9)


def test_joints_are_in_the_evaluation_files_order():
    sides = {"r": "right_", "l": "left_"}
    parts = {"ank": "ankle", "kne": "knee", "wri": "wrist", "elb": "elbow"}
    parts |= {"sho": "shoulder", "hip": "hip"}
    centre = {"pelv": "pelvis", "thor": "thorax", "neck": "neck", "head": "head_top"}
    names = [
        centre.get(short) or sides[short[0]] + parts[short[1:]] for short in JOINTS
    ]
    assert tuple(names) == get_skeleton("mpii16").joints
