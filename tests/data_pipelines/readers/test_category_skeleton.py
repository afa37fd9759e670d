"""Joint names as people spell them, and skeletons that files describe."""

import json

import pytest

from data_pipelines.readers.category_skeleton import joint_names, skeleton_of_category
from tfpose.errors import InputError
from tfpose.skeletons import SKELETONS, Skeleton


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
    assert joint_names([text]) == ("left_shoulder",)


def test_names_that_only_look_like_sides():
    names = ["lower_lip", "right", "medial_left_hip", "root (pelvis)", "Head top"]
    wanted = ("lower_lip", "right", "left_medial_hip", "pelvis", "head_top")
    assert joint_names(names) == wanted
    assert joint_names(["bright", "upright", "ear_r"])[:2] == ("bright", "upright")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("leftear", "rightear"),
        ("earleft", "earright"),
        ("LeftEar", "RightEar"),
        ("LEar", "REar"),
        ("ear_l", "ear_r"),
        ("ear_lt", "ear_rt"),
    ],
)
def test_sides_joined_to_names_of_any_animal(left, right):
    skeleton = skeleton_of_category(
        {"keypoints": ["snout", left, right, "tailbase"]}, "x.json"
    )
    assert skeleton.joints == ("snout", "left_ear", "right_ear", "tailbase")
    assert skeleton.flip_permutation == (0, 2, 1, 3)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("oreille gauche", "oreille droite"),
        ("linkes Ohr", "rechtes Ohr"),
        ("oreja izquierda", "oreja derecha"),
        ("orecchio sx", "orecchio dx"),
        ("lewe ucho", "prawe ucho"),
        ("левое ухо", "правое ухо"),
        ("左耳", "右耳"),
        ("왼쪽 귀", "오른쪽 귀"),
        ("बायाँ कान", "दायाँ कान"),
        ("الأذن اليسرى", "الأذن اليمنى"),
    ],
)
def test_sides_in_other_languages_and_letters(left, right):
    skeleton = skeleton_of_category({"keypoints": ["nose", right, left]}, "x.json")
    assert skeleton.joints[1:] == tuple(
        text.lower().replace(" ", "_") for text in (right, left)
    )
    assert skeleton.flip_permutation == (0, 2, 1)
    assert [skeleton.side(joint) for joint in range(3)] == ["middle", "right", "left"]


@pytest.mark.parametrize("names", [list("abcdefghilprs"), ["p_d", "p_e", "p_g"]])
def test_counting_letters_are_no_sides(names):
    with pytest.raises(InputError, match='not known of .*"flip_pairs"'):
        _ = skeleton_of_category({"keypoints": names}, "x.json").flip_permutation


def test_pairs_that_the_file_gives():
    names = ["1", "2", "3"]
    for pairs in ([[2, 0]], [["3", "1"]]):
        category = {"keypoints": names, "flip_pairs": pairs}
        skeleton = skeleton_of_category(category, "x.json")
        assert skeleton.joints == ("1", "2", "3")
        assert skeleton.flip_permutation == (2, 1, 0)
        assert skeleton.side(2) == "left"
        assert Skeleton.from_dict(skeleton.to_dict()) == skeleton
    none = skeleton_of_category({"keypoints": names, "flip_pairs": []}, "x.json")
    assert none.flip_permutation == (0, 1, 2)
    for pairs, message in (
        ([[1, 3]], "indices in 0..2"),
        ([["left", "1"]], "two keypoint names"),
        ([[0, 1], [1, 2]], "pairs of different"),
        ({}, "expected a list"),
    ):
        with pytest.raises(InputError, match=f"x.json: categories: .*{message}"):
            skeleton_of_category({"keypoints": names, "flip_pairs": pairs}, "x.json")


def test_pairs_that_contradict_the_names_are_refused():
    names = [joint.replace("_", "") for joint in SKELETONS["coco17"].joints]
    pairs = [[i, j] for i, j in SKELETONS["coco17"].flip_pairs]
    found = skeleton_of_category({"keypoints": names, "flip_pairs": pairs}, "x.json")
    assert found is SKELETONS["coco17"]
    with pytest.raises(InputError, match="whose names say"):
        skeleton_of_category({"keypoints": names, "flip_pairs": pairs[1:]}, "x.json")


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
