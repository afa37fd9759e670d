"""The metrics of a pose net and the notes on what they rest on."""

import dataclasses

import numpy as np
import pytest

from tfpose.metrics.oks import PoseTruth, oks_average_precision
from tfpose.metrics.pose_scores import pose_scores
from tfpose.skeletons import Skeleton, get_skeleton

LSP = get_skeleton("lsp14")


@pytest.fixture
def truth():
    rng = np.random.default_rng(0)
    points = rng.uniform(50, 150, (6, 14, 2))
    visible = np.full((6, 14, 1), 2.0)
    return PoseTruth(
        image_ids=np.arange(6),
        keypoints=np.concatenate([points, visible], axis=-1),
        areas=np.full(6, 9000.0),
        boxes=np.tile([40.0, 40.0, 120.0, 120.0], (6, 1)),
    )


def _scores(truth, skeleton=LSP, error=0.0, heights=None):
    keypoints = truth.keypoints[..., :2] + error
    heights = np.ones(keypoints.shape[:2]) if heights is None else heights
    return pose_scores(truth, skeleton, keypoints, heights)


def test_the_truth_scores_one(truth):
    metrics, notes = _scores(truth)
    assert metrics == pytest.approx(
        {"pck": 1, "pck_mean": 1, "ap": 1, "ap50": 1, "ap75": 1}
    )
    assert notes[0] == "boxes: ground truth"
    assert any("torso" in note for note in notes)
    assert any("areas annotated" in note for note in notes)


def test_far_off_scores_nothing(truth):
    metrics, _ = _scores(truth, error=500.0)
    assert set(metrics.values()) == {0.0}


def test_pck_is_within_a_fifth_of_the_torso(truth):
    torso = np.linalg.norm(
        truth.keypoints[:, LSP.index("left_shoulder"), :2]
        - truth.keypoints[:, LSP.index("right_hip"), :2],
        axis=-1,
    )
    for factor, expected in ((0.199, 1), (0.201, 0)):
        error = np.stack([factor * torso, 0 * torso], -1)[:, None]
        assert _scores(truth, error=error)[0]["pck"] == expected


def test_people_are_ranked_by_their_scores(truth):
    """A wrong pose costs less AP the lower it is scored."""
    error = np.zeros((6, 1, 1))
    error[0] = 500
    metrics = []
    for height in (0.9, 0.3):
        heights = np.full((6, 14), 0.5)
        heights[0] = height
        metrics.append(_scores(truth, error=error, heights=heights)[0]["ap"])
    assert metrics[0] < metrics[1]


def test_unknown_areas_leave_pck_and_say_so(truth):
    truth.areas[2] = np.nan
    metrics, notes = _scores(truth)
    assert set(metrics) == {"pck", "pck_mean"}
    assert any(note.startswith("no ap: truth.areas is unknown") for note in notes)


def test_no_torso_measures_by_the_box(truth):
    skeleton = Skeleton("points", tuple(f"p{joint}" for joint in range(14)))
    assert skeleton.sigmas is None
    for error, expected in ((23.9, 1), (24.1, 0)):
        metrics, notes = _scores(truth, skeleton, error=np.array([error, 0]))
        assert metrics == {"pck": expected, "pck_mean": expected}
    assert any("box's longer side" in note for note in notes)
    assert any("has no OKS sigmas" in note for note in notes)


def test_people_without_a_torso_are_counted(truth):
    truth.keypoints[1, [LSP.index("left_hip"), LSP.index("right_hip")]] = 0
    _, notes = _scores(truth)
    assert "pck: 1 people without a torso's diagonal left out" in notes


def test_scores_that_are_not_finite_leave_a_note(truth):
    heights = np.ones((6, 14))
    heights[0, 0] = np.nan
    metrics, notes = _scores(truth, heights=heights)
    assert metrics == {"pck": 1, "pck_mean": 1}
    assert any("joint_scores has 1 values that are not finite" in n for n in notes)


def test_ap_is_that_of_oks_average_precision(truth):
    from tfpose.metrics.oks import PosePredictions

    error = np.random.default_rng(1).normal(0, 9, (6, 14, 2))
    heights = np.random.default_rng(2).uniform(0.3, 1, (6, 14))
    metrics, _ = _scores(truth, error=error, heights=heights)
    predictions = PosePredictions(
        truth.image_ids, truth.keypoints[..., :2] + error, heights, heights.mean(axis=1)
    )
    expected = oks_average_precision(dataclasses.replace(truth), predictions, LSP)
    assert 0 < metrics["ap"] < 1
    assert metrics["ap"] == expected["AP"] and metrics["ap75"] == expected["AP75"]


def test_head_sizes_add_pckh(truth):
    """Within half a head and a tenth of one; without head sizes there is none."""
    heads = np.full(6, 20.0)
    for error, expected in ((1.9, (1, 1)), (2.1, (1, 0)), (10.1, (0, 0))):
        measured = dataclasses.replace(truth, head_sizes=heads)
        metrics, notes = _scores(measured, error=np.array([error, 0]))
        assert (metrics["pckh"], metrics["pckh01"]) == expected
        share = float(error < 10)
        assert f"pckh by part: head {share:.4f}, shoulder {share:.4f}" in "; ".join(
            notes
        )
        assert any(note.startswith("Mean@0.1 of HRNet's tables") for note in notes)
    heads[:2] = np.nan
    _, notes = _scores(dataclasses.replace(truth, head_sizes=heads))
    assert "pckh: 2 people without a head size left out" in notes
    heads[:] = np.nan
    metrics, notes = _scores(dataclasses.replace(truth, head_sizes=heads))
    assert "pckh" not in metrics
    assert "no pckh: no head size is known" in notes
    assert "pckh" not in _scores(truth)[0]


def test_torso_sizes_of_the_data_set_are_measured_by(truth):
    """Also where the torso's joints are hidden; a note has the others' figure."""
    truth.keypoints[:2, LSP.index("left_hip")] = 0
    truth.keypoints[:2, LSP.index("right_hip")] = 0
    sizes = np.array([50, 50, 1e4, 1e4, 1e4, np.nan])
    measured = dataclasses.replace(truth, torso_sizes=sizes)
    for error, expected in ((9.9, 1), (10.1, 3 * 14 / (2 * 12 + 3 * 14))):
        metrics, notes = _scores(measured, error=np.array([error, 0]))
        assert metrics["pck"] == pytest.approx(expected)
        assert "pck: within 0.2 of the torso's length in the labels, of " in notes[1]
        assert "pck: 1 people without a torso's length left out" in notes
    visible, _ = _scores(truth, error=np.array([10.1, 0]))
    line = f"pck of the 4 people whose whole torso is visible: {visible['pck']:.4f}"
    assert line in notes


def test_penn_action_is_measured_by_its_midline(truth):
    penn = get_skeleton("penn_action13")
    truth = dataclasses.replace(truth, keypoints=truth.keypoints[:, :13])
    middles = [
        truth.keypoints[:, [penn.index(f"{side}_{part}") for side in ("left", "right")]]
        for part in ("shoulder", "hip")
    ]
    torso = np.linalg.norm(
        middles[0][..., :2].mean(axis=1) - middles[1][..., :2].mean(axis=1), axis=-1
    )
    for factor, expected in ((0.199, 1), (0.201, 0)):
        error = np.stack([factor * torso, 0 * torso], -1)[:, None]
        metrics, notes = _scores(truth, penn, error=error)
        assert metrics["pck"] == expected
        assert any("torso's midline (between the shoulders" in note for note in notes)
