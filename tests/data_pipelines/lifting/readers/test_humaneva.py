"""HumanEva in VideoPose3D's files, written from real poses."""

import numpy as np
import pytest

from data_pipelines.lifting.cameras import (
    project_points,
    rotation_from_quaternion,
    world_to_camera,
)
from data_pipelines.lifting.readers.humaneva import HUMANEVA15, read_humaneva
from tfpose.errors import InputError
from tfpose.skeletons import convert_keypoints, get_skeleton

# Of S1, as VideoPose3D has them; metres.
ORIENTATIONS = [
    [0.424207, -0.4983646, -0.5802981, 0.4847012],
    [0.6503354, -0.7481602, -0.0919284, 0.0941766],
    [0.0664734, -0.0690535, 0.7416416, -0.6639132],
]
CENTRES = [
    [4.062227, 0.6632477, 1.528397],
    [0.8448131, -3.8052092, 1.5049929],
    [-0.79767377, 3.9163174, 1.4336602],
]
LENS = np.array([790, 785, 318, 243, -0.2, 0.1, 0, 1e-3, -1e-3])


@pytest.fixture
def world(h36m_samples):
    """Real poses before the first camera, standing at many places: `[80, 15, 3]`."""
    poses = np.stack([sample.positions for sample in h36m_samples])
    poses, missing = convert_keypoints(poses, get_skeleton("h36m17"), HUMANEVA15)
    assert not missing
    rng = np.random.default_rng(0)
    places = rng.normal(scale=[0.7, 0.2, 0.7], size=(20, 1, 1, 3)) + [0, 0, 4]
    poses = (poses - poses[:, :1] + places).reshape(80, 15, 3)
    turn = rotation_from_quaternion(np.array(ORIENTATIONS[0]))
    return (poses @ turn.T + CENTRES[0]).astype(np.float32)


def views(world):
    return [
        project_points(world_to_camera(world, turn, place), LENS).astype(np.float32)
        for turn, place in zip(ORIENTATIONS, CENTRES, strict=True)
    ]


def write(folder, positions, keypoints, source="gt"):
    np.savez(folder / "data_3d_humaneva15.npz", positions_3d=positions)
    path = folder / f"data_2d_humaneva15_{source}.npz"
    np.savez(path, positions_2d=keypoints, metadata={"num_joints": 15})


@pytest.fixture
def trees(world):
    parts = {"Train/S1": world[:50], "Validate/S1": world[50:]}
    positions = {name: {"Walking 1 chunk0": part} for name, part in parts.items()}
    keypoints = {
        name: {"Walking 1 chunk0": views(part)} for name, part in parts.items()
    }
    return positions, keypoints


def test_takes_and_fitted_cameras(tmp_path, trees):
    write(tmp_path, *trees)
    poses, _ = read_humaneva(tmp_path, "test", subjects=["S1"])
    assert poses.skeleton == HUMANEVA15 and poses.actions == ("Walking",)
    assert len(poses) == 3 * 30 and len(poses.intrinsics) == 3
    np.testing.assert_array_equal(
        poses.keypoints[:30], trees[1]["Validate/S1"]["Walking 1 chunk0"][0]
    )
    projected = project_points(poses.positions, poses.intrinsics[poses.camera_index])
    np.testing.assert_allclose(projected, poses.keypoints, atol=0.1)
    made, _ = read_humaneva(tmp_path, "test", "projected", ["S1"])
    np.testing.assert_allclose(made.keypoints, poses.keypoints, atol=0.1)


def test_detections_need_the_truth_for_the_cameras(tmp_path, trees):
    positions, keypoints = trees
    noisy = {
        name: {
            action: [view + 1.5 for view in of_cameras]
            for action, of_cameras in takes.items()
        }
        for name, takes in keypoints.items()
    }
    write(tmp_path, positions, noisy, "detectron_pt_coco")
    with pytest.raises(InputError, match="2D sources found: detectron_pt_coco"):
        read_humaneva(tmp_path, "train", "detectron_pt_coco", ["S1"])
    write(tmp_path, positions, keypoints)
    poses, _ = read_humaneva(tmp_path, "train", "detectron_pt_coco", ["S1"])
    assert poses.keypoint_source == "detectron_pt_coco" and len(poses) == 150
    error = project_points(poses.positions, poses.intrinsics[poses.camera_index])
    np.testing.assert_allclose(poses.keypoints - error, 1.5, atol=0.1)


def test_refusals(tmp_path, trees):
    positions, keypoints = trees
    write(tmp_path, positions, keypoints)
    with pytest.raises(InputError, match="no subject 'Train/S2', found Train/S1, Val"):
        read_humaneva(tmp_path, "train")
    take = positions["Train/S1"]["Walking 1 chunk0"]
    positions["Train/S1"]["Walking 1 chunk0"] = take[:, :14]
    write(tmp_path, positions, keypoints)
    with pytest.raises(InputError, match="14 joints in 3D, expected 15"):
        read_humaneva(tmp_path, "train", subjects=["S1"])
    # A world with y up: no camera fits it.
    positions["Train/S1"]["Walking 1 chunk0"] = take[..., [0, 2, 1]]
    del positions["Validate/S1"]
    write(tmp_path, positions, keypoints)
    with pytest.raises(InputError, match="camera 0"):
        read_humaneva(tmp_path, "train", subjects=["S1"])
