"""Keypoint priors: counting, and the supplement's claims on all of COCO train2017."""

import numpy as np
import pytest

from tfpose.errors import InputError
from tfpose.hsjp.priors import (
    KeypointPriors,
    draw_priors,
    joint_groups,
    keypoint_priors,
)
from tfpose.skeletons import get_skeleton

COCO = get_skeleton("coco17")


def test_cells_edges_and_the_outside() -> None:
    boxes = np.array([[10, 20, 30, 60], [0, 0, 9, 9], [0, 0, 0, 9]])
    keypoints = np.array(
        [
            [[10, 20, 2], [40, 80, 1], [39, 21, 2], [99, 99, 0]],
            [[4, 5, 2], [-1, 5, 2], [9.5, 3, 1], [0, 0, 0]],
            [[0, 0, 2], [0, 0, 2], [0, 0, 2], [0, 0, 2]],
        ]
    )
    priors = keypoint_priors(boxes, keypoints)
    np.testing.assert_array_equal(priors.inside, [2, 1, 1, 0])
    np.testing.assert_array_equal(priors.outside, [0, 1, 1, 0])
    expected = np.zeros((3, 3, 3))
    expected[0, 0, 0] = expected[0, 1, 1] = 0.5
    expected[1, 2, 2] = expected[2, 0, 2] = 1
    np.testing.assert_array_equal(priors.fractions[:3], expected)
    assert np.isnan(priors.fractions[3]).all()
    finer = keypoint_priors(boxes, keypoints, n=6)
    assert finer.fractions.shape == (4, 6, 6)
    np.testing.assert_allclose(finer.fractions[:3].sum(axis=(1, 2)), 1)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(InputError, match=r"expected \[P, 4\]"):
        keypoint_priors(np.zeros((2, 3)), np.zeros((2, 17, 3)))
    with pytest.raises(InputError, match=r"expected \[2, J, 3\]"):
        keypoint_priors(np.ones((2, 4)), np.zeros((2, 17, 2)))
    with pytest.raises(InputError, match="n is 0"):
        keypoint_priors(np.ones((2, 4)), np.zeros((2, 17, 3)), n=0)
    two = keypoint_priors(np.ones((2, 4)), np.ones((2, 2, 3)))
    with pytest.raises(InputError, match="of 2 joints, expected 17"):
        draw_priors(two, COCO)


def test_groups_are_those_of_the_figures() -> None:
    groups = joint_groups(COCO)
    assert {name: len(members) for name, members in groups.items()} == {
        "head": 5,
        "upper limbs": 6,
        "lower limbs": 6,
    }
    assert joint_groups(get_skeleton("h36m17"))["torso"] == (7, 8)


@pytest.fixture(scope="module")
def coco_priors(shared_data) -> KeypointPriors:
    labels = np.load(shared_data / "coco/train2017_labels.npz")
    keypoints = np.concatenate(
        [labels["keypoints"].astype("float32"), labels["visibility"][..., None]], -1
    )
    # The file has keypoints as fractions of the box.
    return keypoint_priors(np.tile([0, 0, 1, 1], (len(keypoints), 1)), keypoints)


def _of(priors: KeypointPriors, part: str) -> list[np.ndarray]:
    """Tables of a part with the person's left on the right side of the table."""
    return [
        priors.fractions[COCO.index("left_" + part)],
        priors.fractions[COCO.index("right_" + part)][:, ::-1],
    ]


def test_the_supplement_holds_for_the_head(coco_priors: KeypointPriors) -> None:
    assert coco_priors.inside.sum() > 1_500_000
    assert (coco_priors.outside < 0.1 * coco_priors.inside).all()
    for table in coco_priors.fractions[:5]:
        assert table[0].sum() > 0.85
        assert table.argmax() == 1
        assert table[0].min() > table[1:].max()


def test_the_supplement_holds_for_the_lower_limbs(coco_priors: KeypointPriors) -> None:
    for table in _of(coco_priors, "hip"):
        assert table.argmax() == 4 and table[1, 1] > 1.5 * np.sort(table.ravel())[-2]
    for table in _of(coco_priors, "knee"):
        assert table[2].sum() > 0.65 and table[2].argmax() == 1
    for table in _of(coco_priors, "ankle"):
        assert table[2].sum() > 0.95


def test_the_supplement_holds_for_the_upper_limbs(coco_priors: KeypointPriors) -> None:
    for table in _of(coco_priors, "shoulder"):
        assert table.argmax() == 2
    for table in _of(coco_priors, "elbow") + _of(coco_priors, "wrist"):
        second, first = np.sort(table.ravel())[-2:]
        assert table.argmax() == 5
        assert first > second + 0.10


def test_pictures_are_darker_where_joints_are(coco_priors: KeypointPriors) -> None:
    pictures = draw_priors(coco_priors, COCO, "(COCO)")
    assert list(pictures) == ["head", "upper limbs", "lower limbs"]
    for picture in pictures.values():
        assert picture.dtype == np.uint8 and picture.shape[2] == 3
        assert picture.std() > 10
    height, width = pictures["head"].shape[:2]
    nose = pictures["head"][:, : width // 5].astype(int)
    top, bottom = nose[int(0.25 * height) :][:20], nose[int(0.72 * height) :][:20]
    middle = slice(int(0.4 * nose.shape[1]), int(0.6 * nose.shape[1]))
    assert top[:, middle].mean() < bottom[:, middle].mean() - 60
