"""Random views of training poses: what is kept, what is turned, and how far."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.lifting.batches import LiftingEvaluation
from data_pipelines.lifting.datasets import load_lifting_dataset
from tests.mocap_pairs import mocap_pairs
from tests.trainers.pairs import write_pairs
from tfpose.errors import InputError
from tfpose.geometry import keypoint_size, limb_lengths, limb_vectors
from tfpose.lifters.views import project_poses
from tfpose.skeletons import get_skeleton
from trainers.lifter_config import LifterConfig
from trainers.random_model import RandomModel
from trainers.random_views import RandomViews

H36M = get_skeleton("h36m16")
COUNT = 200


@pytest.fixture
def batch(shared_data) -> dict[str, tf.Tensor]:
    pairs = mocap_pairs(shared_data)
    rows = np.arange(COUNT) % len(pairs["positions"])
    return {name: tf.constant(values[rows]) for name, values in pairs.items()}


def make_views(**changes) -> RandomViews:
    config = dataclasses.replace(LifterConfig(batch_size=COUNT), **changes)
    return RandomViews(config, RandomModel(0, COUNT))


def lengths(positions) -> np.ndarray:
    return np.asarray(limb_lengths(limb_vectors(positions, H36M.parents)))


def upright() -> np.ndarray:
    """A stick along each axis from the root, in place of bodies."""
    sticks = np.zeros((COUNT, 16, 3), np.float32)
    sticks[:, 1:4] = np.eye(3)
    return sticks + np.float32([0, 0, 5])


def test_without_the_options_a_batch_stays_as_it_is(batch):
    keypoints, positions = make_views().added_to(batch)
    assert keypoints is batch["keypoints"] and positions is batch["positions"]


def test_root_camera_and_limbs_are_kept(batch):
    keypoints, positions = (
        np.asarray(part) for part in make_views(random_views=True).added_to(batch)
    )
    assert len(keypoints) == len(positions) == 2 * COUNT
    given = {name: np.asarray(values) for name, values in batch.items()}
    np.testing.assert_array_equal(keypoints[:COUNT], given["keypoints"])
    np.testing.assert_array_equal(positions[:COUNT], given["positions"])
    views = positions[COUNT:]
    np.testing.assert_allclose(views[:, 0], given["positions"][:, 0], atol=1e-5)
    np.testing.assert_allclose(lengths(views), lengths(given["positions"]), atol=1e-4)
    seen = np.asarray(project_poses(views, given["intrinsics"]))
    np.testing.assert_allclose(keypoints[COUNT:], seen, atol=1e-3)
    moved = np.abs(views - given["positions"]).max(axis=(1, 2)) > 0.05
    assert moved.mean() > 0.8


def test_a_view_outside_the_image_is_replaced_by_its_source(batch):
    # So near that half of the views leave it.
    near = dict(batch)
    body = batch["positions"] - batch["positions"][:, :1]
    near["positions"] = 0.5 * body + tf.constant([0.0, 0.0, 0.9])
    seen = project_poses(near["positions"], near["intrinsics"])
    near["keypoints"] = tf.clip_by_value(seen, -1.0, 1.0)
    keypoints, positions = (
        np.asarray(part) for part in make_views(random_views=True).added_to(near)
    )
    assert np.abs(keypoints).max() <= 1
    same = (positions[COUNT:] == positions[:COUNT]).all(axis=(1, 2))
    assert 0 < same.sum() < COUNT
    np.testing.assert_array_equal(keypoints[COUNT:][same], keypoints[:COUNT][same])


@pytest.mark.parametrize("tilt", [0.0, 10.0, 20.0])
def test_turns_are_uniform_and_tilts_as_asked(batch, tilt):
    views = make_views(random_views=True, view_tilt=tilt)
    turned = np.concatenate(
        [np.asarray(views(upright(), batch["intrinsics"])) for _ in range(10)]
    )
    across, down, _ = np.moveaxis(turned[:, 1:4] - turned[:, :1], 1, 0)
    azimuth = np.arctan2(across[:, 2], across[:, 0])
    shares = np.histogram(azimuth, 8, (-np.pi, np.pi))[0] / len(azimuth)
    assert 0.08 < shares.min() and shares.max() < 0.17
    # The vertical axis leans by two tilts, forwards and sideways.
    forwards = np.degrees(np.arctan2(down[:, 2], down[:, 1]))
    sideways = np.degrees(np.arctan2(down[:, 0], down[:, 1]))
    for lean in (forwards, sideways):
        assert lean.std() == pytest.approx(tilt, abs=0.1 * tilt + 0.01)
        assert lean.mean() == pytest.approx(0, abs=0.1 * tilt + 0.01)


def test_every_step_draws_anew(batch):
    views = make_views(random_views=True)
    first, second = (views(batch["positions"], batch["intrinsics"]) for _ in range(2))
    again = make_views(random_views=True)(batch["positions"], batch["intrinsics"])
    assert np.abs(first - second).max() > 0.1
    np.testing.assert_array_equal(first, again)


def test_the_targets_places_and_sizes_are_matched(batch, tmp_path):
    folder = write_pairs(tmp_path / "target", {"train": 4, "val": 12})
    views = make_views(target_dir=str(folder), target_dataset="mannequin")
    placed = np.asarray(views(batch["positions"], batch["intrinsics"]))
    seen = np.asarray(project_poses(placed, batch["intrinsics"]))
    poses = load_lifting_dataset("mannequin", folder, "test", H36M)
    targets = LiftingEvaluation(poses).keypoints
    wanted = np.concatenate(
        [targets[:, 0], np.asarray(keypoint_size(targets, 0))[:, 0]], axis=-1
    )
    found = np.concatenate(
        [seen[:, 0], np.asarray(keypoint_size(seen, 0))[:, 0]], axis=-1
    )
    apart = np.abs(found[:, None] - wanted).max(axis=-1)
    assert apart.min(axis=1).max() < 0.02
    # Each is somebody's.
    assert len(set(apart.argmin(axis=1))) == len(wanted)
    # Without random views bodies are not turned.
    rooted = [np.asarray(p - p[:, :1]) for p in (placed, batch["positions"])]
    np.testing.assert_allclose(*rooted, atol=1e-5)


def test_a_target_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        make_views(target_dir=str(tmp_path / "nowhere"), target_dataset="mannequin")


def test_xla_draws_the_same():
    model = [RandomModel(3, 8) for _ in range(2)]
    plain = tf.function(lambda: model[0].draw_uniform(8, (5,)))()
    compiled = tf.function(lambda: model[1].draw_uniform(8, (5,)), jit_compile=True)()
    np.testing.assert_array_equal(plain, compiled)
    assert 0 <= np.min(plain) and np.max(plain) < 1 and np.ptp(plain) > 0.5
