"""What scores mean: shares of right joints by score, and the best threshold."""

import numpy as np
import pytest

from tfpose.metrics.reliability import measure_reliability


def test_shares_and_threshold_by_hand():
    scores = np.array([-0.1, 0.05, 0.35, 0.36, 0.72, 0.74, 0.9, 1.3])
    right = np.array([0, 0, 0, 1, 1, 0, 1, 1], bool)
    found = measure_reliability(scores, right, np.array([0.04, 0.1, 0.8]))
    # What was not found is in the first bin, what scores more than 1 in the last.
    assert found.counts.tolist() == [2, 0, 0, 2, 0, 0, 0, 2, 0, 2]
    assert found.right[[0, 3, 7, 9]].tolist() == [0, 0.5, 0.5, 1]
    assert found.mean_scores[[3, 7]] == pytest.approx([0.355, 0.73])
    assert np.isnan(found.right[1])
    assert found.unlabelled.tolist() == [1, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    # Between the two of 0.35 and 0.36: one error is left, that of 0.74.
    assert found.threshold == 0.35
    assert found.above == (0.8, 0.0) and found.kept == (5 / 8, 1 / 3)
    told = found.to_dict()
    assert told["score_threshold"] == 0.35 and len(told["bins"]) == 10
    assert told["bins"][1]["right"] is None and told["bins"][3]["right"] == 0.5


def test_scores_that_are_shares_lie_on_the_diagonal():
    rng = np.random.default_rng(0)
    scores = rng.uniform(0, 1, 40000)
    right = rng.uniform(0, 1, 40000) < scores
    found = measure_reliability(scores, right, np.zeros(0))
    np.testing.assert_allclose(found.right, found.mean_scores, atol=0.03)
    assert found.threshold == pytest.approx(0.5, abs=0.05)
    assert found.kept[1] == 0


@pytest.mark.parametrize("right", [False, True])
def test_all_right_or_all_wrong(right):
    scores = np.array([0.3, 0.6])
    found = measure_reliability(scores, np.array([right, right]), np.zeros(0))
    assert (scores > found.threshold).all() == right
