"""The whole net: what it finds on known maps, shapes, files, XLA, LiteRT."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.tfpose.logocap.compiled import litert_answer, xla_answer
from tests.tiny_logocap import drawn_dense, sharpen, tiny_logocap
from tfpose.backbones.resnet import ResNet
from tfpose.errors import InputError
from tfpose.logocap.net import LogoCapNet
from tfpose.skeletons import get_skeleton

SIZE = (192, 256)


@pytest.fixture(scope="module")
def net() -> LogoCapNet:
    keras.utils.set_random_seed(0)
    return tiny_logocap()


def _pixels(batch: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (batch, 64, 96, 3), np.uint8)


def _people() -> np.ndarray:
    rng = np.random.default_rng(0)
    middles = np.array([[[70.0, 90]], [[180, 100]]])
    return middles + rng.uniform(-45, 45, (2, 17, 2))


def test_known_people_are_found_and_nobody_else(net):
    people = _people()
    start = net.start_poses(drawn_dense(people, SIZE))
    assert np.asarray(start.filled)[0].tolist() == [True, True] + [False] * 4
    found = np.asarray(start.keypoints)[0, :2]
    found = found[np.argsort(found[:, 0, 0])]
    # A centre is a whole pixel, and its offset is read in its cell.
    assert np.abs(found - people[np.argsort(people[:, 0, 0])]).max() < 2.1


def test_heatmaps_mend_what_offsets_miss():
    net = tiny_logocap()
    sharpen(net)
    people = _people()
    wrong = np.random.default_rng(1).uniform(-6, 6, people.shape)
    dense = drawn_dense(people, SIZE, wrong)
    start = net.start_poses(dense)

    def miss(level: str) -> float:
        poses, scores = (
            np.asarray(part)[0] for part in net.adapted(dense, start, level)
        )
        assert (scores[:2] > 0).all() and (scores[2:] == 0).all()
        assert (poses[2:, :, 2] == 0).all()
        apart = np.linalg.norm(poses[:2, None, :, :2] - people, axis=-1)
        return apart.mean(axis=-1).min(axis=1).mean()

    assert miss("none") > 4
    assert miss("full") < 1.5


def test_a_picture_without_people_has_none(net):
    dense = drawn_dense(np.zeros((0, 17, 2)), SIZE)
    start = net.start_poses(dense)
    poses, scores = net.adapted(dense, start)
    assert not np.asarray(start.filled).any()
    assert np.isfinite(poses).all() and not np.asarray(scores).any()


def test_slots_do_not_depend_on_how_many_there_are(net):
    dense = net.dense(_pixels(2))
    start = net.start_poses(dense)
    poses, scores = net.adapted(dense, start)
    few = type(start)(*(part[:, :2] for part in start))
    few_poses, few_scores = net.adapted(dense, few)
    assert np.allclose(poses[:, :2], few_poses, atol=1e-3)
    assert np.allclose(scores[:, :2], few_scores, atol=1e-5)


def test_pictures_of_a_batch_do_not_see_each_other(net):
    pixels = _pixels(2)
    poses, _ = net(pixels)
    alone, _ = net(pixels[1:])
    assert poses.shape == (2, 6, 17, 3)
    assert np.allclose(poses[1:], alone, atol=1e-2)


def test_a_file_holds_all_of_it(net, tmp_path):
    net.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    assert loaded.info == net.info and loaded.skeleton == get_skeleton("coco17")
    pixels = _pixels()
    assert np.array_equal(loaded(pixels)[0], net(pixels)[0])


def test_losses_reach_every_weight(net):
    pixels = tf.constant(_pixels(2))
    with tf.GradientTape() as tape:
        dense = net.dense(pixels, training=True)
        start = net.start_poses(dense)
        refined = net.refine(dense, start, training=True)
        parts = (dense.heatmaps, dense.offsets, refined.heatmaps, refined.attraction)
        loss = sum(tf.reduce_mean(part**2) for part in parts)
    gradients = tape.gradient(loss, net.trainable_variables)
    dead = [
        weight.path
        for weight, gradient in zip(net.trainable_variables, gradients, strict=True)
        if gradient is None or not np.isfinite(gradient).all()
    ]
    assert not dead


def test_start_poses_have_no_gradient(net):
    heatmaps = tf.Variable(np.random.default_rng(0).normal(size=(1, 16, 24, 18)))
    heatmaps = tf.cast(heatmaps, tf.float32)
    offsets = tf.ones((1, 16, 24, 17, 2))
    with tf.GradientTape() as tape:
        tape.watch([heatmaps, offsets])
        start = net.start_poses(
            drawn_dense(_people(), SIZE)._replace(heatmaps=heatmaps, offsets=offsets)
        )
        total = tf.reduce_sum(start.keypoints) + tf.reduce_sum(start.scores)
    assert tape.gradient(total, [heatmaps, offsets]) == [None, None]


def test_what_cannot_be_used_is_refused(net):
    with pytest.raises(InputError, match="64 x 90 px, expected multiples of 32"):
        net(np.zeros((1, 64, 90, 3), np.uint8))
    with pytest.raises(InputError, match="backbone coarse has stride 32, expected 4"):
        LogoCapNet(get_skeleton("coco17"), ResNet((64, 64, 3), 50, name="coarse"))
    with pytest.raises(InputError, match="'h36m16' has no OKS sigmas"):
        LogoCapNet(get_skeleton("h36m16"), net.backbone)


@pytest.mark.slow
def test_xla_finds_the_same(net):
    pixels = _pixels(2)
    for found, expected in zip(xla_answer(net, pixels), net(pixels), strict=True):
        assert np.allclose(found, expected, atol=1e-3)


@pytest.mark.slow
def test_litert_finds_the_same_with_built_in_operators(net):
    pixels = _pixels()
    found_poses, found_scores = litert_answer(net, pixels)
    poses, scores = net(pixels)
    assert np.allclose(found_poses, poses, atol=1e-2)
    assert np.allclose(found_scores, scores, atol=1e-4)
