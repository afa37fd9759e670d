"""Poses kept out of training."""

import numpy as np
import pytest

from data_pipelines.lifting.poses import LiftingDataset
from data_pipelines.lifting.validation import split_off
from tfpose.errors import InputError
from tfpose.skeletons import get_skeleton


def poses(counts: dict[str, int], takes: int = 1) -> LiftingDataset:
    total = sum(counts.values())
    numbers = np.arange(total, dtype=np.int32)
    return LiftingDataset(
        name="made",
        skeleton=get_skeleton("h36m16"),
        positions=np.zeros((total, 16, 3), np.float32),
        keypoints=np.zeros((total, 16, 2), np.float32),
        keypoint_source="projected",
        intrinsics=np.zeros((1, 9), np.float32),
        image_sizes=np.full((1, 2), 100, np.int32),
        camera_index=np.zeros(total, np.int32),
        subjects=tuple(counts),
        subject_index=np.repeat(
            np.arange(len(counts), dtype=np.int32), [*counts.values()]
        ),
        actions=("walk",),
        action_index=np.zeros(total, np.int32),
        sequence_index=numbers * takes // total,
        frame=numbers,
    )


def people(part: LiftingDataset) -> set[str]:
    return {part.subjects[s] for s in part.subject_index}


def test_the_last_people_with_a_tenth_are_kept_out():
    train, val = split_off(poses({"a": 60, "d": 4, "c": 20, "b": 16}))
    assert people(val) == {"d", "c"} and people(train) == {"a", "b"}
    assert len(train) + len(val) == 100


def test_people_can_be_named():
    train, val = split_off(poses({"a": 60, "b": 20, "c": 20}), ["a"])
    assert people(val) == {"a"} and people(train) == {"b", "c"}


def test_of_one_person_the_last_takes_are_kept_out():
    train, val = split_off(poses({"a": 100}, takes=20))
    assert set(val.sequence_index) == {18, 19}
    assert not set(val.sequence_index) & set(train.sequence_index)


@pytest.mark.parametrize(
    "given,subjects,message",
    [
        (poses({"a": 3, "b": 3}), ["z"], "no subject z, expected some of a, b"),
        (poses({"a": 3, "b": 3}), ["a", "b"], "cannot keep some of 2 subjects'"),
        (poses({"a": 3}), [], "expected two subjects or takes"),
    ],
)
def test_what_cannot_be_split_is_refused(given, subjects, message):
    with pytest.raises(InputError, match=message):
        split_off(given, subjects)
