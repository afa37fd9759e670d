"""What a teacher may change in labels, and what it may not."""

import numpy as np
import pytest

from benchmarks.teacher_rules import (
    ARMS,
    FACE,
    LEGS,
    SKELETON,
    add_faces,
    from_teacher,
    mend_sides,
    upside_down,
)

# A person 100 px high who looks at the camera, in COCO's order: left is at larger x.
FRONT = np.array(
    [
        *([50, 10], [53, 8], [47, 8], [56, 9], [44, 9]),
        *([62, 25], [38, 25], [68, 40], [32, 40], [70, 52], [30, 52]),
        *([57, 55], [43, 55], [58, 75], [42, 75], [59, 95], [41, 95]),
    ],
    np.float64,
)
HEAD = np.array([[[50, 20, 2], [50, 0, 2]]], np.float64)


def person(points=FRONT, last=2.0):
    return np.concatenate([points, np.full((17, 1), last)], axis=1)[None]


def swapped(labels, pairs):
    crossed = labels.copy()
    for left, right in pairs:
        crossed[:, [left, right]] = labels[:, [right, left]]
    return crossed


@pytest.mark.parametrize("pairs", [ARMS, LEGS, ARMS + LEGS])
def test_sides_are_mended(pairs):
    mended, which = mend_sides(swapped(person(), pairs), person(last=0.9), 0.5)
    np.testing.assert_array_equal(mended, person())
    assert which.tolist() == [[ARMS[0] in pairs, LEGS[0] in pairs]]


def test_a_limb_is_swapped_whole_though_the_teacher_knows_one_joint_of_it():
    teacher = person(last=0.9)
    teacher[:, [*ARMS[0], *ARMS[2]], 2] = 0.2
    labels = swapped(person(), ARMS)
    labels[:, ARMS[2][0]] = 0
    mended, which = mend_sides(labels, teacher, 0.5)
    assert which.tolist() == [[True, False]]
    wanted = person()
    wanted[:, ARMS[2][1]] = 0  # What was not labelled stays so, on the other side.
    np.testing.assert_array_equal(mended, wanted)


def turned(labels):
    around = labels.copy()
    around[..., :2] = 100 - around[..., :2]
    return around


def unsure(teacher, joints):
    less = teacher.copy()
    less[:, joints, 2] = 0.4
    return less


@pytest.mark.parametrize(
    ("labels", "teacher"),
    [
        # Upside down: teachers are weak there.
        (swapped(turned(person()), ARMS), turned(person(last=0.9))),
        # No face is seen: it takes backs for fronts.
        (swapped(person(), ARMS), unsure(person(last=0.9), [0])),
        # It is not sure of any pair.
        (swapped(person(), ARMS), unsure(person(last=0.9), range(5, 17))),
        # One pair as it is, one the other way round.
        (swapped(person(), ARMS[:1]), person(last=0.9)),
        # Neither way.
        (person() + [30, 0, 0], person(last=0.9)),
    ],
    ids=["upside down", "a back", "unsure", "at odds", "elsewhere"],
)
def test_labels_stay(labels, teacher):
    mended, which = mend_sides(labels, teacher, 0.5)
    np.testing.assert_array_equal(mended, labels)
    assert not which.any()


def test_upside_down_needs_a_shoulder_and_a_hip():
    headless = turned(person())
    headless[:, [5, 6]] = 0
    one = turned(person())
    one[:, [5, 12]] = 0
    people = np.concatenate([person(), turned(person()), headless, one])
    assert upside_down(people).tolist() == [False, True, False, True]


def test_faces_come_from_the_teacher_where_it_is_sure():
    labels, teacher = person(), person(FRONT + 1, last=0.9)
    labels[:, FACE] = 0
    teacher[:, 3, 2] = 0.49
    filled = add_faces(labels, teacher, HEAD, 0.5)
    np.testing.assert_array_equal(filled[:, 5:], labels[:, 5:])
    assert filled[0, :5, 2].tolist() == [2, 2, 2, 0, 2]
    np.testing.assert_array_equal(filled[0, 0, :2], FRONT[0] + 1)
    assert not filled[0, 3].any()


def test_another_person_s_face_is_left_out():
    teacher = person(FRONT + [40, 0], last=0.9)
    blank = np.zeros((1, 17, 3))
    assert not add_faces(blank, teacher, HEAD, 0.5).any()
    unknown = HEAD * [1, 1, 0]
    assert (add_faces(blank, teacher, unknown, 0.5)[0, :5, 2] == 2).all()


def test_of_a_teacher_that_has_the_shoulders_swapped_the_nose_alone_is_taken():
    labels = turned(person())
    teacher = swapped(turned(person(last=0.9)), SKELETON.flip_pairs)
    head = turned(HEAD)
    assert add_faces(labels, teacher, head, 0.5)[0, :5, 2].tolist() == [2, 0, 0, 0, 0]


def test_labels_of_a_teacher_alone():
    teacher = person(last=0.9)
    teacher[0, 9] = 101, 50, 0.9  # Beyond the picture's last column.
    teacher[0, 10, 2] = 0.39
    labels = from_teacher(teacher, np.array([[100, 100]]), 0.4)
    assert np.flatnonzero(labels[0, :, 2] == 0).tolist() == [9, 10]
    assert not labels[0, [9, 10]].any()
    np.testing.assert_array_equal(labels[0, 0], [50, 10, 2])
