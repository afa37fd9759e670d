"""Folders of clips to 2D-3D pose pairs."""

import pathlib
import shutil

import numpy as np
import pytest

from data_pipelines.lifting.cameras import project_points
from data_pipelines.lifting.datasets import load_lifting_dataset
from data_pipelines.lifting.poses import concatenate
from data_pipelines.mocap.dataset import (
    name_take,
    read_mocap,
    read_mocap_split,
    read_takes,
    subject_part,
)
from tfpose.errors import InputError
from tfpose.skeletons import get_skeleton

SKELETON = get_skeleton("h36m16")


@pytest.fixture
def folder(shared_data, tmp_path):
    """Three people in three kinds of file."""
    mocap = shared_data / "mocap"
    for name in (
        "cmu_bvh/02_01.bvh",
        "cmu_bvh/39_01.bvh",
        "hdm05/bd/HDM_bd.asf",
        "hdm05/bd/HDM_bd_squat1Reps_001_120.amc",
    ):
        target = tmp_path / "clips" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(mocap / name, target)
    return tmp_path / "clips"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("hdm05/bd/HDM_bd_squat1Reps_012_120.amc", ("bd", "squat1Reps", 120.0)),
        ("x/HDM_mm_sneak2StepsLStart_011_60.amc", ("mm", "sneak2StepsLStart", 60.0)),
        ("cmu/49_06.bvh", ("49", "49_06", 120.0)),
        ("reactidle/002_genuine.bvh", ("reactidle", "genuine", 120.0)),
        ("anna/walk-fast_03.bvh", ("anna", "walk fast", 120.0)),
        ("anna/7.bvh", ("anna", "7", 120.0)),
    ],
)
def test_names_tell_subject_and_action(path, expected):
    assert name_take(pathlib.Path(path)) == expected


def test_pose_pairs_of_three_people(folder):
    dataset, report = read_mocap(folder, SKELETON, views=2)
    assert dataset.subjects == ("02", "39", "bd")
    assert dataset.actions == ("02_01", "39_01", "squat1Reps")
    assert dataset.keypoint_source == "projected"
    assert report.used["clips"] == 3 and not report.skipped
    left_out = "added rest pose (frames: 1) left out of the beginning"
    assert report.notes[f"clips with {left_out}"] == 1
    # 343 frames at 120 Hz are 29 poses at 10; two views of each.
    assert (dataset.subject_index == 0).sum() == 2 * 29
    np.testing.assert_allclose(np.diff(dataset.frame[:29]), 12)
    assert dataset.frame[0] == 1
    # Every joint is seen, where its camera says.
    pixels = project_points(dataset.positions, dataset.intrinsics[dataset.camera_index])
    np.testing.assert_allclose(dataset.keypoints, pixels, atol=1e-2)
    sizes = dataset.image_sizes[dataset.camera_index][:, None, ::-1]
    assert ((dataset.keypoints >= 0) & (dataset.keypoints <= sizes - 1)).all()
    # People walk upright: y is down, and both views are of the same body.
    head, ankle = (SKELETON.index(joint) for joint in ("head_top", "left_ankle"))
    assert np.median(dataset.positions[:, ankle, 1] - dataset.positions[:, head, 1]) > 1
    bones = dataset.positions[:, 1:] - dataset.positions[:, :1]
    lengths = np.linalg.norm(bones, axis=2)
    np.testing.assert_allclose(lengths[:29], lengths[29:58], atol=1e-5)


def test_cameras_depend_on_seed_and_file_alone(folder):
    first, _ = read_mocap(folder, SKELETON, subjects=["39"])
    again, _ = read_mocap(folder, SKELETON)
    other, _ = read_mocap(folder, SKELETON, subjects=["39"], seed=1)
    rows = again.subject_index == again.subjects.index("39")
    np.testing.assert_array_equal(first.positions, again.positions[rows])
    assert not np.allclose(first.positions, other.positions)
    whole = concatenate([first, other])
    assert len(whole) == 2 * len(first)


def test_front_is_where_people_walk(folder):
    takes, _ = read_takes(folder, SKELETON, subjects=["02"])
    take = takes[0].positions
    left, right = (take[:, SKELETON.index(f"{s}_hip")] for s in ("left", "right"))
    walked = take[-1, 0] - take[0, 0]
    assert np.linalg.norm(walked) > 1
    # Up x forward is to the left.
    assert (np.cross([0, 1, 0], walked) * (left - right)).sum(axis=1).min() > 0


def test_broken_clips_are_left_out_and_named(folder):
    lines = (folder / "cmu_bvh" / "39_01.bvh").read_text().splitlines()
    (folder / "cmu_bvh" / "39_02.bvh").write_text("\n".join(lines[:-5]))
    (folder / "49_01.amc").write_text("no asf beside it")
    takes, report = read_takes(folder, SKELETON)
    assert len(takes) == 3
    details = {entry["file"]: entry["detail"] for entry in report.skipped}
    assert set(details) == {"49_01.amc", "cmu_bvh/39_02.bvh"}
    assert "39_02.bvh, line" in details["cmu_bvh/39_02.bvh"]
    assert "no .asf file" in details["49_01.amc"]


def test_poses_around_a_jump_are_left_out(folder):
    path = folder / "cmu_bvh" / "39_01.bvh"
    lines = path.read_text().splitlines()
    start = next(row for row, line in enumerate(lines) if "Frame Time" in line) + 1
    words = lines[start + 120].split()
    words[9] = "100"  # The left thigh, for one frame.
    lines[start + 120] = " ".join(words)
    path.write_text("\n".join(lines))
    takes, report = read_takes(folder, SKELETON, subjects=["39"])
    assert report.notes["poses left out where the capture lost a joint"] in (2, 3)
    assert not np.isin(np.arange(110, 131), takes[0].frames).any()


@pytest.mark.parametrize("fault", ["mirrored", "z up", "upside down", "long leg"])
def test_bodies_that_are_not_human_are_refused(folder, fault):
    path = folder / "hdm05" / "bd" / "HDM_bd.asf"
    amc = path.with_name("HDM_bd_squat1Reps_001_120.amc")
    if fault == "mirrored":
        # Left and right swapped by name in both files.
        def swap(text):
            for name in ("hipjoint", "femur", "tibia", "foot", "toes"):
                for a, b in (("l", "@"), ("r", "l"), ("@", "r")):
                    text = text.replace(a + name, b + name)
            return text

        for file in (path, amc):
            file.write_text(swap(file.read_text(errors="replace")))
    elif fault == "long leg":
        text = path.read_text()
        path.write_text(text.replace("length 7.34031", "length 12.5"))
    else:
        turn = "90 0 0" if fault == "z up" else "180 0 0"
        rows = amc.read_text(errors="replace").splitlines()
        for row, line in enumerate(rows):
            if line.startswith("root"):
                rows[row] = f"root 0 0 0 {turn}"
        amc.write_text("\n".join(rows))
    message = {
        "mirrored": "knees bend backward",
        "z up": "subject 'bd' is upright along z, expected y",
        "upside down": "subject 'bd' is upright along -y, expected y",
        "long leg": "left_hip to left_knee is 0.7.* m, and 0.4",
    }[fault]
    with pytest.raises(InputError, match=message) as error:
        read_takes(folder, SKELETON, subjects=["bd"])
    assert "\n" not in str(error.value)


def test_one_person_who_lies_costs_nobody_else(folder):
    amc = folder / "hdm05" / "bd" / "HDM_bd_squat1Reps_001_120.amc"
    rows = amc.read_text(errors="replace").splitlines()
    rows = ["root 0 0 0 90 0 0" if row.startswith("root") else row for row in rows]
    amc.write_text("\n".join(rows))
    takes, report = read_takes(folder, SKELETON)
    assert {take.subject for take in takes} == {"02", "39"}
    (skipped,) = report.skipped
    assert skipped["file"] == f"hdm05/bd/{amc.name}"
    assert "subject 'bd' is upright along z, expected y" in skipped["detail"]


@pytest.mark.parametrize(
    ("case", "place"),
    [
        # From a reference on the floor, and with braces behind names.
        ("bvh_reference_root_4m", [4.0, 0.9, 0.2]),
        ("bvh_brace_same_line", [0.0, 0.9, 0.0]),
        # Whole degrees that move are no rest pose.
        ("bvh_first_frames_whole_degrees", [0.0, 0.9, 0.0]),
    ],
)
def test_files_of_other_programs(shared_data, case, place):
    folder = shared_data / "cases" / "mocap" / case
    (take,), report = read_takes(folder, SKELETON, frames_per_second=None)
    assert take.frames.tolist() == list(range(40))
    assert not report.skipped and not report.notes
    np.testing.assert_allclose(take.positions[0, 0], place, atol=0.02)
    assert 1.5 < np.ptp(take.positions[0, :, 1]) < 1.7


def test_folders_without_clips(tmp_path, folder):
    with pytest.raises(InputError, match="no such folder"):
        read_mocap(tmp_path / "absent", SKELETON)
    with pytest.raises(InputError, match=r"no \.bvh or \.amc files"):
        (tmp_path / "empty").mkdir()
        read_mocap(tmp_path / "empty", SKELETON)
    with pytest.raises(InputError, match="no subject '77', found 02, 39, bd"):
        read_mocap(folder, SKELETON, subjects=["77"])
    with pytest.raises(InputError, match="views is 0"):
        read_mocap(folder, SKELETON, views=0)


def test_splits_are_by_person(folder):
    assert subject_part("02") == subject_part("bd") == "train"
    assert subject_part("39") == "test"
    train, _ = read_mocap_split(folder, "train", "projected", None, 1)
    test, _ = read_mocap_split(folder, "test", "projected", None, 2)
    assert train.skeleton.name == "h36m17"
    assert train.subjects == ("02", "bd") and test.subjects == ("39",)
    assert "studio" in train.name and "wild" in test.name
    np.testing.assert_allclose(np.diff(test.frame[:9]), 24)
    opened = load_lifting_dataset("mocap", folder, "train", SKELETON)
    assert opened.skeleton == SKELETON and len(opened) == len(train)
    chosen, _ = read_mocap_split(folder, "test", "projected", ["bd"], 1)
    assert chosen.subjects == ("bd",)
    with pytest.raises(InputError, match="mocap has 'projected' alone"):
        read_mocap_split(folder, "train", "gt", None, 1)
    shutil.rmtree(folder / "cmu_bvh")
    with pytest.raises(InputError, match=r"none of its people \(bd\) is in 'test'"):
        read_mocap_split(folder, "test", "projected", None, 1)


@pytest.mark.slow
def test_all_real_clips_are_of_use(shared_data):
    counts = {"cmu_bvh": (111, 28), "cmu_asfamc": (5, 2), "hdm05": (106, 2)}
    for name, (clips, people) in (counts | {"reactidle": (2, 1)}).items():
        takes, report = read_takes(shared_data / "mocap" / name, SKELETON)
        assert len(takes) == clips and not report.skipped
        assert len({take.subject for take in takes}) == people
        lost = report.notes["poses left out where the capture lost a joint"]
        assert lost < 0.011 * report.used["poses"]
