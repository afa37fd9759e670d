"""What scores 2D poses: the paper's discriminator, and a flow that is a density."""

import keras
import numpy as np
import pytest

from tests.mocap_pairs import mocap_pairs
from tfpose.geometry import centre_keypoints
from tfpose.iso.priors import Discriminator, Flow

RNG = np.random.default_rng(0)


def test_discriminator_has_the_papers_sizes():
    prior = Discriminator()
    prior.build((None, 16, 2))
    units = 1024
    blocks = 6 * (units * units + units)
    assert prior.count_params() == 32 * units + units + blocks + units + 1
    assert prior.dropout == 0.5
    kinds = {type(layer) for layer in prior._flatten_layers(include_self=False)}
    assert kinds == {keras.layers.Dense, keras.layers.Dropout}
    scores = prior(RNG.normal(size=(3, 16, 2)).astype(np.float32))
    assert scores.shape == (3, 1)


def test_discriminator_drops_units_in_training_only():
    prior = Discriminator(units=32, dropout=0.5)
    prior.build((None, 16, 2))
    given = RNG.normal(size=(4, 16, 2)).astype(np.float32)
    np.testing.assert_array_equal(prior(given), prior(given))
    assert np.abs(prior(given, training=True) - prior(given, training=True)).max() > 0


def test_spectral_norm_holds_the_slope():
    # Singular values that happen to be near each other take long to be told apart.
    keras.utils.set_random_seed(0)
    prior = Discriminator(units=32, dropout=0.0, spectral_norm=True)
    prior.build((None, 16, 2))
    given = RNG.normal(size=(4, 16, 2)).astype(np.float32)
    for layer in prior.blocks:
        layer.layer.kernel.assign(5 * layer.layer.kernel)
    for _ in range(100):
        prior(given, training=True)
    for layer in (prior.first, *prior.blocks, prior.last):
        largest = np.linalg.norm(np.asarray(layer.layer.kernel), 2)
        assert largest == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("root", [0, 1])
def test_flow_is_a_density(root):
    """Of two joints, of which the root is always at 0: it integrates to 1."""
    flow = Flow(root, units=16, couplings=4)
    flow.build((None, 2, 2))
    for weight in flow.weights:
        weight.assign(RNG.normal(0, 0.2, weight.shape))
    line = np.linspace(-15, 15, 601, dtype=np.float32)
    points = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 1, 2)
    keypoints = np.insert(points, root, 0, axis=1)
    # Scores are log-densities per number, of which there are two.
    density = np.exp(2 * np.asarray(flow(keypoints), np.float64))
    assert density.sum() * (line[1] - line[0]) ** 2 == pytest.approx(1, abs=0.01)
    assert np.ptp(density) > 0.01


def test_flow_starts_as_the_normal_distribution():
    flow = Flow(0)
    flow.build((None, 16, 2))
    given = RNG.normal(size=(5, 16, 2)).astype(np.float32)
    normal = -0.5 * given[:, 1:] ** 2 - 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(flow(given)[:, 0], normal.mean((1, 2)), rtol=1e-4)


def test_a_trained_flow_prefers_real_poses(shared_data):
    keras.utils.set_random_seed(0)
    keypoints = mocap_pairs(shared_data)["keypoints"]
    real = np.asarray(centre_keypoints(keypoints, 0))[:200]
    flow = Flow(0, units=64)
    flow.build((None, 16, 2))
    flow.compile("adam", loss=lambda _, scores: -scores)
    flow.optimizer.learning_rate = 3e-3
    flow.fit(real[::2], np.zeros(len(real[::2])), 50, epochs=40, verbose=0)
    unseen = real[1::2]
    bent = unseen + RNG.normal(0, 0.3, unseen.shape)
    bent[:, 0] = 0
    bent = np.asarray(centre_keypoints(bent.astype(np.float32), 0))
    upside_down = unseen * np.float32([1, -1])
    scores = [np.asarray(flow(poses))[:, 0] for poses in (unseen, bent, upside_down)]
    assert (scores[0] > scores[1]).mean() > 0.9
    assert (scores[0] > scores[2]).mean() > 0.9
