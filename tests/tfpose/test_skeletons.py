"""Skeletons: laws that hold for every one of them, and agreement with real files."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfpose.errors import InputError
from tfpose.skeletons import SKELETONS, Skeleton, convert_keypoints, get_skeleton

every_skeleton = pytest.mark.parametrize("name", sorted(SKELETONS))


@given(st.sampled_from(sorted(SKELETONS)), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_flipping_twice_is_the_identity(name: str, seed: int) -> None:
    skeleton = get_skeleton(name)
    keypoints = np.random.default_rng(seed).normal(size=(2, skeleton.num_joints, 3))
    permutation = list(skeleton.flip_permutation)
    flipped = keypoints[:, permutation]
    np.testing.assert_array_equal(flipped[:, permutation], keypoints)
    for i, j in skeleton.flip_pairs:
        np.testing.assert_array_equal(flipped[:, i], keypoints[:, j])


@every_skeleton
def test_mirror_of_every_joint_is_the_other_side(name: str) -> None:
    skeleton = SKELETONS[name]
    assert skeleton.name == name
    for joint, mirror in enumerate(skeleton.flip_permutation):
        assert skeleton.flip_permutation[mirror] == joint
        swapped = skeleton.joints[joint].replace("left_", "RIGHT_")
        swapped = swapped.replace("right_", "left_").replace("RIGHT_", "right_")
        assert skeleton.joints[mirror] == swapped


@every_skeleton
def test_limbs_connect_all_joints_and_mirror_onto_themselves(name: str) -> None:
    skeleton = SKELETONS[name]
    assert len(skeleton.joints) == int("".join(filter(str.isdigit, name))[-2:])
    limbs = {frozenset(limb) for limb in skeleton.limbs}
    assert len(limbs) == len(skeleton.limbs)
    mirror = skeleton.flip_permutation
    assert {frozenset(mirror[end] for end in limb) for limb in limbs} == limbs
    reached = {0}
    for _ in skeleton.joints:
        reached |= {end for limb in limbs if limb & reached for end in limb}
    assert reached == set(range(skeleton.num_joints))


@every_skeleton
def test_parents_make_a_tree_that_mirrors_onto_itself(name: str) -> None:
    skeleton = SKELETONS[name]
    parents, mirror = skeleton.parents, skeleton.flip_permutation
    limbs = {frozenset(limb) for limb in skeleton.limbs}
    assert [j for j, parent in enumerate(parents) if parent < 0] == [skeleton.root]
    assert mirror[skeleton.root] == skeleton.root
    for joint, parent in enumerate(parents):
        if parent < 0:
            continue
        assert frozenset((joint, parent)) in limbs
        assert parents[mirror[joint]] == mirror[parent]
        for _ in parents:
            joint = parents[joint] if parents[joint] >= 0 else joint
        assert joint == skeleton.root


def test_parents_are_those_of_human36m() -> None:
    skeleton = get_skeleton("h36m16")
    assert skeleton.parents == (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 8, 10, 11, 8, 13, 14)
    assert get_skeleton("coco17").root == get_skeleton("coco17").index("nose")
    assert get_skeleton("lsp14").root == get_skeleton("lsp14").index("neck")


def test_limbs_that_do_not_reach_a_joint_are_named() -> None:
    hand = Skeleton("hand", ("wrist", "thumb", "index"), ((1, 0),))
    assert hand.root == 0
    with pytest.raises(InputError, match="from 'wrist' to 'index'"):
        _ = hand.parents


@given(
    st.sampled_from(sorted(SKELETONS)),
    st.sampled_from(sorted(SKELETONS)),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_there_and_back_keeps_shared_joints(a: str, b: str, seed: int) -> None:
    source, target = get_skeleton(a), get_skeleton(b)
    keypoints = np.random.default_rng(seed).normal(size=(3, source.num_joints, 2))
    there, missing = convert_keypoints(keypoints, source, target)
    back, _ = convert_keypoints(there, target, source)
    assert set(missing) == set(target.joints) - set(source.joints)
    for joint in missing:
        assert not there[:, target.index(joint)].any()
    for joint in source.joints:
        row = source.index(joint)
        wanted = keypoints[:, row] if joint in target.joints else 0.0
        np.testing.assert_array_equal(
            back[:, row], np.broadcast_to(wanted, back[:, row].shape)
        )


def test_midpoints_are_derived_only_when_asked() -> None:
    coco, h36m = get_skeleton("coco17"), get_skeleton("h36m17")
    keypoints = np.random.default_rng(0).normal(size=(coco.num_joints, 2))
    _, missing = convert_keypoints(keypoints, coco, h36m)
    assert missing == ("pelvis", "spine", "thorax", "head", "head_top")
    derived, missing = convert_keypoints(keypoints, coco, h36m, derive_midpoints=True)
    assert missing == ("spine", "head", "head_top")
    np.testing.assert_allclose(derived[0], (keypoints[11] + keypoints[12]) / 2)
    np.testing.assert_allclose(derived[8], (keypoints[5] + keypoints[6]) / 2)


@every_skeleton
def test_dict_round_trip_through_json(name: str) -> None:
    skeleton = SKELETONS[name]
    assert Skeleton.from_dict(json.loads(json.dumps(skeleton.to_dict()))) == skeleton


def test_sigmas_say_where_they_come_from() -> None:
    coco = SKELETONS["coco17"].sigmas
    assert coco is not None
    np.testing.assert_allclose(
        coco,
        np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89])
        / 1000,
    )
    crowdpose = SKELETONS["crowdpose14"].sigmas
    assert crowdpose is not None
    np.testing.assert_allclose(
        crowdpose,
        np.array([79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89, 79, 79]) / 1000,
    )
    official = {n for n, s in SKELETONS.items() if s.sigmas_source[:8] == "official"}
    assert official == {"coco17", "crowdpose14"}
    for skeleton in SKELETONS.values():
        assert bool(skeleton.sigmas_source) == (skeleton.sigmas is not None)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"joints": ["a"]}, "'name' is missing"),
        ({"name": "x", "joints": []}, "empty"),
        ({"name": "x", "joints": "abc"}, "list of names"),
        ({"name": "x", "joints": ["a", "a"]}, "repeats"),
        ({"name": "x", "joints": ["left_a"]}, "not 'right_a'"),
        ({"name": "x", "joints": ["a"], "limbs": [[0, 1]]}, "expected two different"),
        ({"name": "x", "joints": ["a"], "limbs": [["a", "b"]]}, "must name two"),
        ({"name": "x", "joints": ["a"], "limbs": [["a"]]}, "not a pair"),
        ({"name": "x", "joints": ["a"], "sigmas": [0.1, 0.2]}, "2 values, expected 1"),
        ({"name": "x", "joints": ["a"], "sigmas": [-0.1]}, "above 0"),
        ({"name": "x", "joints": ["a"], "sigmas": ["b"]}, "expected numbers"),
        ({"name": "x", "joints": ["a"], "sigma": [0.1]}, "did you mean 'sigmas'"),
    ],
)
def test_bad_skeleton_files_are_refused(fields: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Skeleton.from_dict(fields)


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'coco17'"):
        get_skeleton("coco")
    with pytest.raises(InputError, match="did you mean 'left_wrist'"):
        get_skeleton("coco17").index("left_wirst")
    with pytest.raises(InputError, match=r"\[\.\.\., 17, D\]"):
        convert_keypoints(
            np.zeros((14, 2)), get_skeleton("coco17"), get_skeleton("lsp14")
        )


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("coco17", "coco/train.json"),
        ("coco17", "formats/coco/test_coco.json"),
        ("lsp14", "lspet/val.json"),
        ("crowdpose14", "formats/crowdpose/test_crowdpose.json"),
    ],
)
def test_joint_order_is_that_of_the_files(shared_data, name: str, file: str) -> None:
    category = json.loads((shared_data / file).read_text())["categories"][0]
    renamed = {"head": "head_top"} if name == "crowdpose14" else {}
    joints = tuple(renamed.get(joint, joint) for joint in category["keypoints"])
    assert joints == get_skeleton(name).joints


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("h36m17", "formats/h36m/test_h36m_body3d.npz"),
        ("mpi_inf_3dhp17", "formats/mpi_inf_3dhp/test_3dhp_test.npz"),
    ],
)
def test_bodies_in_3d_hang_together(shared_data, name: str, file: str) -> None:
    """Wrong orders give arms of metres, or hips turned against the shoulders."""
    skeleton = get_skeleton(name)
    bodies = np.load(shared_data / file)["S"][..., :3]
    for first, second in skeleton.limbs:
        lengths = np.linalg.norm(bodies[:, first] - bodies[:, second], axis=-1)
        assert lengths.min() > 0.05 and lengths.max() < 0.6

    def across(part: str) -> np.ndarray:
        return (
            bodies[:, skeleton.index("left_" + part)]
            - bodies[:, skeleton.index("right_" + part)]
        )

    assert (np.sum(across("shoulder") * across("hip"), axis=-1) > 0).all()
    middle = (
        bodies[:, skeleton.index("left_shoulder")]
        + bodies[:, skeleton.index("right_shoulder")]
    ) / 2
    from_thorax = np.linalg.norm(bodies[:, skeleton.index("thorax")] - middle, axis=-1)
    assert from_thorax.max() < 0.1


def _mpii_people(folder: Path) -> np.ndarray:
    records = json.loads((folder / "formats/mpii/test_mpii.json").read_text())
    return np.array([record["joints"] for record in records])


def _penn_action_people(folder: Path) -> np.ndarray:
    io = pytest.importorskip("scipy.io")
    files = sorted((folder / "formats/penn_action/labels").glob("*.mat"))
    clips = [io.loadmat(str(file)) for file in files]
    return np.stack([np.stack([c["x"][0], c["y"][0]], axis=-1) for c in clips])


@pytest.mark.parametrize(
    ("name", "read"), [("mpii16", _mpii_people), ("penn_action13", _penn_action_people)]
)
def test_people_in_files_without_names_hang_together(shared_data, name, read) -> None:
    """Each limb is shorter than the way to the other side's joint; heads are up."""
    skeleton = get_skeleton(name)
    people = read(shared_data)
    assert people.shape[1:] == (skeleton.num_joints, 2)

    def place(joint: str) -> np.ndarray:
        return people[:, skeleton.index(joint)]

    for upper, lower in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee")):
        for side, other in (("left_", "right_"), ("right_", "left_")):
            own = np.linalg.norm(place(side + upper) - place(side + lower), axis=-1)
            far = np.linalg.norm(place(other + upper) - place(side + lower), axis=-1)
            assert np.median(own) < np.median(far)
    head = "head_top" if "head_top" in skeleton.joints else "head"
    for above, below in ((head, "left_shoulder"), ("left_shoulder", "left_hip")):
        assert np.median((place(below) - place(above))[:, 1]) > 0
