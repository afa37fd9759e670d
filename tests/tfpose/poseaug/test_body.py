"""What joints' names say of a body."""

import pytest

from tfpose.errors import InputError
from tfpose.poseaug.body import Body
from tfpose.skeletons import SKELETONS, Skeleton, get_skeleton


def test_the_usual_body_is_cut_as_the_released_code_cuts_it():
    body = Body(get_skeleton("h36m16"))
    assert body.trunk == (6, 7)
    assert body.length_groups == (0, 1, 2, 0, 1, 2, 3, 4, 5, 6, 7, 8, 6, 7, 8)
    assert body.fixed_lengths == (4,)
    assert set(body.parts) == {
        (0, 3, 6, 7, 8, 9, 12),
        (0, 3, 4, 5, 6),
        (0, 1, 2, 3, 6),
        (7, 9, 10, 11),
        (7, 12, 13, 14),
    }
    assert body.joint_weights == (1, 5, 2, 1, 5, 2, 1, 1, 1, 1, 5, 2, 1, 5, 2, 1)
    assert body.joint_groups == ((1, 4, 10, 13), (2, 5, 9, 11, 14), (3, 6, 12, 15))


@pytest.mark.parametrize("name", SKELETONS)
def test_every_limb_of_every_skeleton_is_scored(name):
    skeleton = get_skeleton(name)
    body = Body(skeleton)
    limbs = set(range(skeleton.num_joints - 1))
    assert len(body.parts) == 5
    assert set().union(*body.parts) == limbs
    mirrored = [skeleton.flip_permutation[joint] for joint in body.limbs]
    groups = body.length_groups
    for limb, joint in enumerate(mirrored):
        if joint != skeleton.root:
            assert groups[limb] == groups[body.limbs.index(joint)]
    counted = [joint for group in body.joint_groups for joint in group]
    assert len(counted) == len(set(counted))


def test_a_body_without_hips_is_refused():
    skeleton = Skeleton("bust", ("head", "left_shoulder", "right_shoulder"), ())
    with pytest.raises(InputError, match="'bust' lacks left_hip, right_hip"):
        Body(skeleton)
