"""The jigsaw loss against the paper's Eq. 2, written out."""

import numpy as np
import pytest

from tfpose.hsjp.loss import jigsaw_loss


def _equation_2(predicted, target, mask):
    side_y, side_x, patches = predicted.shape
    total = 0.0
    for patch in range(patches):
        for y in range(side_y):
            for x in range(side_x):
                error = float(target[y, x, patch]) - float(predicted[y, x, patch])
                total += mask[patch] * error**2
    return total / (patches * side_y * side_x)


def test_loss_is_equation_2():
    rng = np.random.default_rng(0)
    predicted, target = rng.random((2, 3, 5, 6, 9)).astype(np.float32)
    mask = rng.integers(0, 2, (3, 9)).astype(np.float32)
    expected = [
        _equation_2(*each) for each in zip(predicted, target, mask, strict=True)
    ]
    assert np.asarray(jigsaw_loss(predicted, target, mask)) == pytest.approx(expected)


def test_hidden_patches_stay_in_the_divisor():
    predicted, target = np.zeros((1, 4, 4, 4)), np.ones((1, 4, 4, 4))
    for visible in range(5):
        mask = (np.arange(4) < visible)[None].astype(np.float32)
        assert float(jigsaw_loss(predicted, target, mask)[0]) == visible / 4


def test_low_precision_is_summed_in_float32():
    predicted = np.full((1, 64, 64, 4), 1e-3, np.float16)
    loss = jigsaw_loss(predicted, np.zeros_like(predicted), np.ones((1, 4), np.float32))
    assert float(loss[0]) == pytest.approx(1e-6, rel=1e-2)
