"""Lifting pairs in their order, and the scores of what is found for them."""

import numpy as np
import pytest

from data_pipelines.lifting.batches import LiftingEvaluation
from data_pipelines.lifting.datasets import load_lifting_dataset
from tfpose.errors import InputError
from tfpose.geometry import normalize_keypoints
from tfpose.metrics.mpjpe import PROTOCOLS, score_positions
from tfpose.skeletons import get_skeleton


@pytest.fixture(scope="module")
def evaluation(shared_data) -> LiftingEvaluation:
    """Poses of motion capture before cameras."""
    folder = str(shared_data / "mocap" / "cmu_asfamc")
    skeleton = get_skeleton("h36m16")
    poses = load_lifting_dataset("mocap", folder, "test", skeleton, stride=100)
    return LiftingEvaluation(poses)


def test_keypoints_are_those_of_the_samples(evaluation):
    poses, rows = evaluation.poses, np.arange(len(evaluation))
    assert len(rows) == len(poses) > 10
    np.testing.assert_array_equal(
        evaluation.keypoints, evaluation.many(rows)["keypoints"]
    )
    size = poses.image_sizes[poses.camera_index[3]].astype(np.float32)
    expected = np.asarray(normalize_keypoints(poses.keypoints[3], size))
    np.testing.assert_array_equal(evaluation.keypoints[3], expected)


def test_scores_are_of_all_protocols_and_actions(evaluation):
    poses = evaluation.poses
    perfect = evaluation.scores(poses.positions, flip=False)
    assert tuple(perfect) == PROTOCOLS
    assert [score.overall.mpjpe for score in perfect.values()] == pytest.approx(
        [0, 0, 0], abs=1e-2
    )
    noise = np.random.default_rng(0).normal(0, 0.05, poses.positions.shape)
    found = (poses.positions + noise).astype(np.float32)
    scores = evaluation.scores(found, flip=True)
    for protocol, score in scores.items():
        assert score.protocol == protocol and score.flip
        assert score.keypoint_source == poses.keypoint_source
        assert set(score.per_action) == {poses.actions[i] for i in poses.action_index}
        assert score == score_positions(
            found,
            poses.positions,
            poses.skeleton,
            protocol=protocol,
            keypoint_source=poses.keypoint_source,
            flip=True,
            actions=poses.actions,
            action_index=poses.action_index,
        )
    assert 50 < scores["unscaled"].overall.mpjpe < 150
    assert scores["procrustes"].overall.mpjpe < scores["unscaled"].overall.mpjpe


def test_predictions_of_another_shape_are_refused(evaluation):
    with pytest.raises(InputError, match="predicted has shape"):
        evaluation.scores(evaluation.poses.positions[:-1], flip=False)
