"""Model, optimiser and progress come back as they were, or not at all."""

import keras
import numpy as np
import pytest

from tfpose.errors import InputError
from trainers.engine import checkpoint


def build(units: int = 3) -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(units),
            keras.layers.BatchNormalization(),
        ]
    )
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def values(model: keras.Model) -> list[np.ndarray]:
    variables = [*model.variables, *model.optimizer.variables]
    return [np.asarray(variable) for variable in variables]


def test_everything_comes_back(tmp_path):
    model = build()
    rng = np.random.default_rng(0)
    model.fit(rng.random((8, 4)), rng.random((8, 3)), epochs=2, verbose=0)
    progress = checkpoint.Progress(
        step=7,
        sums={"loss": 1.25},
        history=[{"epoch": 1, "val_pck": 0.1}],
        best_epoch=1,
        best_score=[0.1, 0.0],
        seconds=3.5,
        notes=["boxes: ground truth"],
    )
    checkpoint.save(tmp_path, model, progress)
    other = build()
    assert checkpoint.restore(tmp_path, other) == progress
    for one, two in zip(values(model), values(other), strict=True):
        np.testing.assert_array_equal(one, two, strict=True)


def test_nothing_saved_is_a_fresh_start(tmp_path):
    assert checkpoint.restore(tmp_path, build()) == checkpoint.Progress()


@pytest.mark.parametrize("size", [0, 10, 700])
def test_damaged_file_is_named(tmp_path, size):
    checkpoint.save(tmp_path, build(), checkpoint.Progress())
    path = tmp_path / "last.npz"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InputError, match="last.npz: not a checkpoint") as refusal:
        checkpoint.restore(tmp_path, build())
    assert "\n" not in str(refusal.value)


def test_checkpoint_of_another_net_is_refused(tmp_path):
    checkpoint.save(tmp_path, build(3), checkpoint.Progress())
    model = build(5)
    before = values(model)
    with pytest.raises(InputError, match="of another net"):
        checkpoint.restore(tmp_path, model)
    for one, two in zip(before, values(model), strict=True):
        np.testing.assert_array_equal(one, two)
