import keras
import numpy as np
import pytest
import tensorflow as tf

from export.lifter import lifter_model
from export.litert.convert import convert
from tfpose.errors import InputError
from tfpose.lifters.build import build_lifter
from tfpose.lifters.pose_lifter import PoseLifter
from tfpose.skeletons import Skeleton, convert_keypoints, get_skeleton

H36M = get_skeleton("h36m16")
SIZES = np.array([[1000, 1002], [1920, 1080], [480, 640]], np.float32)


@pytest.fixture(scope="module")
def net(lifter_net):
    return lifter_net


@pytest.fixture(scope="module")
def keypoints():
    shares = np.random.default_rng(0).uniform(0.1, 0.9, (3, 16, 2))
    return (shares * SIZES[:, None, ::-1]).astype(np.float32)


def run(model, keypoints, sizes=SIZES):
    """Through the graph that would be exported."""
    graph = model.signatures["lift"].concrete()
    found = graph(keypoints=tf.constant(keypoints), image_size=tf.constant(sizes))
    assert set(found) == set(model.main.outputs)
    return {name: value.numpy() for name, value in found.items()}


@pytest.mark.parametrize("flip_test", [False, True])
def test_positions_are_those_of_the_lifter(net, keypoints, flip_test):
    found = run(lifter_model(net, flip_test=flip_test), keypoints)
    lifter = PoseLifter(net, flip_test)
    for row, (points, size) in enumerate(zip(keypoints, SIZES, strict=True)):
        expected = lifter.predict(points[None], tuple(size))
        np.testing.assert_allclose(
            found["positions"][row], expected[0], rtol=1e-5, atol=1e-5
        )
    assert found["valid"].all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
def test_a_joint_that_is_not_known_spoils_its_row_alone(net, keypoints, bad):
    model = lifter_model(net)
    good = run(model, keypoints)["positions"]
    spoilt = keypoints.copy()
    spoilt[1, 7, 1] = bad
    found = run(model, spoilt)
    assert found["valid"].tolist() == [True, False, True]
    assert np.isnan(found["positions"][1]).all()
    np.testing.assert_array_equal(found["positions"][[0, 2]], good[[0, 2]])


@pytest.mark.parametrize(
    "size", [(0, 640), (480, -1), (np.nan, 640), (np.inf, 640), (480, 1e30)]
)
def test_an_impossible_image_is_flagged(net, keypoints, size):
    sizes = SIZES.copy()
    sizes[0] = size
    found = run(lifter_model(net), keypoints, sizes)
    assert found["valid"].tolist() == [False, True, True]
    assert np.isnan(found["positions"][0]).all()


def test_nobody_is_no_pose(net, keypoints):
    absent = keypoints.copy()
    absent[2] = 0
    found = run(lifter_model(net), absent)
    assert found["valid"].tolist() == [True, True, False]


def test_an_answer_that_is_not_finite_is_flagged(keypoints):
    net = build_lifter("martinez_small", H36M)
    net.weights[0].assign(np.full(net.weights[0].shape, np.nan))
    found = run(lifter_model(net), keypoints)
    assert not found["valid"].any()
    assert np.isnan(found["positions"]).all()


def test_nobody_at_all_is_no_error(net):
    nobody = np.zeros((0, 16, 2), np.float32)
    found = run(lifter_model(net), nobody, np.zeros((0, 2), np.float32))
    assert found["positions"].shape == (0, 16, 3)


def test_other_joints_are_sorted_by_name(net, keypoints):
    """In another order, without pelvis and thorax, and with joints that are no use."""
    joints = [
        *(name for name in reversed(H36M.joints) if name not in ("pelvis", "thorax")),
        "nose",
    ]
    source = Skeleton("own", tuple(joints))
    sent = np.full((3, len(joints), 2), np.nan, np.float32)
    for row, name in enumerate(joints[:-1]):
        sent[:, row] = keypoints[:, H36M.index(name)]
    found = run(lifter_model(net, source), sent)
    converted, missing = convert_keypoints(sent, source, H36M, derive_midpoints=True)
    assert not missing
    expected = run(lifter_model(net), converted)
    assert found["valid"].all()
    np.testing.assert_allclose(
        found["positions"], expected["positions"], rtol=1e-5, atol=1e-5
    )


def test_joints_that_cannot_be_made_are_named(net):
    with pytest.raises(InputError, match="'coco17': spine, head_top cannot be made"):
        lifter_model(net, get_skeleton("coco17"))


def test_what_is_no_lifter_is_refused():
    net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(InputError, match="expected a lifter"):
        lifter_model(net)


def test_metadata_says_what_a_caller_must_know(net):
    metadata = lifter_model(net, get_skeleton("h36m17")).metadata
    assert metadata["skeleton"]["joints"] == list(H36M.joints)
    assert metadata["input_skeleton"]["name"] == "h36m17"
    assert metadata["root"] == "pelvis"
    assert metadata["training"]["test_mpjpe"] == 48.5
    lift = metadata["signatures"]["lift"]
    assert "metres" in lift["outputs"]["positions"]


def test_only_builtin_operators_are_needed(net):
    assert convert(lifter_model(net, get_skeleton("h36m17")))
