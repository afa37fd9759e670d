"""PCK on hand-made people and against the labels of real photos."""

import json

import numpy as np
import pytest

from tfpose.errors import InputError
from tfpose.metrics.pck import (
    PCKH_PARTS,
    box_size,
    head_size,
    pck,
    pckh,
    torso_size,
)
from tfpose.skeletons import get_skeleton

LSP = get_skeleton("lsp14")


def _person(**points: tuple[float, float]) -> np.ndarray:
    truth = np.zeros((1, LSP.num_joints, 3))
    for joint, (x, y) in points.items():
        truth[0, LSP.index(joint)] = x, y, 2
    return truth


def test_torso_diagonal_falls_back_to_the_other_one() -> None:
    whole = _person(
        left_shoulder=(30, 0),
        right_shoulder=(10, 0),
        left_hip=(28, 40),
        right_hip=(0, 40),
    )
    np.testing.assert_allclose(torso_size(whole, LSP), [50])
    np.testing.assert_allclose(
        torso_size(whole, LSP, "midline"), [np.hypot(20 - 14, 40)]
    )
    half = whole.copy()
    half[0, LSP.index("right_hip")] = 0
    np.testing.assert_allclose(torso_size(half, LSP), [np.hypot(18, 40)])
    assert np.isnan(torso_size(half, LSP, "midline"))
    half[0, LSP.index("right_shoulder")] = 0
    assert np.isnan(torso_size(half, LSP))
    with pytest.raises(InputError, match="'diagonal' or 'midline'"):
        torso_size(whole, LSP, "box")


def test_limit_is_included_and_absent_joints_are_not_counted() -> None:
    truth = np.zeros((3, 4, 3))
    truth[:, :3, 2] = 2
    truth[1, 1, 2] = 1
    truth[2, :, 2] = 2
    predicted = np.zeros((3, 4, 2))
    predicted[0, 0] = 3, 4
    predicted[0, 1] = 3.1, 4
    predicted[1, 2] = np.nan
    result = pck(predicted, truth, np.array([25, 25, np.nan]), threshold=0.2)
    np.testing.assert_allclose(result.per_joint[:3], [1, 0.5, 0.5])
    assert np.isnan(result.per_joint[3])
    np.testing.assert_array_equal(result.counts, [2, 2, 2, 0])
    assert result.overall == pytest.approx(4 / 6)
    assert result.mean == pytest.approx(2 / 3)
    assert (result.people, result.excluded) == (2, 1)


def test_overall_weighs_joints_by_how_often_they_are_seen() -> None:
    truth = np.zeros((4, 2, 3))
    truth[:, 0, 2] = 2
    truth[0, 1, 2] = 2
    predicted = np.zeros((4, 2, 2))
    predicted[:, 1] = 100
    result = pck(predicted, truth, np.ones(4))
    assert result.overall == pytest.approx(4 / 5)
    assert result.mean == pytest.approx(1 / 2)


def test_nobody_counted_is_nan_not_zero() -> None:
    result = pck(np.zeros((2, 3, 2)), np.ones((2, 3, 3)), np.zeros(2))
    assert np.isnan(result.overall) and np.isnan(result.mean)
    assert (result.people, result.excluded) == (0, 2)


@pytest.mark.parametrize(
    ("predicted", "reference", "threshold", "message"),
    [
        ((2, 3, 3), (2,), 0.2, "predicted has shape"),
        ((2, 3, 2), (3,), 0.2, "reference has shape"),
        ((2, 3, 2), (2,), 0.0, "above 0"),
    ],
)
def test_bad_arguments_are_refused(predicted, reference, threshold, message) -> None:
    with pytest.raises(InputError, match=message):
        pck(np.zeros(predicted), np.ones((2, 3, 3)), np.ones(reference), threshold)


def test_real_people_shifted_by_known_fractions_of_the_torso(shared_data) -> None:
    annotations = json.loads((shared_data / "lspet/val.json").read_text())
    rows = [a["keypoints"] for a in annotations["annotations"]]
    truth = np.array(rows, np.float64).reshape(-1, 14, 3)
    torso = torso_size(truth, LSP)
    usable = torso > 0
    # Extended LSP leaves both diagonals open in every seventh photo.
    assert 0.8 < usable.mean() < 0.9
    boxes = np.array([a["bbox"] for a in annotations["annotations"]])
    assert (torso[usable] <= 1.05 * np.hypot(*boxes[usable, 2:].T)).all()
    assert (box_size(boxes) == boxes[:, 2:].max(axis=1)).all()
    for fraction, share in ((0.19, 1.0), (0.21, 0.0)):
        shift = np.nan_to_num(torso)[:, None, None] * [fraction, 0]
        result = pck(truth[..., :2] + shift, truth, torso)
        assert result.overall == share
        assert result.excluded == (~usable).sum()


MPII = get_skeleton("mpii16")


def test_head_size_is_that_of_the_box() -> None:
    corners = np.array([[[10, 20], [40, 60]], [[5, 5], [5, 5]], [[1, np.nan], [2, 3]]])
    np.testing.assert_allclose(head_size(corners), [30, np.nan, np.nan])


def test_pckh_counts_keypoints_as_mpii_does() -> None:
    """Against a count by hand: no pelvis, no thorax, no joint weighed by itself."""
    rng = np.random.default_rng(3)
    truth = rng.uniform(0, 200, (40, 16, 3))
    truth[..., 2] = 2 * (rng.random((40, 16)) < 0.8)
    predicted = truth[..., :2] + rng.normal(0, 8, (40, 16, 2))
    heads = rng.uniform(10, 40, 40)
    heads[7] = np.nan
    hits, counted = np.zeros(16), np.zeros(16)
    for person in set(range(40)) - {7}:
        for joint in range(16):
            if truth[person, joint, 2]:
                apart = predicted[person, joint] - truth[person, joint, :2]
                counted[joint] += 1
                hits[joint] += np.hypot(*apart) <= 0.5 * heads[person]
    result, parts = pckh(predicted, truth, heads, MPII)
    kept = [*range(6), *range(8, 16)]
    assert [MPII.joints[joint] for joint in (6, 7)] == ["pelvis", "thorax"]
    assert result.overall == pytest.approx(hits[kept].sum() / counted[kept].sum())
    assert 0.3 < result.overall < 0.97 and result.excluded == 1
    assert list(parts) == list(PCKH_PARTS)
    share = hits / np.maximum(counted, 1)
    assert parts["head"] == pytest.approx(share[9])
    assert parts["wrist"] == pytest.approx((share[10] + share[15]) / 2)
    assert parts["ankle"] == pytest.approx((share[0] + share[5]) / 2)
    stricter, _ = pckh(predicted, truth, heads, MPII, 0.1)
    assert stricter.overall < result.overall
