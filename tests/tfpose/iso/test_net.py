"""ISO's network: heads that part anywhere, files to the bit, refusals."""

import keras
import numpy as np
import pytest

from tfpose.errors import InputError
from tfpose.iso.net import ISONet
from tfpose.lifters.build import LIFTERS, build_lifter
from tfpose.skeletons import get_skeleton

H36M = get_skeleton("h36m16")
RNG = np.random.default_rng(0)
SMALL = sorted(name for name in LIFTERS if name.endswith("_small"))


def keypoints(count: int) -> np.ndarray:
    return RNG.uniform(-1, 1, (count, 16, 2)).astype(np.float32)


@pytest.fixture(scope="module", params=SMALL)
def lifter(request):
    return build_lifter(request.param, H36M)


def test_heads_part_at_the_lifters_own_layer(lifter):
    net = ISONet(lifter, prior_units=8)
    given = keypoints(3)
    np.testing.assert_allclose(net(given), lifter(given), atol=1e-6)
    features = net.extractor(given)
    np.testing.assert_allclose(net.head(features), lifter(given), atol=1e-6)
    # Of the same shapes, but with weights of its own.
    shapes = [[w.shape for w in head.weights] for head in (net.head, net.ssl_head)]
    assert shapes[0] == shapes[1] and shapes[0]
    own = {id(w) for w in net.ssl_head.weights}
    assert not own & {id(w) for w in lifter.weights}
    assert np.abs(net.ssl_head(features) - net.head(features)).max() > 1e-3
    assert net.extractor.count_params() > 0
    parts = (net.extractor, net.head, net.ssl_head, net.prior)
    of_parts = {id(w) for part in parts for w in part.trainable_weights}
    assert of_parts == {id(w) for w in net.trainable_weights}


def test_heads_part_at_any_layer_that_all_go_through(lifter):
    given = keypoints(2)
    expected = np.asarray(lifter(given))
    parted, refused = 0, 0
    # Not behind the last one: nothing would be left for a head.
    for layer in lifter.layers[1:-1:3]:
        try:
            net = ISONet(lifter, "refine", layer.name)
        except InputError as error:
            assert "no head can part there" in str(error) and "\n" not in str(error)
            refused += 1
            continue
        parted += 1
        found = net.head(net.extractor(given))
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert net.last_shared_layer == layer.name
    assert parted > 2 and refused > 2


@pytest.mark.parametrize(
    "task,adversarial",
    [
        ("adversary", "likelihood"),
        ("cycle", "saturating"),
        ("refine", "non_saturating"),
    ],
)
def test_a_file_keeps_every_bit(task, adversarial, tmp_path):
    lifter = build_lifter("martinez_small", H36M, dropout=0.1, centred=True)
    lifter.info = {"limb_lengths": {"mean": [0.3] * 15, "std": [0.01] * 15}}
    net = ISONet(
        lifter,
        task,
        "block0_add",
        adversarial,
        prior_units=8,
        spectral_norm=adversarial == "saturating",
        cycle_weight_2d=0.3,
        cycle_weight_3d=0.4,
        distance=4.0,
    )
    for weight in net.weights:
        if weight.dtype == "float32":
            weight.assign_add(RNG.uniform(0, 0.1, weight.shape))
    net.save(tmp_path / "iso.keras")
    loaded = keras.saving.load_model(tmp_path / "iso.keras")
    weights = [[np.asarray(w) for w in one.weights] for one in (net, loaded)]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)
    given = keypoints(3)
    np.testing.assert_array_equal(loaded(given), net(given))
    if task != "refine":
        for one in ("ssl_head", "prior"):
            x = net.extractor(given) if one == "ssl_head" else given
            found = [getattr(each, one)(x) for each in (net, loaded)]
            np.testing.assert_array_equal(*found)
    assert (loaded.ssl_head is None) == (loaded.prior is None) == (task == "refine")
    assert loaded.get_config() == net.get_config()
    assert loaded.centred and loaded.dropout == 0.1 and loaded.distance == 4.0
    assert loaded.info == net.info and "limb_lengths" in loaded.info


def test_no_such_layer_is_one_line():
    lifter = build_lifter("martinez_small", H36M)
    with pytest.raises(InputError, match="no layer 'nose' where heads could") as error:
        ISONet(lifter, shared_layer="nose")
    assert "\n" not in str(error.value)


def test_the_priors_dropout_is_the_lifters():
    for dropout, expected in ((None, 0.5), (0.0, 0.0)):
        lifter = build_lifter("martinez_small", H36M, dropout=dropout)
        assert ISONet(lifter, prior_units=8).prior.dropout == expected


def test_mixed_precision_keeps_the_prior_whole():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        lifter = build_lifter("martinez_small", H36M)
        nets = [ISONet(lifter, adversarial=k) for k in ("saturating", "likelihood")]
    finally:
        keras.config.set_dtype_policy("float32")
    for net in nets:
        assert net.prior(keypoints(2)).dtype == "float32"
