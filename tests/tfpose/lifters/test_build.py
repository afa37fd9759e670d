"""Lifters: sizes, shapes, files, dropout, and a compiled training step."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpose.errors import InputError
from tfpose.lifters.build import LIFTERS, build_lifter
from tfpose.lifters.iso import ISOLifter
from tfpose.lifters.martinez import Martinez
from tfpose.lifters.semgcn import SemGCN
from tfpose.lifters.stgcn import STGCN
from tfpose.lifters.vpose import VPose
from tfpose.skeletons import SKELETONS, Skeleton, get_skeleton

H36M = get_skeleton("h36m16")
RNG = np.random.default_rng(0)

# Counted in the official nets; ISO's, which has none, by its paper's section 3.3.
PARAMETERS = {
    "martinez": 4_288_557,
    "vpose": 8_485_933,
    "semgcn": 267_343,
    "stgcn": 3_627_847,
    "iso": 8_495_149,
}
every_lifter = pytest.mark.parametrize("name", PARAMETERS)


def keypoints(count: int, skeleton: Skeleton = H36M) -> np.ndarray:
    shape = (count, skeleton.num_joints, 2)
    return RNG.uniform(-1, 1, shape).astype(np.float32)


def small(name: str, skeleton: Skeleton, dropout: float | None = None):
    """Of the same kind with few channels, where that can be asked for."""
    if name == "martinez":
        return Martinez(skeleton, dropout, units=16)
    if name == "iso":
        return ISOLifter(skeleton, dropout, units=16)
    if name == "vpose":
        return VPose(skeleton, dropout, units=16)
    if name == "semgcn":
        return SemGCN(skeleton, dropout, channels=8)
    return STGCN(skeleton, dropout, channels=8)


def test_every_name_is_of_an_original_or_a_small_one():
    assert LIFTERS.keys() == {*PARAMETERS, *(f"{name}_small" for name in PARAMETERS)}


@pytest.mark.parametrize(
    "name,millions",
    [
        ("martinez", 0.28),
        ("vpose", 0.55),
        ("semgcn", 0.068),
        ("stgcn", 0.23),
        ("iso", 0.55),
    ],
)
def test_small_ones_are_small_and_of_the_same_kind(name, millions):
    net = build_lifter(f"{name}_small", H36M)
    assert net.name == name
    found = sum(w.numpy().size for w in net.trainable_weights) / 1e6
    assert found == pytest.approx(millions, rel=0.05)


@every_lifter
def test_parameters_are_as_many_as_the_originals(name):
    net = build_lifter(name, H36M)
    assert net.name == name
    assert sum(w.numpy().size for w in net.trainable_weights) == PARAMETERS[name]


@pytest.mark.parametrize("skeleton", sorted(SKELETONS))
@pytest.mark.parametrize("name", ["martinez", "semgcn"])
def test_root_is_zero_in_every_skeleton(name, skeleton):
    skeleton = get_skeleton(skeleton)
    positions = np.asarray(small(name, skeleton)(keypoints(3, skeleton)))
    assert positions.shape == (3, skeleton.num_joints, 3)
    assert positions.dtype == np.float32
    still = np.flatnonzero(~positions.any(axis=(0, 2)))
    np.testing.assert_array_equal(still, [skeleton.root])


@pytest.mark.parametrize("skeleton", ["h36m17", "coco17", "lsp14"])
def test_stgcn_takes_other_skeletons(skeleton):
    skeleton = get_skeleton(skeleton)
    positions = np.asarray(build_lifter("stgcn", skeleton)(keypoints(2, skeleton)))
    assert positions.shape == (2, skeleton.num_joints, 3)
    assert not positions[:, skeleton.root].any()


@pytest.mark.parametrize("skeleton", ["h36m16", "coco17"])
@pytest.mark.parametrize("name", ["semgcn", "stgcn"])
def test_graphs_treat_both_sides_alike(name, skeleton):
    """Until training tells them apart: a wrong index anywhere breaks this."""
    skeleton = get_skeleton(skeleton)
    net = small(name, skeleton)
    mirror = list(skeleton.flip_permutation)
    given = keypoints(2, skeleton)
    found = np.asarray(net(given[:, mirror]))
    np.testing.assert_allclose(found, np.asarray(net(given))[:, mirror], atol=1e-5)
    assert np.ptp(found) > 0.01


@every_lifter
def test_file_round_trip(name, tmp_path):
    net = small(name, H36M, dropout=0.1)
    net.info = {"source": "here"}
    for weight in net.weights:
        weight.assign_add(RNG.uniform(0, 0.1, weight.shape).astype(np.float32))
    net.save(tmp_path / "lifter.keras")
    loaded = keras.saving.load_model(tmp_path / "lifter.keras")
    given = keypoints(3)
    np.testing.assert_array_equal(loaded(given), net(given))
    assert loaded.get_config() == net.get_config()
    assert loaded.skeleton == H36M and loaded.dropout == 0.1
    assert loaded.info == {
        "task": "lifting",
        "source": "here",
        "skeleton": H36M.to_dict(),
    }


@every_lifter
def test_dropout_is_as_asked(name):
    def rates(net) -> set[float]:
        layers = [x for x in net.layers if isinstance(x, keras.layers.Dropout)]
        return {layer.rate for layer in layers}

    own = {"martinez": {0.25}, "vpose": {0.25}, "semgcn": set(), "iso": {0.5}}
    assert rates(small(name, H36M)) == own.get(name, {0.05, 0.25, 0.1})
    assert rates(small(name, H36M, 0.4)) == {0.4}
    net = small(name, H36M, 0.0)
    assert rates(net) == set()
    for rate in (1.0, -0.1, float("nan")):
        with pytest.raises(InputError, match="dropout is"):
            build_lifter(name, H36M, dropout=rate)


@pytest.mark.parametrize(
    "name",
    [
        "martinez",
        "vpose",
        "semgcn",
        "iso",
        pytest.param("stgcn", marks=pytest.mark.slow),
    ],
)
def test_a_compiled_training_step_lowers_the_loss(name):
    keras.utils.set_random_seed(0)
    net = small(name, H36M, 0.0)
    net.compile("adam", "mse", jit_compile=True)
    given = np.random.default_rng(0).uniform(-1, 1, (32, 16, 2)).astype(np.float32)
    wanted = np.concatenate([given, given[..., :1]], axis=-1)
    wanted -= wanted[:, :1]
    losses = [net.train_on_batch(given, wanted) for _ in range(20)]
    assert np.isfinite(losses).all() and losses[-1] < 0.8 * losses[0]


@every_lifter
def test_mixed_precision_keeps_keypoints_and_positions_whole(name):
    net = build_lifter(name, H36M, dtype="mixed_bfloat16")
    assert net.get_config()["dtype"] == "mixed_bfloat16"
    first = next(layer for layer in net.layers if layer.weights)
    assert first.compute_dtype == net.get_layer("head").compute_dtype == "float32"
    assert any(layer.compute_dtype == "bfloat16" for layer in net.layers)
    assert net(keypoints(2)).dtype == tf.float32


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="unknown lifter 'mlp'; expected one of marti"):
        build_lifter("mlp", H36M)
    with pytest.raises(InputError, match="info cannot be written as JSON"):
        build_lifter("martinez", H36M, info={"a": object()})
    dots = Skeleton("dots", ("a", "b"))
    with pytest.raises(InputError, match="'dots' has no limbs"):
        build_lifter("semgcn", dots)
    with pytest.raises(InputError, match="'dots' has no joint of the left arm"):
        build_lifter("stgcn", dots)


@every_lifter
def test_a_centred_one_does_not_see_place_and_size(name, tmp_path):
    plain = small(name, H36M)
    given = keypoints(4)
    moved = 0.3 * given + np.float32([0.4, -0.2])
    net = type(plain).from_config({**plain.get_config(), "centred": True})
    for each in (plain, net):
        for weight in each.trainable_weights:
            weight.assign_add(np.full(weight.shape, 0.01, np.float32))
    np.testing.assert_allclose(net(moved), net(given), atol=1e-4)
    assert np.abs(plain(moved) - plain(given)).max() > 0.01
    # Its place is lost, not its shape.
    assert np.abs(net(given[::-1]) - net(given)).max() > 0.01
    net.save(tmp_path / "centred.keras")
    loaded = keras.saving.load_model(tmp_path / "centred.keras")
    assert loaded.centred and not plain.centred
    np.testing.assert_array_equal(loaded(given), net(given))
