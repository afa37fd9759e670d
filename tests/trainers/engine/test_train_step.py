"""Losses, metrics and gradients of a replica add up to those of the global batch."""

from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainers.engine.train_step import (
    replica_part,
    replica_share,
    takes_summed_gradients,
    update,
)


def test_shares_and_parts():
    batch = {"x": tf.zeros((2, 3)), "y": tf.zeros((2,))}
    share = replica_share(batch, 8)
    assert share == 0.25
    assert replica_part({"loss": 4.0}, share) == {"loss": 1.0}


def test_gradients_are_summed_before_their_norm_is_limited():
    """Two replicas whose gradients are (3, 0) and (0, 4), limited to a norm of 1."""
    gradients = [np.array([6.0, 0.0]), np.array([0.0, 8.0])]
    total = tf.constant([3.0, 4.0])
    context = mock.Mock(num_replicas_in_sync=2)
    context.all_reduce.side_effect = lambda operation, tensors: [total]
    for gradient in gradients:
        variable = keras.Variable(np.zeros(2, np.float32))
        optimizer = takes_summed_gradients(keras.optimizers.SGD(1.0, global_clipnorm=1))
        optimizer.build([variable])
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(variable.value * tf.constant(gradient, tf.float32))
        with mock.patch.object(tf.distribute, "get_replica_context", lambda: context):
            norms = update(optimizer, [variable], tape, loss, 0.5)
        (sent,) = context.all_reduce.call_args.args[1]
        np.testing.assert_allclose(sent, gradient / 2)
        assert float(norms["gradient_norm"]) == pytest.approx(5.0)
        assert float(norms["parameter_norm"]) == 0
        np.testing.assert_allclose(variable.numpy(), [-0.6, -0.8], rtol=1e-6)


def test_variables_without_a_gradient_stay():
    used, unused = keras.Variable([1.0, 2.0]), keras.Variable([5.0])
    optimizer = takes_summed_gradients(keras.optimizers.SGD(0.1))
    optimizer.build([used, unused])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(used.value**2)
    norms = update(optimizer, [used, unused], tape, loss, 1.0)
    np.testing.assert_allclose(used.numpy(), [0.8, 1.6], rtol=1e-6)
    np.testing.assert_array_equal(unused.numpy(), [5.0])
    assert float(norms["gradient_norm"]) == pytest.approx(np.sqrt(20))
    with tf.GradientTape() as tape:
        nothing = tf.constant(1.0)
    assert update(optimizer, [unused], tape, nothing, 1.0) == {}
