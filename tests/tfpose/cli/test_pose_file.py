"""2D poses of any program, from a JSON file."""

import json

import numpy as np
import pytest

from tfpose.cli.pose_file import PoseFile
from tfpose.errors import InputError

JOINTS = ["head", "left_hand", "right_hand"]


def _write(tmp_path, keypoints, **image):
    content = {
        "images": [{"id": 7, "height": 480, "width": 640, **image}],
        "annotations": [{"image_id": 7, "keypoints": keypoints}],
        "categories": [{"id": 1, "name": "person", "keypoints": JOINTS}],
    }
    path = tmp_path / "poses.json"
    path.write_text(json.dumps(content))
    return str(path)


def test_shares_of_the_picture_are_no_pixels(shared_data):
    path = shared_data / "cases" / "lift" / "normalised_keypoints.json"
    with pytest.raises(InputError, match="keypoints.json: .*expected pixels"):
        PoseFile.read(str(path), "", "")


def test_joints_in_the_very_corner_are_absent(tmp_path):
    path = _write(tmp_path, [0, 0, 2, 10, 20, 0.5, 30, 40, 1])
    (person,) = PoseFile.read(path, "", "").annotations
    assert person["keypoints"][:, 2].tolist() == [0, 0.5, 1]


def test_numbers_with_a_point_are_whole(tmp_path):
    path = _write(tmp_path, [[5, 6, 2]] * 3, id=7.0, height=480.0, width=640.0)
    poses = PoseFile.read(path, "", "")
    assert poses.images[7]["height"] == 480
    assert np.array_equal(poses.annotations[0]["keypoints"], [[5, 6, 2]] * 3)


@pytest.mark.parametrize("keypoints", [[[5, 6, 2, 5, 6, 2, 5, 6, 2]], [[5] * 3] * 2, 5])
def test_keypoints_are_not_reshaped(tmp_path, keypoints):
    with pytest.raises(InputError, match="annotation 0: expected keypoints of 9"):
        PoseFile.read(_write(tmp_path, keypoints), "", "")
