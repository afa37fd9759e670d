"""Attentive normalisation by its formula, and statistics of filled slots only."""

import numpy as np
import pytest

from tfpose.logocap.message_passing import AttentiveNorm, MessagePassing


def _passing(**choices) -> MessagePassing:
    passing = MessagePassing(3, (8, 6, 4), affines=5, **choices)
    passing.build((None, 5, 5, 12))
    return passing


def test_attentive_norm_mixes_scales_by_mean_over_deviation():
    rng = np.random.default_rng(0)
    norm = AttentiveNorm(affines=4)
    norm.build((None, 5, 5, 3))
    for weight in norm.weights:
        weight.assign(rng.uniform(0.2, 1, weight.shape))
    x = rng.normal(1, 2, (2, 5, 5, 3)).astype(np.float32)
    mean = x.mean(axis=(1, 2))
    deviation = np.sqrt(x.var(axis=(1, 2), ddof=1) + 1e-3)
    kernel = norm.attention.kernel.numpy()
    mixture = np.clip(mean / deviation @ kernel / 6 + 0.5, 0, 1)
    moving = norm.norm.moving_mean.numpy(), norm.norm.moving_variance.numpy()
    plain = (x - moving[0]) / np.sqrt(moving[1] + 1e-5)
    scale, shift = (mixture @ part.numpy() for part in (norm.scales, norm.shifts))
    expected = plain * scale[:, None, None] + shift[:, None, None]
    assert np.allclose(norm(x, training=False), expected, atol=1e-4)


def test_empty_slots_do_not_change_filled_ones_nor_statistics():
    rng = np.random.default_rng(1)
    filled = rng.normal(size=(4, 5, 5, 12)).astype(np.float32)
    rubbish = 100 * rng.normal(size=(3, 5, 5, 12)).astype(np.float32)
    alone, padded = _passing(name="alone"), _passing(name="padded")
    padded.set_weights(alone.get_weights())
    expected = np.asarray(alone(filled, training=True))
    counted = np.arange(7) < 4
    found = padded(np.concatenate([filled, rubbish]), training=True, counted=counted)
    assert np.allclose(found[:4], expected, atol=1e-4)
    for ours, theirs in zip(padded.weights, alone.weights, strict=True):
        assert np.allclose(ours, theirs, rtol=1e-4, atol=1e-5), ours.path


def test_without_a_filled_slot_statistics_stay_sane():
    passing = _passing()
    features = np.ones((2, 5, 5, 12), np.float32)
    found = passing(features, training=True, counted=np.zeros(2, bool))
    assert np.isfinite(np.asarray(found)).all()
    variances = [w.numpy() for w in passing.weights if w.name == "moving_variance"]
    assert len(variances) == 3
    # As of all slots: most variances would be nearly 0 of none.
    assert all(np.isfinite(values).all() for values in variances)


def test_poses_do_not_see_each_other():
    rng = np.random.default_rng(2)
    passing = _passing()
    features = rng.normal(size=(3, 5, 5, 12)).astype(np.float32)
    together = np.asarray(passing(features, training=False))
    alone = np.asarray(passing(features[1:2], training=False))
    assert together[1:2] == pytest.approx(alone, abs=1e-5)
    assert together.shape == (3, 5, 5, 3)
