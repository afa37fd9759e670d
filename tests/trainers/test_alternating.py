"""Parts that train in turns: each has its optimizer, its pauses and its average."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainers.alternating import AlternatingModel
from trainers.engine.optimizer import averaged_weights
from trainers.engine.train_step import takes_summed_gradients


def make_part() -> keras.Sequential:
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])


class Pair(AlternatingModel):
    """A part that trains at every step, and one at every third."""

    def __init__(self):
        super().__init__(seed=1, global_batch_size=4)
        self.first, self.second = make_part(), make_part()
        for name, momentum in (("first", 0.5), ("second", 0.0)):
            optimizer = keras.optimizers.SGD(
                0.1, use_ema=momentum > 0, ema_momentum=momentum or 0.9
            )
            part = getattr(self, name)
            self.add_part(name, part, takes_summed_gradients(optimizer))
        norms = {"second_gradient_norm": 0.0, "second_parameter_norm": 0.0}
        initial = {"second_loss": 0.5, "second_real": 0.5, "second_fake": 0.5}
        self.rest_between("every", 3, initial | norms)

    def call(self, x):
        return self.first(x)

    def train_step(self, x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(self.first(x) ** 2)
        step = self.updates("first") + 0
        metrics = self.update_part("first", tape, loss, 1.0)
        return metrics | self.train_every(
            step, lambda: self.train_discriminator("second", x, -x, 1.0)
        )


@pytest.fixture
def model() -> Pair:
    keras.utils.set_random_seed(0)
    model = Pair()
    model.optimizer.build([])
    return model


def test_a_part_rests_and_keeps_its_last_metrics(model):
    step = tf.function(model.train_step)
    seen, weights = [], []
    for number in range(5):
        x = tf.constant(np.random.default_rng(number).random((4, 2)), tf.float32)
        seen.append({k: float(v) for k, v in step(x).items()})
        weights.append(model.second.get_weights()[0])
    # It trains at steps 0 and 3.
    same = [np.array_equal(a, b) for a, b in zip(weights, weights[1:], strict=False)]
    assert same == [True, True, False, True]
    losses = [row["second_loss"] for row in seen]
    assert losses[0] == losses[1] == losses[2] != losses[3] == losses[4]
    assert seen[0]["first_gradient_norm"] != seen[1]["first_gradient_norm"]
    assert int(model.updates("first")) == 5 and int(model.updates("second")) == 2


def test_only_the_part_with_an_average_has_it_for_a_block(model):
    for number in range(3):
        x = tf.constant(np.random.default_rng(number).random((4, 2)), tf.float32)
        model.train_step(x)
    before = [part.get_weights()[0] for part in (model.first, model.second)]
    with averaged_weights(model):
        inside = [part.get_weights()[0] for part in (model.first, model.second)]
    after = [part.get_weights()[0] for part in (model.first, model.second)]
    assert np.abs(inside[0] - before[0]).max() > 1e-4
    np.testing.assert_array_equal(inside[1], before[1])
    for one, two in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, two)


def test_optimizers_are_one_to_checkpoints(model):
    names = [variable.path for variable in model.optimizer.variables]
    of_parts = [o.variables for o in model.optimizer.of.values()]
    assert len(names) == sum(map(len, of_parts)) > 4
