"""The table of pose pairs: refuses what does not fit, selects, converts, joins."""

from dataclasses import replace

import numpy as np
import pytest

from data_pipelines.lifting.poses import LiftingDataset, concatenate
from tfpose.errors import InputError
from tfpose.skeletons import get_skeleton


@pytest.fixture
def poses() -> LiftingDataset:
    rng = np.random.default_rng(0)
    return LiftingDataset(
        name="three",
        skeleton=get_skeleton("h36m17"),
        positions=rng.normal(size=(3, 17, 3)).astype(np.float32),
        keypoints=rng.normal(size=(3, 17, 2)).astype(np.float32),
        keypoint_source="gt",
        intrinsics=np.ones((2, 9), np.float32),
        image_sizes=np.full((2, 2), 1000, np.int32),
        camera_index=np.array([0, 1, 1], np.int32),
        subjects=("S1", "S5"),
        subject_index=np.array([0, 0, 1], np.int32),
        actions=("Eating", "Walking"),
        action_index=np.array([1, 0, 1], np.int32),
        sequence_index=np.array([0, 1, 2], np.int32),
        frame=np.array([4, 5, 6], np.int32),
    )


def test_select_by_index_and_by_mask(poses):
    chosen = poses.select(np.array([2, 0]))
    np.testing.assert_array_equal(chosen.frame, [6, 4])
    np.testing.assert_array_equal(chosen.positions, poses.positions[[2, 0]])
    assert len(chosen.intrinsics) == 2 and chosen.subjects == ("S1", "S5")
    assert len(poses.select(poses.camera_index == 1)) == 2
    assert len(poses.select([])) == 0


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("positions", np.zeros((3, 17, 3)), "positions must be float32"),
        ("keypoints", np.zeros((3, 17, 3), np.float32), "keypoints .* h36m17"),
        ("keypoints", np.zeros((2, 17, 2), np.float32), "has 2 rows, not 3"),
        ("keypoints", np.full((3, 17, 2), np.nan, np.float32), "not finite"),
        ("intrinsics", np.ones((2, 4), np.float32), "intrinsics"),
        ("image_sizes", np.ones((1, 2), np.int32), "image_sizes has 1 rows, not 2"),
        ("camera_index", np.array([0, 1, 2], np.int32), "camera_index spans 0..2"),
        ("action_index", np.array([0, -1, 0], np.int32), "action_index spans -1..0"),
    ],
)
def test_columns_that_do_not_fit(poses, column, value, message):
    with pytest.raises(ValueError, match=message):
        replace(poses, **{column: value})


def test_convert_by_name_with_midpoints(poses):
    sixteen = poses.convert(get_skeleton("h36m16"))
    rows = [*range(9), *range(10, 17)]
    np.testing.assert_array_equal(sixteen.positions, poses.positions[:, rows])
    np.testing.assert_array_equal(sixteen.keypoints, poses.keypoints[:, rows])
    assert poses.convert(poses.skeleton) is poses
    lsp = get_skeleton("lsp14")
    fourteen = replace(
        poses,
        skeleton=lsp,
        positions=poses.positions[:, :14],
        keypoints=poses.keypoints[:, :14],
    )
    mpii = replace(get_skeleton("mpii16"), name="mpii15")
    made = fourteen.convert(mpii)
    pelvis = mpii.index("pelvis")
    hips = [lsp.index("left_hip"), lsp.index("right_hip")]
    expected = fourteen.keypoints[:, hips].mean(1)
    np.testing.assert_allclose(made.keypoints[:, pelvis], expected, rtol=1e-6)


def test_convert_names_the_joints_that_cannot_be_made(poses):
    with pytest.raises(InputError, match=r"'h36m17' has no nose, left_eye, .*'coco17'"):
        poses.convert(get_skeleton("coco17"))


def test_concatenate_keeps_names_and_renumbers_cameras_and_takes(poses):
    other = replace(
        poses,
        name="other",
        subjects=("TS1", "S1"),
        actions=("Walking", "Eating"),
    )
    joined = concatenate([poses, other])
    assert joined.name == "three+other" and len(joined) == 6
    assert joined.subjects == ("S1", "S5", "TS1")
    assert [joined.subjects[i] for i in joined.subject_index] == [
        *("S1", "S1", "S5"),
        *("TS1", "TS1", "S1"),
    ]
    assert [joined.actions[i] for i in joined.action_index[3:]] == [
        *("Eating", "Walking", "Eating"),
    ]
    np.testing.assert_array_equal(joined.camera_index, [0, 1, 1, 2, 3, 3])
    np.testing.assert_array_equal(joined.sequence_index, range(6))
    assert joined.sequence_index.dtype == np.int32 and len(joined.intrinsics) == 4


def test_concatenate_refuses_what_does_not_belong_together(poses):
    with pytest.raises(InputError, match="one or more"):
        concatenate([])
    with pytest.raises(InputError, match="convert them"):
        concatenate([poses, poses.convert(get_skeleton("h36m16"))])
    with pytest.raises(InputError, match="'cpn' keypoints and three 'gt'"):
        concatenate([poses, replace(poses, keypoint_source="cpn")])
