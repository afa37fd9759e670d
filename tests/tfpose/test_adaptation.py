"""The contract of adaptation, by a toy adapter on real poses: pure, in order."""

import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.lifting.batches import LiftingEvaluation
from data_pipelines.lifting.datasets import load_lifting_dataset
from tests.toy_adapter import ToyAdapter, make_toy_lifter
from tfpose.adaptation import AdaptedModel
from tfpose.lifters.pose_lifter import AdaptingLifter, PoseLifter
from tfpose.skeletons import get_skeleton

H36M = get_skeleton("h36m16")


@pytest.fixture(scope="module")
def evaluation(shared_data) -> LiftingEvaluation:
    """Poses of motion capture, some tens."""
    folder = str(shared_data / "mocap" / "cmu_bvh")
    poses = load_lifting_dataset("mocap", folder, "test", H36M, stride=100)
    return LiftingEvaluation(poses.select(np.arange(0, len(poses), 4)))


@pytest.fixture(scope="module")
def lifter():
    return make_toy_lifter(H36M)


def _lift(net, adapter: ToyAdapter, keypoints: np.ndarray, **options) -> np.ndarray:
    adapted = AdaptedModel(adapter, net.variables, **options)
    return AdaptingLifter(net, adapted).lift_all(keypoints)


@pytest.mark.parametrize("online", [False, True])
def test_metrics_change_and_the_weights_do_not(lifter, evaluation, online):
    before = [weight.copy() for weight in lifter.get_weights()]
    found = _lift(lifter, ToyAdapter(lifter, online), evaluation.keypoints)
    for weight, old in zip(lifter.get_weights(), before, strict=True):
        assert np.array_equal(weight, old)
    plain = PoseLifter(lifter).lift_all(evaluation.keypoints)
    scores = [evaluation.scores(p, flip=False)["unscaled"] for p in (plain, found)]
    # Random weights do badly; a body as wide as its image does better.
    assert scores[1].overall.mpjpe < 0.9 * scores[0].overall.mpjpe
    # No step, no change.
    still = _lift(lifter, ToyAdapter(lifter, online, steps=0), evaluation.keypoints)
    assert np.allclose(still, plain, atol=1e-6)


def test_episodes_are_apart_and_a_stream_is_in_order(lifter, evaluation):
    keypoints = evaluation.keypoints
    assert len(keypoints) > 20
    apart, carried = (
        [
            _lift(lifter, ToyAdapter(lifter, online), keypoints),
            _lift(lifter, ToyAdapter(lifter, online), keypoints[::-1])[::-1],
        ]
        for online in (False, True)
    )
    assert np.array_equal(*apart)
    assert np.abs(carried[0] - carried[1]).max() > 0.01
    # The first sample of a stream has nothing before it.
    assert np.array_equal(carried[0][0], apart[0][0])
    assert np.abs(carried[0][1:] - apart[0][1:]).max() > 0.01


def test_a_stream_can_go_on_later(lifter, evaluation):
    """The state is all there is: two halves are the whole, and no two streams mix."""
    keypoints, adapter = evaluation.keypoints, ToyAdapter(lifter, online=True)
    whole = _lift(lifter, adapter, keypoints)
    halves, other = (AdaptedModel(adapter, lifter.variables) for _ in range(2))
    lifter_in_halves = AdaptingLifter(lifter, halves)
    first = lifter_in_halves.lift_all(keypoints[:7])
    AdaptingLifter(lifter, other).lift_all(keypoints[::-1])
    second = lifter_in_halves.lift_all(keypoints[7:])
    assert np.array_equal(np.concatenate([first, second]), whole)


def test_a_state_is_not_changed_in_place(lifter, evaluation):
    adapter = ToyAdapter(lifter)
    sample = {"keypoints": tf.constant(evaluation.keypoints[:1])}
    state = adapter.init(lifter.variables)
    before = [np.array(tensor) for tensor in tf.nest.flatten(state)]
    after = adapter.adapt(state, sample)
    tf.nest.assert_same_structure(state, after)
    for old, new, tensor in zip(
        before, tf.nest.flatten(after), tf.nest.flatten(state), strict=True
    ):
        assert np.array_equal(old, tensor)
        assert new.shape == tensor.shape and new.dtype == tensor.dtype
    outputs = [adapter.predict(s, sample)["positions"] for s in (state, after)]
    assert np.array_equal(outputs[0], lifter(sample["keypoints"]))
    assert np.abs(outputs[1] - outputs[0]).max() > 0.01


@pytest.mark.parametrize("online", [False, True])
def test_it_compiles_once(lifter, evaluation, online):
    keypoints, adapter = evaluation.keypoints, ToyAdapter(lifter, online)
    compiled = []

    def compiler(step):
        compiled.append(tf.function(step))
        return compiled[0]

    found = _lift(lifter, adapter, keypoints, compiler=compiler)
    assert compiled[0].experimental_get_tracing_count() == 1
    assert np.allclose(found, _lift(lifter, adapter, keypoints), atol=1e-4)
