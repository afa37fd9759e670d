"""Joint names as people spell them, and skeletons that files describe."""

import json

import pytest

from data_pipelines.readers.category_skeleton import joint_name, skeleton_of_category
from tfpose.errors import InputError
from tfpose.skeletons import SKELETONS


@pytest.mark.parametrize(
    "text",
    [
        "left_shoulder",
        "Left Shoulder",
        "LEFT-SHOULDER",
        "leftShoulder",
        "l_shoulder",
        "L Shoulder",
        "lshoulder",
        "shoulder_l",
        "shoulder.left",
        "Shoulder (left)",
    ],
)
def test_spellings_of_one_joint(text):
    assert joint_name(text) == "left_shoulder"


def test_names_that_only_look_like_sides():
    assert joint_name("lower_lip") == "lower_lip"
    assert joint_name("right") == "right"
    assert joint_name("medial_left_hip") == "left_medial_hip"
    assert joint_name("root (pelvis)") == "pelvis"
    assert joint_name("Head top") == "head_top"


@pytest.mark.parametrize("name", sorted(SKELETONS))
def test_every_known_skeleton_is_recognised(name):
    joints = [joint.replace("_", " ").title() for joint in SKELETONS[name].joints]
    found = skeleton_of_category({"keypoints": joints}, "x.json")
    assert found.joints == SKELETONS[name].joints


def test_edges_from_zero_from_one_and_of_another_set():
    joints = ["a", "left_b", "right_b"]
    for edges in ([[1, 2], [1, 3]], [[0, 1], [0, 2]], [[1, 2], [1, 3], [16, 3]]):
        category = {"keypoints": joints, "skeleton": edges}
        skeleton = skeleton_of_category(category, "x.json")
        assert skeleton.name == "custom3" and skeleton.sigmas is None
        assert skeleton.flip_pairs == ((1, 2),)
        assert skeleton.limbs == ((0, 1), (0, 2))
    assert skeleton_of_category({"keypoints": joints}, "x.json").limbs == ()


@pytest.mark.parametrize(
    ("joints", "message"),
    [
        (["a", "a"], "repeats"),
        (["a", "left_b"], "'left_b' but not 'right_b'"),
        (["a", " "], "has no name"),
        (["a", 3], "must be texts"),
    ],
)
def test_senseless_names(joints, message):
    with pytest.raises(InputError, match=f"x.json: categories: .*{message}"):
        skeleton_of_category({"keypoints": joints}, "x.json")


def test_published_files(shared_data):
    found = {}
    for name in ("coco", "crowdpose", "ochuman", "aic", "jhmdb", "mpii_trb"):
        folder = "mpii" if name == "mpii_trb" else name
        file = {"jhmdb": "jhmdb_sub1"}.get(name, name)
        path = shared_data / "formats" / folder / f"test_{file}.json"
        category = json.loads(path.read_text())["categories"][0]
        found[name] = skeleton_of_category(category, str(path))
    assert found["coco"] is found["ochuman"] is SKELETONS["coco17"]
    assert found["crowdpose"] is SKELETONS["crowdpose14"]
    assert found["aic"].flip_pairs == ((0, 3), (1, 4), (2, 5), (6, 9), (7, 10), (8, 11))
    assert len(found["jhmdb"].flip_pairs) == 6
    assert len(found["mpii_trb"].flip_pairs) == 19
