"""Motion written as BVH, read back by the reader of other programs' files."""

import numpy as np
import pytest

from data_pipelines.mocap.bvh import read_bvh
from data_pipelines.mocap.bvh_writer import write_bvh
from data_pipelines.mocap.mapping import map_joints
from tfpose.skeletons import Skeleton, get_skeleton

RATE = 30.0


@pytest.fixture(scope="module")
def walk(shared_data):
    """Real motion of a real body, as Human3.6M's joints `[T, 16, 3]`, root at 0."""
    clip = read_bvh(shared_data / "mocap" / "cmu_bvh" / "35_19.bvh")
    positions, missing = map_joints(clip, get_skeleton("h36m16"))
    assert not missing
    return (positions - positions[:, :1]).astype(float)


def rigid(positions, skeleton):
    """The same motion with bones that keep their length."""
    parents, result = skeleton.parents, np.zeros_like(positions)
    ways = positions - positions[:, np.maximum(parents, 0)]
    lengths = np.linalg.norm(ways, axis=2, keepdims=True)
    ways *= np.median(lengths, axis=0) / np.maximum(lengths, 1e-9)
    for joint in np.argsort([_depth(parents, j) for j in range(len(parents))]):
        if parents[joint] >= 0:
            result[:, joint] = result[:, parents[joint]] + ways[:, joint]
    return result


def _depth(parents, joint):
    return 0 if parents[joint] < 0 else 1 + _depth(parents, parents[joint])


def read(path, skeleton):
    """The clip, and its positions `[T, J, 3]` of the skeleton's joints."""
    clip = read_bvh(path, unit=0.01)
    columns = [clip.nodes.index(name) for name in skeleton.joints]
    return clip, clip.positions[:, columns]


@pytest.mark.parametrize("joints", ["h36m16", "lsp14"])
def test_a_body_is_read_back(walk, tmp_path, joints):
    h36m, skeleton = get_skeleton("h36m16"), get_skeleton(joints)
    columns = [
        h36m.index("thorax" if name == "neck" else name) for name in skeleton.joints
    ]
    positions = rigid(walk[:, columns], skeleton) + [0.5, 1, -2]
    write_bvh(tmp_path / "walk.bvh", positions, RATE, skeleton)
    clip, found = read(tmp_path / "walk.bvh", skeleton)
    assert clip.frame_rate == pytest.approx(RATE) and not clip.notes
    np.testing.assert_allclose(found, positions, atol=1e-4)
    for child, parent in enumerate(skeleton.parents):
        if parent >= 0:
            above = clip.nodes[clip.parents[clip.nodes.index(skeleton.joints[child])]]
            name = skeleton.joints[parent]
            assert above in (name, f"to_{skeleton.joints[child]}")


def test_limbs_that_change_their_length_keep_their_direction(walk, tmp_path):
    skeleton = get_skeleton("h36m16")
    scales = np.random.default_rng(0).uniform(0.9, 1.1, (len(walk), 1, 1))
    write_bvh(tmp_path / "walk.bvh", rigid(walk, skeleton) * scales, RATE, skeleton)
    _, found = read(tmp_path / "walk.bvh", skeleton)
    lengths = np.linalg.norm(found - found[:, np.maximum(skeleton.parents, 0)], axis=2)
    assert np.ptp(lengths, axis=0).max() < 1e-4
    np.testing.assert_allclose(found, rigid(walk * np.median(scales), skeleton), 0, 0.1)
    knees = [skeleton.index("left_knee"), skeleton.index("left_ankle")]
    shin, true = (np.diff(p[:, knees], axis=1)[:, 0] for p in (found, walk))
    cosines = np.sum(shin * true, axis=1) / np.linalg.norm(shin, axis=1)
    np.testing.assert_allclose(cosines, np.linalg.norm(true, axis=1), rtol=1e-5)


def test_who_stands_with_arms_out_facing_the_camera_is_at_rest(tmp_path):
    skeleton = get_skeleton("h36m16")
    places = {"hip": (0.1, 0), "knee": (0.1, -0.4), "ankle": (0.1, -0.8)}
    places |= {"shoulder": (0.2, 0.5), "elbow": (0.5, 0.5), "wrist": (0.7, 0.5)}
    places |= {"pelvis": (0, 0), "spine": (0, 0.2), "thorax": (0, 0.5)}
    places |= {"head_top": (0, 0.8)}
    body = []
    for name in skeleton.joints:
        x, y = places[name.removeprefix("left_").removeprefix("right_")]
        body.append((-x if name.startswith("right") else x, y, 0))
    # Then half a turn: only the root turns.
    turned = np.array([body, np.array(body) * [-1, 1, 1]])
    write_bvh(tmp_path / "rest.bvh", turned, RATE, skeleton)
    text = (tmp_path / "rest.bvh").read_text().splitlines()
    still, around = (np.array(line.split(), float) for line in text[-2:])
    assert np.abs(still).max() < 1e-4
    # The order of channels is Z, X, Y.
    assert np.abs(around[5]) == pytest.approx(180, abs=1e-4)
    assert np.abs(np.delete(around, 5)).max() < 1e-4


def test_joints_of_unknown_names_start_from_the_first_frame(walk, tmp_path):
    """And limbs may turn to where they point straight back."""
    skeleton = Skeleton("rope", ("a", "b", "c"), ((0, 1), (1, 2)))
    ways = np.array([[[0, -1, 0], [0.6, 0.8, 0]], [[0, 1, 0], [0, 0.6, 0.8]]])
    positions = np.concatenate([np.zeros((2, 1, 3)), ways.cumsum(axis=1)], axis=1)
    write_bvh(tmp_path / "rope.bvh", positions, RATE, skeleton)
    _, found = read(tmp_path / "rope.bvh", skeleton)
    # The first frame is the rest pose itself, and is known as that.
    np.testing.assert_allclose(found[-1], positions[-1], atol=1e-5)
