"""PoseAug's step, presets and promises, on a few bodies."""

import dataclasses
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from data_pipelines.lifting.batches import LiftingTraining
from data_pipelines.lifting.datasets import load_lifting_dataset
from tfpose.errors import InputError
from tfpose.lifters.build import build_lifter
from tfpose.skeletons import get_skeleton
from trainers.engine.loop import train
from trainers.poseaug import PRESETS, PoseAugConfig, PoseAugTask, subject_lengths
from trainers.poseaug_model import PoseAugModel

SKELETON = get_skeleton("h36m16")


def settle(preset: str, pairs, **changes) -> PoseAugConfig:
    usual = {"dropout": 0.0, "batch_size": 32, "epochs": 2, "warmup_epochs": 1}
    return dataclasses.replace(
        PRESETS[preset],
        dataset="mannequin",
        data_dir=str(pairs),
        net="martinez_small",
        **{**usual, **changes},
    )


def make_model(config: PoseAugConfig, pairs):
    """A model and its batches."""
    keras.utils.set_random_seed(0)
    poses = load_lifting_dataset("mannequin", pairs, "train", SKELETON)
    stream = LiftingTraining(poses, config.batch_size, 0, with_real=True)
    net = build_lifter(config.net, SKELETON, dropout=0.0)
    lengths = subject_lengths(poses)
    roots = poses.positions[:, 0]
    model = PoseAugModel(net, config, lengths, roots, stream.steps_per_epoch)
    model.optimizer.build([])
    size = config.batch_size

    def batches():
        step = 0
        while True:
            batch = stream.many(np.arange(step * size, (step + 1) * size))
            yield {name: tf.constant(value) for name, value in batch.items()}
            step += 1

    return model, batches()


def weights(model) -> dict[str, list[np.ndarray]]:
    return {
        name: [np.array(v) for v in part.trainable_variables]
        for name, part in model._parts.items()
    }


def moved(before, after) -> dict[str, bool]:
    return {
        name: any(
            (a != b).any() for a, b in zip(before[name], after[name], strict=True)
        )
        for name in before
    }


@pytest.mark.slow
def test_who_trains_when(pairs):
    config = settle("released", pairs, discriminator_every=2)
    model, batches = make_model(config, pairs)
    step = tf.function(model.train_step)
    seen, right = [], []
    for _ in range(7):
        before = weights(model)
        metrics = step(next(batches))
        seen.append(moved(before, weights(model)))
        assert all(np.isfinite(value) for value in metrics.values())
        right.append(float(metrics["part_discriminator_real"]))
    discriminators = [found["part_discriminator"] for found in seen]
    assert discriminators == [found["keypoint_discriminator"] for found in seen]
    # Every second step of the augmentor, which is counted before.
    assert discriminators == [False, True] * 3 + [False]
    # A guess before they were asked; at rest what they were the last time.
    assert right[0] == 0.5 and right[1::2] == right[2::2] and 0 <= min(right[1:])
    assert len(set(right)) > 2 and max(right) <= 1
    assert all(found["augmentor"] for found in seen)
    counts = {name: int(model.updates(name)) for name in model._parts}
    assert counts == {
        "lifter": 7,
        "augmentor": 7,
        "part_discriminator": 3,
        "keypoint_discriminator": 3,
    }
    # Five steps an epoch, of which the first is a warm-up of the other two.
    assert [found["lifter"] for found in seen] == [False] * 5 + [True] * 2


def test_without_feedback_the_lifter_means_nothing_to_the_augmentor(pairs):
    found = {}
    for feedback in ("none", "bounded", "exponential"):
        config = settle("released", pairs, feedback=feedback, warmup_epochs=0)
        model, batches = make_model(config, pairs)
        other, _ = make_model(config, pairs)
        head = other.net.trainable_variables[-1]
        head.assign_add(np.full(head.shape, 0.5, np.float32))
        batch = next(batches)
        for each in (model, other):
            # Only what the augmentor learns of the first step can differ by it.
            each.train_step(batch)
        same = [
            np.array_equal(a, b)
            for a, b in zip(
                weights(model)["augmentor"], weights(other)["augmentor"], strict=True
            )
        ]
        found[feedback] = all(same)
    assert found == {"none": True, "bounded": False, "exponential": False}


@pytest.mark.parametrize("operators", [("bone_angle",), ("bone_length", "rigid")])
def test_operators_can_be_switched_off(pairs, operators):
    config = settle("paper", pairs, operators=operators)
    model, batches = make_model(config, pairs)
    nets = {
        "bone_angle": model.augmentor.angle_net,
        "bone_length": model.augmentor.length_net,
        "rigid": model.augmentor.rotation_net,
    }
    before = {name: [np.array(v) for v in net.weights] for name, net in nets.items()}
    metrics = model.train_step(next(batches))
    after = {name: [np.array(v) for v in net.weights] for name, net in nets.items()}
    assert moved(before, after) == {name: name in operators for name in nets}
    assert (float(metrics["angle_degrees"]) > 0.5) == ("bone_angle" in operators)
    assert (float(metrics["length_change"]) > 0) == ("bone_length" in operators)
    assert ("view_spread" in metrics) == ("rigid" in operators)


def test_bodies_that_are_turned_too_much_alike_cost(pairs):
    alone = {
        "adversarial_weight_3d": 0.0,
        "adversarial_weight_2d": 0.0,
        "regulariser_weight": 0.0,
        "feedback": "none",
    }
    for wanted in (0.2, 0.9):
        config = settle("small", pairs, view_spread=wanted, **alone)
        model, batches = make_model(config, pairs)
        before = weights(model)["augmentor"]
        metrics = model.train_step(next(batches))
        lacking = max(0.0, wanted - float(metrics["view_spread"]))
        cost = config.view_weight * lacking**2
        assert float(metrics["augmentor_loss"]) == pytest.approx(cost, abs=1e-5)
        changes = zip(before, weights(model)["augmentor"], strict=True)
        changed = any((a != b).any() for a, b in changes)
        assert changed == (lacking > 0) == (wanted > 0.5)


def test_mixed_precision_leaves_bodies_and_views_in_float32(pairs):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        config = settle("released", pairs, warmup_epochs=0, discriminator_every=1)
        model, batches = make_model(config, pairs)
        metrics = tf.function(model.train_step)(next(batches))
        batch = next(batches)
        placed, keypoints = model.augment(batch["positions"], batch["intrinsics"])
    finally:
        keras.config.set_dtype_policy(before)
    assert model.augmentor.angle_net.hidden[0].compute_dtype == "bfloat16"
    assert placed.dtype == keypoints.dtype == tf.float32
    assert all(np.isfinite(value) for value in metrics.values())


def test_source_poses_get_a_subjects_lengths(pairs):
    poses = load_lifting_dataset("mannequin", pairs, "train", SKELETON)
    lengths = subject_lengths(poses)
    assert lengths.shape == (160, 15) and lengths.min() > 0.1
    config = settle("paper", pairs)
    model, batches = make_model(config, pairs)
    swapped = np.asarray(model._swap_lengths(next(batches)["positions"]))
    limb = np.linalg.norm(swapped[:, 1] - swapped[:, 0], axis=-1)
    assert np.abs(limb[:, None] - lengths[:, 0]).min(axis=1).max() < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["paper", "released"])
def test_a_run_leaves_a_lifter_and_pairs_before_and_after(pairs, tmp_path, preset):
    config = settle(preset, pairs, workdir=str(tmp_path))
    summary = train(config, PoseAugTask)
    assert keras.saving.load_model(tmp_path / "model.keras").name == "martinez"
    for name in ("lifted", "augmented_first", "augmented"):
        assert (tmp_path / f"figures/{name}.png").stat().st_size > 5000
    assert (
        "accuracy of discriminators" in summary["notes"][-1]
        or "augmentor:" in (summary["notes"][-1])
    )


def test_a_collapse_is_told_with_what_to_do():
    metrics = {
        "mpjpe": 50.0,
        "error_ratio": 2.0,
        "angle_degrees": 20.0,
        "part_discriminator_real": 0.6,
        "part_discriminator_fake": 0.7,
        "keypoint_discriminator_real": 0.5,
        "keypoint_discriminator_fake": 0.5,
    }
    task = PoseAugTask.__new__(PoseAugTask)
    assert "WARNING" not in task.describe(metrics)
    lost = {"keypoint_discriminator_real": 1.0, "keypoint_discriminator_fake": 0.99}
    warned = task.describe({**metrics, **lost})
    assert "WARNING: the 2D discriminator recognises nearly all" in warned
    assert "adversarial_weight_2d" in warned
    alike = task.describe({**metrics, "view_spread": 0.01})
    assert "WARNING: augmented bodies are all rotated alike" in alike
    assert "WARNING" not in task.describe({**metrics, "view_spread": 0.4})
    still = task.describe({**metrics, "angle_degrees": 0.1, "error_ratio": 1.0})
    assert "WARNING: the augmentor changes almost nothing" in still
    trained = {f"train_{name}": value for name, value in {**metrics, **lost}.items()}
    assert task.finish(trained)[-1].startswith("augmentor: the 2D discriminator")


def test_replicas_draw_the_rows_of_one(pairs):
    config = settle("released", pairs)
    one, _ = make_model(config, pairs)
    two, _ = make_model(config, pairs)
    count = config.batch_size
    whole = np.asarray(one.draw_normal(count, (3,)))
    assert len(np.unique(whole)) == whole.size

    def part(replica):
        other, _ = make_model(config, pairs)
        context = mock.Mock(replica_id_in_sync_group=replica)
        with mock.patch.object(tf.distribute, "get_replica_context", lambda: context):
            return np.asarray(other.draw_normal(count // 2, (3,)))

    np.testing.assert_array_equal(np.concatenate([part(0), part(1)]), whole)
    chosen = np.asarray(two.draw_integers(count, 5))
    assert set(chosen) == set(range(5))


@pytest.mark.slow
def test_learning_rates_fall_alike_and_stay_above_0(pairs):
    config = settle("released", pairs, epochs=4)
    model, batches = make_model(config, pairs)
    step = tf.function(model.train_step)
    for _ in range(4 * 5):
        step(next(batches))
    for name in model._parts:
        rate = model.optimizer.of[name]._get_current_learning_rate()
        assert float(rate) == pytest.approx(1e-4 * (1 - 4 / 5), rel=1e-3), name


def test_discriminators_do_not_rest_on_several_replicas(pairs):
    strategy = mock.Mock(num_replicas_in_sync=2)
    with mock.patch.object(tf.distribute, "get_strategy", lambda: strategy):
        with pytest.raises(InputError, match="^discriminator_every: expected 1 on 2 r"):
            make_model(settle("released", pairs), pairs)


@pytest.mark.parametrize(
    "changes,message",
    [
        ({"operators": ("bend",)}, "operators: expected some of .*, got bend"),
        ({"operators": ()}, "got none"),
        ({"pool_size": 8}, "pool_size: must be at least the batch_size, 32, got 8"),
        ({"feedback": "loud"}, "feedback"),
    ],
)
def test_impossible_options_are_refused(pairs, changes, message):
    with pytest.raises(InputError, match=message):
        settle("paper", pairs, **changes)


def test_the_presets_are_the_papers_and_the_codes():
    paper, released = PRESETS["paper"], PRESETS["released"]
    assert (paper.learning_rate, paper.epochs, paper.batch_size) == (1e-3, 50, 1024)
    assert (paper.hardness_start, paper.hardness_end) == (2.0, 20.0)
    assert (released.feedback_weight_rotated, released.feedback_weight) == (0.1, 0.01)
    assert (released.hardness_rotated_start, released.hardness_rotated_end) == (3, 5)
    assert (released.adversarial_weight_3d, released.regulariser_weight) == (6, 3)
    assert (released.discriminator_every, released.warmup_epochs) == (2, 2)
    assert released.linear_decay and released.learning_rate == 1e-4
