"""What an augmented pose keeps of its original, whatever the network says."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfpose.geometry import limb_directions, limb_lengths, limb_vectors
from tfpose.poseaug.augmentor import NOISE, OPERATORS, Augmentor
from tfpose.poseaug.body import Body
from tfpose.poseaug.loss import view_spread
from tfpose.skeletons import get_skeleton

COUNT = 32


def poses(skeleton, seed=0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    places = rng.normal(0, 0.3, (COUNT, skeleton.num_joints, 3)) + [0, 0, 5]
    return places.astype(np.float32)


def noise(seed=0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(COUNT, 4, NOISE)).astype("float32")


def augmentor(name="h36m16", operators=OPERATORS) -> Augmentor:
    net = Augmentor(get_skeleton(name), operators)
    rng = np.random.default_rng(0)
    for part in (net.rotation_net, net.translation_net):
        kernel, bias = part.last.get_weights()
        part.last.set_weights([0.3 * kernel, bias + rng.normal(0, 1, bias.shape)])
    return net


@pytest.mark.parametrize("name", ["h36m16", "coco17", "mpi_inf_3dhp28"])
def test_what_is_kept(name):
    net = augmentor(name)
    skeleton, body = net.skeleton, Body(net.skeleton)
    source = poses(skeleton)
    found = net(source, noise())
    before = np.asarray(limb_vectors(source, skeleton.parents))
    rotated = np.asarray(limb_vectors(found.rotated, skeleton.parents))
    stretched = limb_vectors(found.stretched, skeleton.parents)
    augmented = limb_vectors(found.positions, skeleton.parents)
    near = {"rtol": 1e-3, "atol": 1e-5}
    np.testing.assert_allclose(limb_lengths(rotated), limb_lengths(before), **near)
    trunk = list(body.trunk)
    np.testing.assert_allclose(rotated[:, trunk], before[:, trunk], **near)
    np.testing.assert_allclose(
        limb_directions(stretched), limb_directions(rotated), atol=1e-4
    )
    ratio = np.asarray(limb_lengths(stretched) / limb_lengths(rotated))
    assert np.abs(ratio - 1).max() <= 0.2 + 1e-4
    assert np.ptp(ratio, axis=0).max() > 0.01
    for group in set(body.length_groups):
        alike = [k for k, g in enumerate(body.length_groups) if g == group]
        np.testing.assert_allclose(
            ratio[:, alike], ratio[:, alike[:1]].repeat(len(alike), 1), **near
        )
        if group in body.fixed_lengths:
            np.testing.assert_allclose(ratio[:, alike], 1, **near)
    np.testing.assert_allclose(limb_lengths(augmented), limb_lengths(stretched), **near)
    root = skeleton.root
    np.testing.assert_allclose(found.stretched[:, root], source[:, root], **near)
    assert np.asarray(found.positions)[:, root, 2].min() >= 0
    assert np.abs(found.positions - found.stretched).max() > 0.1
    unrotated = np.einsum("bji,blj->bli", found.rotation, augmented)
    np.testing.assert_allclose(unrotated, stretched, atol=1e-4)
    moved = np.asarray(found.angle_change)
    others = [k for k in range(len(body.limbs)) if k not in trunk]
    assert moved[:, others].max() > 0.01 and (moved > -1e-5).all()


@pytest.mark.parametrize("operator", OPERATORS)
def test_an_operator_that_is_off_does_nothing(operator):
    on = [name for name in OPERATORS if name != operator]
    net = augmentor(operators=on)
    source = poses(net.skeleton)
    found = net(source, noise())
    stages = {
        "bone_angle": (found.rotated, source),
        "bone_length": (found.stretched, found.rotated),
        "rigid": (found.positions, found.stretched),
    }
    for name, (after, before) in stages.items():
        difference = np.abs(np.asarray(after) - np.asarray(before)).max()
        assert (difference < 1e-5) == (name == operator)


def test_gradients_are_finite_on_a_body_of_no_extent():
    net = augmentor()
    with tf.GradientTape() as tape:
        found = net(np.zeros((COUNT, 16, 3), np.float32), noise(), training=True)
        loss = sum(tf.reduce_sum(value**2) for value in found)
    for gradient in tape.gradient(loss, net.trainable_variables):
        assert np.isfinite(gradient).all()


def test_a_gentle_start_changes_little_and_is_as_spread_as_people_are():
    net = Augmentor(get_skeleton("h36m16"))
    source = np.tile(poses(net.skeleton), (64, 1, 1))
    random = np.random.default_rng(0).normal(size=(len(source), 4, NOISE))
    random = random.astype(np.float32)
    people = np.random.default_rng(1).normal([0.1, -0.2, 5.0], [0.8, 0.2, 1], (500, 3))
    wild = net(source, random, training=True)
    net.start_gently(people)
    gentle = net(source, random, training=True)
    assert gentle.angle_change.numpy().mean() < 0.3 * wild.angle_change.numpy().mean()
    roots = gentle.positions.numpy()[:, 0]
    np.testing.assert_allclose(roots.mean(0), people.mean(0), atol=0.3)
    np.testing.assert_allclose(roots.std(0), people.std(0), rtol=0.3)
    # Upright, facing all ways.
    down = gentle.rotation.numpy()[:, :, 1]
    assert np.degrees(np.arccos(down[:, 1])).mean() < 30
    assert 0.3 < float(view_spread(gentle.rotation)) < 0.5


def test_noise_makes_the_difference():
    net = augmentor()
    source = poses(net.skeleton)
    first, again, other = (net(source, noise(seed)).positions for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01


def test_saved_and_loaded(tmp_path):
    net = augmentor(operators=("bone_angle", "rigid"))
    net.save(tmp_path / "augmentor.keras")
    loaded = keras.saving.load_model(tmp_path / "augmentor.keras")
    source = poses(net.skeleton)
    assert loaded.operators == ("bone_angle", "rigid")
    np.testing.assert_array_equal(
        loaded(source, noise()).positions, net(source, noise()).positions
    )
