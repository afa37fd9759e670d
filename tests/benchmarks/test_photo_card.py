"""Groups of people and joints that a net's card tells of."""

import numpy as np
import pytest

from benchmarks.photo_card import groups_by_pose, groups_of_joints
from benchmarks.photo_scores import LIMBS


def person(shoulders, hips) -> np.ndarray:
    labels = np.zeros((12, 3))
    for name, (x, y) in (("shoulder", shoulders), ("hip", hips)):
        for side, shift in (("left", -3), ("right", 3)):
            labels[LIMBS.index(f"{side}_{name}")] = x + shift, y, 2
    return labels


@pytest.mark.parametrize(
    ("hips", "expected"),
    [((50, 90), "upright"), ((90, 60), "lying"), ((45, 10), "upside down")],
)
def test_poses_by_the_torso(hips, expected):
    groups = groups_by_pose(person((50, 50), hips)[None])
    assert [name for name, group in groups.items() if group[0]] == [expected]


def test_a_person_without_a_torso_is_in_no_group():
    labels = person((50, 50), (50, 90))
    labels[LIMBS.index("left_hip")] = 0
    assert not any(group[0] for group in groups_by_pose(labels[None]).values())


def test_joints_by_size_and_occlusion():
    labels = np.stack([person((50, 50), (50, 90))] * 2)
    labels[1, LIMBS.index("left_hip"), 2] = 1
    boxes = np.array([[0, 0, 50, 96], [0, 0, 300, 20]], float)
    groups = groups_of_joints(labels, boxes)
    assert groups["0 to 96 pixels"][0].all() and not groups["0 to 96 pixels"][1].any()
    assert groups["above 192 pixels"][1].all()
    assert groups["hidden"].sum() == 1 and groups["seen"].sum() == 7
