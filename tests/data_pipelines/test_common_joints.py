"""Data sets seen with the joints of a net that was trained on others."""

import numpy as np
import pytest

from data_pipelines.common_joints import in_joints_of, note_of_unlabelled
from data_pipelines.readers.datasets import load_dataset
from tfpose.errors import InputError
from tfpose.skeletons import Skeleton, get_skeleton


@pytest.fixture(scope="module")
def people(shared_data):
    return load_dataset("coco_format", shared_data / "lspet", "val")


def test_joints_are_found_by_name(people):
    coco = get_skeleton("coco17")
    seen = in_joints_of(people, coco, "lspet")
    assert seen.skeleton is coco and len(seen) == len(people)
    for joint in ("left_wrist", "right_ankle"):
        np.testing.assert_array_equal(
            seen.keypoints[:, coco.index(joint)],
            people.keypoints[:, people.skeleton.index(joint)],
        )
    assert not seen.keypoints[:, coco.index("nose")].any()
    assert note_of_unlabelled(seen) == [
        "nobody has a label of nose, left_eye, right_eye, left_ear, right_ear"
    ]


def test_the_same_joints_stay_as_they_are(people):
    assert in_joints_of(people, people.skeleton, "lspet") is people
    assert note_of_unlabelled(people) == []


def test_no_joint_in_common_is_refused(people):
    hand = Skeleton("hand", ("thumb", "wrist"), ())
    with pytest.raises(InputError, match="lspet: has the joints of lsp14, .* hand"):
        in_joints_of(people, hand, "lspet")
