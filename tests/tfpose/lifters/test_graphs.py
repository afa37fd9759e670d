"""Graphs of skeletons."""

import numpy as np
import pytest

from tfpose.lifters.graphs import (
    body_parts,
    find_neighbours,
    hop_distances,
    partition,
)
from tfpose.skeletons import SKELETONS, get_skeleton


def test_neighbours_of_human36m_are_46():
    skeleton = get_skeleton("h36m16")
    neighbours = find_neighbours(16, skeleton.limbs)
    assert neighbours.sum() == 46 and (neighbours == neighbours.T).all()
    thorax = skeleton.index("thorax")
    assert list(np.flatnonzero(neighbours[thorax])) == [7, 8, 9, 10, 13]


def test_hops_are_counted_along_limbs():
    skeleton = get_skeleton("h36m17")
    neighbours = find_neighbours(17, skeleton.limbs)
    hops = hop_distances(neighbours, skeleton.index("spine"))
    assert list(hops) == [1, 2, 3, 4, 2, 3, 4, 0, 1, 2, 3, 2, 3, 4, 2, 3, 4]
    apart = hop_distances(find_neighbours(3, [(0, 1)]), 0)
    assert list(apart) == [0, 1, 3]


@pytest.mark.parametrize("name", sorted(SKELETONS))
def test_kinds_share_all_neighbours_out(name):
    skeleton = get_skeleton(name)
    limbs, mirrors = skeleton.limbs, skeleton.flip_pairs
    neighbours = find_neighbours(skeleton.num_joints, [*limbs, *mirrors])
    distances = hop_distances(neighbours, skeleton.root)
    kinds = partition(limbs, mirrors, distances)
    assert ((kinds > 0).sum(axis=0) == neighbours).all()
    np.testing.assert_allclose(kinds.sum(axis=(0, 1)), 1)
    itself, farther, nearer, mirrored = kinds > 0
    assert (itself == np.eye(skeleton.num_joints)).all()
    assert (farther == nearer.T).all() and (mirrored == mirrored.T).all()
    for first, second in mirrors:
        assert mirrored[first, second]
    given, taking = np.nonzero(farther)
    assert (distances[given] > distances[taking]).all()


@pytest.mark.parametrize("name", sorted(SKELETONS))
def test_each_joint_is_of_one_part(name):
    skeleton = get_skeleton(name)
    parts = body_parts(skeleton)
    assert sorted(sum(parts, ())) == list(range(skeleton.num_joints))
    mirrored = [sorted(skeleton.flip_permutation[j] for j in part) for part in parts]
    assert mirrored == [sorted(parts[i]) for i in (1, 0, 3, 2, 4)]


def test_parts_of_human36m():
    trunk = (0, 7, 8, 9, 10)
    expected = ((11, 12, 13), (14, 15, 16), (4, 5, 6), (1, 2, 3), trunk)
    assert body_parts(get_skeleton("h36m17")) == expected
