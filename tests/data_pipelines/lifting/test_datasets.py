"""3D data sets by name, folder and split."""

import json

import numpy as np
import pytest

from data_pipelines.lifting.datasets import LIFTING_DATASETS, load_lifting_dataset
from data_pipelines.lifting.readers.checks import check_poses
from data_pipelines.readers.layout import NotThere
from tests.data_pipelines.lifting.spin_file import write_spin
from tfpose.errors import InputError
from tfpose.skeletons import get_skeleton


def test_opens_converts_and_reports(tmp_path, mpi_samples):
    write_spin(tmp_path / "mpi_inf_3dhp_valid.npz", mpi_samples[:2], unlabelled=1)
    poses = load_lifting_dataset(
        "mpi_inf_3dhp",
        tmp_path,
        "test",
        get_skeleton("h36m16"),
        stride=2,
        report_path=tmp_path / "skipped.json",
    )
    assert poses.skeleton.name == "h36m16" and poses.keypoint_source == "gt"
    # PoseAug's table of the same, from the 17 raw joints.
    rows = [14, 8, 9, 10, 11, 12, 13, 15, 1, 0, 5, 6, 7, 2, 3, 4]
    sample = mpi_samples[1]
    np.testing.assert_allclose(
        poses.keypoints[poses.frame == 1850][0], sample.keypoints[rows], rtol=1e-6
    )
    report = json.loads((tmp_path / "skipped.json").read_text())
    assert report["used"]["poses"] == len(poses)
    with pytest.raises(InputError, match="mpi_inf_3dhp: .*has no nose"):
        load_lifting_dataset("mpi_inf_3dhp", tmp_path, "test", get_skeleton("coco17"))


def test_motion_capture_is_a_row_too(shared_data, tmp_path):
    clips = sorted((shared_data / "mocap" / "cmu_bvh").rglob("*.bvh"))
    if not clips:
        pytest.skip(f"real motion capture is not below {shared_data}")
    clip = min(clips, key=lambda path: path.stat().st_size)
    (tmp_path / clip.name).symlink_to(clip)
    subject = clip.stem.split("_")[0]
    poses = load_lifting_dataset(
        "mocap", tmp_path, "train", get_skeleton("h36m16"), subjects=[subject]
    )
    assert poses.skeleton.name == "h36m16" and poses.keypoint_source == "projected"
    check_poses(poses, clip.name, max_error=0.01)
    with pytest.raises(InputError, match="keypoints is 'gt'"):
        load_lifting_dataset("mocap", tmp_path, "train", keypoints="gt")


def test_refusals_say_what_is_expected(tmp_path):
    with pytest.raises(InputError, match="'h37m', expected one of h36m, mpi_inf_3dhp"):
        load_lifting_dataset("h37m", tmp_path, "train")
    with pytest.raises(InputError, match="split is 'val'"):
        load_lifting_dataset("h36m", tmp_path, "val")
    with pytest.raises(InputError, match="no such folder; 3dpw is sequenceFiles"):
        load_lifting_dataset("3dpw", tmp_path / "none", "train")
    for name in set(LIFTING_DATASETS) - {"mocap"}:
        with pytest.raises(NotThere, match=rf"{name} is "):
            load_lifting_dataset(name, tmp_path, "test")
