"""ISO at inference on real poses: what moves, what carries over, what is left out."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.lifting.batches import LiftingEvaluation
from data_pipelines.lifting.datasets import load_lifting_dataset
from tfpose.adaptation import AdaptedModel, AdaptedStreams
from tfpose.adapters import build_adapter
from tfpose.errors import InputError
from tfpose.geometry import limb_lengths, limb_vectors
from tfpose.iso.net import TASKS, ISONet
from tfpose.lifters.build import LIFTERS, build_lifter
from tfpose.lifters.martinez import Martinez
from tfpose.lifters.pose_lifter import AdaptingLifter, PoseLifter
from tfpose.skeletons import get_skeleton

H36M = get_skeleton("h36m16")
# Small, so that a step needs no compiler.
SMALL = "copies=2,refine_steps=3"


@pytest.fixture(scope="module")
def poses(shared_data):
    """Motion capture, some tens of poses in order."""
    folder = str(shared_data / "mocap" / "cmu_bvh")
    return load_lifting_dataset("mocap", folder, "test", H36M, stride=100)


@pytest.fixture(scope="module")
def keypoints(poses) -> np.ndarray:
    found = LiftingEvaluation(poses).keypoints
    return found[np.abs(found).max(axis=(1, 2)) <= 1][:8]


@pytest.fixture(scope="module")
def info(poses) -> dict:
    lengths = np.asarray(limb_lengths(limb_vectors(poses.positions, H36M.parents)))
    mean, std = lengths.mean(axis=0).tolist(), lengths.std(axis=0).tolist()
    return {"limb_lengths": {"mean": mean, "std": std}}


@pytest.fixture(scope="module")
def lifter(info):
    keras.utils.set_random_seed(0)
    return build_lifter("martinez_small", H36M, info=info)


@pytest.fixture(scope="module", params=["plain", *TASKS])
def net(request, info, lifter):
    """A plain lifter, and a network of each task."""
    if request.param == "plain":
        return lifter
    keras.utils.set_random_seed(0)
    inner = build_lifter("martinez_small", H36M, info=info)
    return ISONet(inner, request.param, prior_units=16)


def _adapting(net, options: str) -> AdaptingLifter:
    adapter = build_adapter(net, f"iso,{SMALL},{options}")
    return AdaptingLifter(net, AdaptedModel(adapter, net.variables))


def test_vanilla_leaves_everything_as_it_was(net, keypoints):
    before = [np.array(v) for v in net.variables]
    lifter = _adapting(net, "mode=vanilla,steps=2,learning_rate=1e-3")
    first = lifter.lift_all(keypoints[:3])
    assert np.array_equal(first, lifter.lift_all(keypoints[2::-1])[::-1])
    for variable, old in zip(net.variables, before, strict=True):
        assert np.array_equal(variable, old)
    assert np.abs(first - PoseLifter(net).lift_all(keypoints[:3])).max() > 1e-5


def test_online_carries_over(net, keypoints):
    carried = _adapting(net, "jump=0,learning_rate=1e-3").lift_all(keypoints[:3])
    apart = _adapting(net, "online=false,learning_rate=1e-3").lift_all(keypoints[:3])
    assert np.array_equal(carried[0], apart[0])
    assert np.abs(carried[1:] - apart[1:]).max() > 1e-5


def _moved(net, options: str, keypoints) -> dict[int, str]:
    """The net's variables that a step on the first pose changes, and their paths."""
    adapter = build_adapter(net, f"iso,{SMALL},learning_rate=1e-3,{options}")
    before = adapter.init(net.variables)
    after = adapter.adapt(before, {"keypoints": tf.constant(keypoints[:1])})
    return {
        id(variable): variable.path
        for variable, old, new in zip(
            adapter._moved, before["weights"], after["weights"], strict=True
        )
        if np.abs(np.asarray(new) - np.asarray(old)).max() > 0
    }


def test_head_and_batch_norm_stay(net, keypoints):
    moved = _moved(net, "steps=1", keypoints)
    head = getattr(net, "head", None)
    assert moved and not any("norm" in path or "bn" in path for path in moved.values())
    if head is not None:
        assert not moved.keys() & {id(v) for v in head.variables}


def test_whole_moves_the_head_of_refine_only(net, keypoints):
    if isinstance(net, ISONet) and net.task != "refine":
        with pytest.raises(InputError, match="whole: the task .* expected the task"):
            build_adapter(net, "iso,whole=true")
        return
    whole, usual = (
        set(_moved(net, f"whole={answer}", keypoints).values())
        for answer in ("true", "false")
    )
    assert any("head" in path for path in whole - usual)


def test_soft_reset_to_the_trained_weights(net, keypoints):
    adapter = build_adapter(net, f"iso,{SMALL},learning_rate=1e-3,soft_reset=1")
    fresh = adapter.init(net.variables)
    state = adapter.adapt(fresh, {"keypoints": tf.constant(keypoints[:1])})
    for new, old in zip(state["weights"], fresh["weights"], strict=True):
        assert np.allclose(new, old, atol=1e-7)


def test_one_of_so_many_is_adapted_to(lifter, keypoints):
    adapter = build_adapter(lifter, f"iso,{SMALL},jump=0,learning_rate=1e-3,every=3")
    model = AdaptedModel(adapter, lifter.variables)
    states = []
    for pose in keypoints[:7]:
        model({"keypoints": pose[None]})
        states.append(float(model._state["updates"]))
    assert states == [1, 1, 1, 2, 2, 2, 3]


@pytest.mark.parametrize("mode", ["vanilla", "online"])
@pytest.mark.parametrize("fault", ["not finite", "outside the image"])
def test_poses_that_cannot_be_used(lifter, keypoints, mode, fault):
    bad = keypoints[:3].copy()
    bad[1, 4] = np.nan if fault == "not finite" else 1.2
    adapting = _adapting(lifter, f"mode={mode},steps=1,jump=0,learning_rate=1e-3")
    found = adapting.lift_all(bad)
    assert "not adapted to 1 poses with" in adapting.left_out()
    assert fault in adapting.left_out()
    # As if it had not been there.
    again = _adapting(lifter, f"mode={mode},steps=1,jump=0,learning_rate=1e-3")
    expected = again.lift_all(bad[[0, 2]])
    assert np.allclose(found[[0, 2]], expected, atol=1e-6)
    if mode == "vanilla":
        plain = PoseLifter(lifter).lift_all(bad[1:2])
        assert np.allclose(found[1], plain[0], atol=1e-6, equal_nan=True)


def test_jumps_and_single_poses(lifter, keypoints):
    adapting = _adapting(lifter, "jump=0.5,learning_rate=1e-3")
    # Of one person, then upside down.
    stream = np.stack([keypoints[0], keypoints[0], -keypoints[0], -keypoints[0]])
    adapting.lift_all(stream)
    assert adapting.left_out() == "not adapted to 1 poses that jump to another person"
    alone = _adapting(lifter, "learning_rate=1e-3")
    found = alone.lift_streams(keypoints[:1], np.zeros(1, int))
    assert np.allclose(found, PoseLifter(lifter).lift_all(keypoints[:1]), atol=1e-6)
    assert alone.left_out() == "not adapted to 1 streams of one pose"


@pytest.fixture(scope="module")
def small(info):
    """A net that is soon compiled."""
    keras.utils.set_random_seed(0)
    return Martinez(H36M, info=info, units=16)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["vanilla,steps=3", "vanilla-lr", "online,steps=2"])
def test_streams_side_by_side_are_as_one_by_one(small, keypoints, mode):
    """Compiled, with several steps, and with a pose that is left out."""
    adapter = build_adapter(small, f"iso,{SMALL},mode={mode},jump=0,learning_rate=1e-4")
    bad = keypoints[:6].copy()
    bad[3, 0] = 2
    compiler = functools.partial(tf.function, jit_compile=True)
    arguments = (adapter, small.variables, 2, tf.vectorized_map, compiler)
    streams = AdaptedStreams(*arguments)
    turns = bad.reshape(3, 2, 1, 16, 2)
    found = np.stack([streams({"keypoints": turn})["positions"] for turn in turns])
    assert "not adapted to 1 poses with joints outside" in streams.left_out()
    plain = PoseLifter(small).lift_all(bad).reshape(found.shape)
    for row in range(2):
        one = AdaptedModel(adapter, small.variables)
        alone = AdaptingLifter(small, one).lift_all(turns[:, row, 0])
        np.testing.assert_allclose(found[:, row, 0], alone, rtol=1e-3, atol=1e-5)
    # Adaptation moves poses by far more than that.
    assert np.abs(found - plain)[0].max() > 1e-3
    # A new stream starts from the trained weights.
    streams.begin()
    again = streams({"keypoints": turns[0]})["positions"]
    np.testing.assert_array_equal(again, found[0])


def test_the_guard_returns_to_the_trained_weights(lifter, keypoints):
    """A learning rate that ruins every weight within some tens of poses."""
    adapter = build_adapter(lifter, f"iso,{SMALL},jump=0,learning_rate=1e-1,guard=1.05")
    model = AdaptedModel(adapter, lifter.variables, tf.function)
    for _ in range(30):
        model({"keypoints": keypoints[:1]})
        if float(model._state["restored"]):
            break
    assert "trained weights restored 1 times" in model.left_out()
    fresh = adapter.init(lifter.variables)
    for new, old in zip(model._state["weights"], fresh["weights"], strict=True):
        assert np.array_equal(new, old)


def test_a_lifter_without_limb_lengths_is_refused():
    lifter = build_lifter("martinez_small", H36M)
    with pytest.raises(InputError, match="keeps no limb_lengths"):
        build_adapter(lifter, "iso")


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in LIFTERS if n.endswith("_small")])
def test_every_lifter(name, info, keypoints):
    lifter = build_lifter(name, H36M, info=info)
    found = _adapting(lifter, "jump=0,learning_rate=1e-3").lift_all(keypoints[:2])
    plain = PoseLifter(lifter).lift_all(keypoints[:2])
    assert np.isfinite(found).all() and np.abs(found - plain).max() > 1e-6
