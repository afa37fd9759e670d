"""Jigsaw precision: an image counts only when all of its patches are right."""

import numpy as np
import pytest
import tensorflow as tf

from tfpose.errors import InputError
from tfpose.metrics.jigsaw import jigsaw_precision, jigsaw_scores


def _centres(images: int, side: int = 3, patch: float = 32.0) -> np.ndarray:
    axis = (np.arange(side) + 0.5) * patch - 0.5
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    shuffled = [np.random.default_rng(i).permutation(grid) for i in range(images)]
    return np.stack(shuffled)


def test_one_wrong_patch_loses_the_image_but_one_ninth_of_the_accuracy() -> None:
    centres = _centres(4)
    predicted = centres + [9, -9]
    predicted[1, 4] += [32, 0]
    result = jigsaw_precision(predicted, centres, patch_size=32)
    assert result.precision == 3 / 4
    assert result.patch_accuracy == pytest.approx(35 / 36)
    assert (result.images, result.patches, result.epsilon) == (4, 36, 16)


def test_epsilon_is_euclidean_and_strict() -> None:
    centres = _centres(1)
    assert jigsaw_precision(centres + [12, 16], centres, 32, epsilon=20).precision == 0
    assert (
        jigsaw_precision(centres + [12, 16], centres, 32, epsilon=20.01).precision == 1
    )


def test_patches_out_of_the_image_are_not_counted() -> None:
    centres = _centres(3)
    predicted = centres.copy()
    predicted[0, 2] += 99
    mask = np.ones((3, 9))
    mask[0, 2] = 0
    mask[2] = 0
    result = jigsaw_precision(predicted, centres, 32, mask)
    assert (result.precision, result.patch_accuracy) == (1.0, 1.0)
    assert (result.images, result.patches) == (2, 17)
    nothing = jigsaw_precision(predicted, centres, 32, np.zeros((3, 9)))
    assert np.isnan(nothing.precision) and np.isnan(nothing.patch_accuracy)


def test_chance_is_one_patch_in_nine() -> None:
    centres = _centres(500)
    guessed = np.random.default_rng(1).permuted(centres, axis=1)
    result = jigsaw_precision(guessed, _centres(500), 32)
    assert result.precision < 0.01
    assert abs(result.patch_accuracy - 1 / 9) < 0.03


def test_scores_run_inside_a_compiled_step() -> None:
    centres = _centres(2).astype("float32")
    predicted = centres.copy()
    predicted[1, 0] += 20
    mask = np.ones((2, 9), "float32")
    mask[0, 3] = 0
    solved, correct = tf.function(jigsaw_scores)(predicted, centres, 16.0, mask)
    np.testing.assert_array_equal(solved, [1, 0])
    np.testing.assert_array_equal(tf.reduce_sum(correct, axis=1), [8, 8])


def test_bad_arguments_are_refused() -> None:
    centres = _centres(2)
    with pytest.raises(InputError, match="expected \\(2, 9, 2\\)"):
        jigsaw_precision(centres[:1], centres, 32)
    with pytest.raises(InputError, match="mask has shape"):
        jigsaw_precision(centres, centres, 32, np.ones((2, 4)))
    with pytest.raises(InputError, match="expected above 0"):
        jigsaw_precision(centres, centres, 32, epsilon=0.0)
