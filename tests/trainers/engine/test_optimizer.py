"""The learning rate's course, and the moving average of the weights."""

import dataclasses

import keras
import numpy as np
import pytest

from trainers.engine.config import RunConfig
from trainers.engine.optimizer import adam, averaged_weights


@pytest.fixture
def config() -> RunConfig:
    return RunConfig(epochs=4, learning_rate=0.1, lr_drop_epochs=(2, 3))


def test_learning_rate_falls_tenfold_at_each_drop(config):
    optimizer = adam(config, 10)
    rates = []
    for step in (0, 19, 25, 35):
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    np.testing.assert_allclose(rates, [0.1, 0.1, 0.01, 0.001], rtol=1e-6)


def test_learning_rate_grows_in_and_then_follows_the_drops(config):
    optimizer = adam(dataclasses.replace(config, warmup_steps=10), 10)
    rates = []
    for step in (0, 5, 10, 25):
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    np.testing.assert_allclose(rates, [1e-4, 0.05005, 0.1, 0.01], rtol=1e-5)


def test_constant_learning_rate_grows_in(config):
    constant = dataclasses.replace(config, lr_drop_epochs=(), warmup_steps=4)
    optimizer = adam(constant, 10)
    optimizer.iterations.assign(2)
    assert float(optimizer.learning_rate) == pytest.approx(0.05005)


def _model(config):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer=adam(config, 10))
    model.optimizer.build(model.trainable_variables)
    return model


def test_mean_of_the_weights_for_a_block(config):
    model = _model(dataclasses.replace(config, ema_momentum=0.5))
    rng, kernels = np.random.default_rng(0), []
    for _ in range(4):
        gradients = [
            rng.standard_normal(v.shape).astype(np.float32)
            for v in model.trainable_variables
        ]
        model.optimizer.apply(gradients)
        kernels.append(model.layers[0].get_weights()[0])
    mean = kernels[0]
    for kernel in kernels[1:]:
        mean = 0.5 * mean + 0.5 * kernel
    with averaged_weights(model):
        np.testing.assert_allclose(model.layers[0].get_weights()[0], mean, rtol=1e-6)
    np.testing.assert_array_equal(model.layers[0].get_weights()[0], kernels[-1])


def test_weights_come_back_after_a_failure(config):
    model = _model(dataclasses.replace(config, ema_momentum=0.5))
    model.optimizer.apply([np.ones((2, 1), np.float32), np.ones(1, np.float32)])
    model.optimizer.apply([np.ones((2, 1), np.float32), np.ones(1, np.float32)])
    before = model.get_weights()
    with pytest.raises(KeyboardInterrupt), averaged_weights(model):
        raise KeyboardInterrupt
    for one, two in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_without_a_mean_nothing_is_kept_or_changed(config):
    model = _model(config)
    assert not any("average" in v.path for v in model.optimizer.variables)
    before = model.get_weights()
    with averaged_weights(model):
        for one, two in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)


def test_epsilon_is_the_configs(config):
    assert adam(config, 10).epsilon == 1e-8
