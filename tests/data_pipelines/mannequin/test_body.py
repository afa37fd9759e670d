"""The articulated body: human lengths, human angles, left on the left."""

import numpy as np
import pytest

from data_pipelines.mannequin.body import (
    ANGLE_LIMITS,
    ANGLES,
    BONES,
    JOINTS,
    Proportions,
    forward_kinematics,
    joint_positions,
)
from data_pipelines.mannequin.poses import FAMILIES, draw_angles
from data_pipelines.mannequin.scenarios import SCENARIOS, draw_proportions

AVERAGE = Proportions(1.75, np.ones(len(BONES)), np.ones((len(BONES), 2)))


def place(angles: dict[str, float]) -> dict[str, np.ndarray]:
    vector = np.array([angles.get(name, 0.0) for name in ANGLES])
    joints = joint_positions(forward_kinematics(vector, AVERAGE), AVERAGE)
    return dict(zip(JOINTS, joints, strict=True))


def test_left_is_on_the_left_and_the_face_in_front():
    joints = place({})
    for name in JOINTS:
        if name.startswith("left_"):
            assert joints[name][0] > 0 > joints["right_" + name[5:]][0]
    assert joints["nose"][2] > joints["left_ear"][2]
    assert joints["left_toe"][2] > joints["left_heel"][2]


@pytest.mark.parametrize(
    ("angle", "joint", "axis", "sign"),
    [
        ("left_shoulder_flex", "left_wrist", 2, 1),
        ("right_shoulder_flex", "right_wrist", 2, 1),
        ("left_shoulder_abduct", "left_wrist", 0, 1),
        ("right_shoulder_abduct", "right_wrist", 0, -1),
        ("left_elbow_flex", "left_wrist", 2, 1),
        ("left_hip_flex", "left_ankle", 2, 1),
        ("right_hip_abduct", "right_ankle", 0, -1),
        ("left_knee_flex", "left_ankle", 2, -1),
        ("spine_flex", "nose", 2, 1),
        ("neck_flex", "nose", 1, -1),
        ("neck_twist", "nose", 0, 1),
    ],
)
def test_angles_turn_the_right_way(angle, joint, axis, sign):
    moved = place({angle: 40.0})[joint] - place({})[joint]
    assert sign * moved[axis] > 0.03


def test_a_pose_changes_no_bone():
    rng = np.random.default_rng(0)
    pairs = [
        ("left_hip", "left_knee"),
        ("right_knee", "right_ankle"),
        ("left_shoulder", "left_elbow"),
        ("right_elbow", "right_wrist"),
        ("left_hip", "right_hip"),
        ("left_eye", "right_ear"),
    ]
    rest = place({})
    for _ in range(20):
        angles = {name: rng.uniform(*limits) for name, limits in ANGLE_LIMITS.items()}
        posed = place(angles)
        for a, b in pairs:
            length = np.linalg.norm(posed[a] - posed[b])
            assert length == pytest.approx(np.linalg.norm(rest[a] - rest[b]))


@pytest.mark.parametrize("family", FAMILIES)
def test_poses_stay_within_joint_limits(family):
    rng = np.random.default_rng(1)
    low, high = np.array(list(ANGLE_LIMITS.values())).T
    drawn = np.array([draw_angles(rng, family, "standing", 0.3, 12) for _ in range(50)])
    assert (drawn >= low).all() and (drawn <= high).all()
    assert drawn.std(0).min() > 1.0


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_bodies_have_human_measures(scenario):
    rng = np.random.default_rng(2)
    statures = []
    for _ in range(200):
        build, _ = draw_proportions(rng, SCENARIOS[scenario])
        rest = forward_kinematics(np.zeros(len(ANGLES)), build)
        joints = joint_positions(rest, build)
        named = dict(zip(JOINTS, joints, strict=True))
        height = named["head_top"][1] - named["left_heel"][1]
        thigh = np.linalg.norm(named["left_hip"] - named["left_knee"])
        forearm = np.linalg.norm(named["left_elbow"] - named["left_wrist"])
        shoulders = np.linalg.norm(named["left_shoulder"] - named["right_shoulder"])
        assert 0.9 < height < 2.3
        assert 0.18 < thigh / height < 0.31
        assert 0.10 < forearm / height < 0.20
        assert 0.13 < shoulders / height < 0.30
        statures.append(build.stature)
    assert np.ptp(statures) > 0.3
