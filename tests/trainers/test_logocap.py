"""LOGO-CAP's training: where it starts, and photos without people."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.methods import METHODS
from tfpose.errors import InputError
from tfpose.top_down.net import build_heatmap_net
from tfpose.top_down.transfer import weighted_layers
from trainers.engine.devices import Devices
from trainers.engine.train_step import mean_of_some
from trainers.engine.workdir import Workdir
from trainers.logocap import LogoCapTask


@pytest.fixture
def config(crowds, tmp_path):
    return METHODS["logocap"].settle(crowds, tmp_path / "run")


def make_task(config) -> LogoCapTask:
    keras.utils.set_random_seed(config.seed)
    with Workdir.claim(config) as workdir:
        return LogoCapTask(config, workdir)


@pytest.mark.slow
def test_starts_from_the_backbone_of_another_net(config, tmp_path):
    """A top-down net's backbone lacks the last layers, which keep their own weights."""
    keras.utils.set_random_seed(99)
    net = build_heatmap_net("hrnet_tiny", (64, 64), 17, info={"task": "top_down"})
    net.save(tmp_path / "start.keras")
    start = str(tmp_path / "start.keras")
    task = make_task(dataclasses.replace(config, init_from=start))
    source, target = weighted_layers(net.backbone), weighted_layers(task.net.backbone)
    assert source.keys() < target.keys()
    for name, layer in source.items():
        for one, two in zip(
            layer.get_weights(), target[name].get_weights(), strict=True
        ):
            np.testing.assert_array_equal(one, two)
    again = dataclasses.replace(config, init_from=start, workdir=f"{tmp_path}/other")
    other = dataclasses.replace(again, net="hrnet_small")
    with pytest.raises(InputError, match="init_from: layer .* has weights"):
        make_task(other)


@pytest.mark.slow
def test_a_net_with_a_feature_pyramid(config, tmp_path):
    """It starts with another net's pyramid, too, and freezes the backbone's groups."""
    keras.utils.set_random_seed(99)
    lite = "efficientnet_lite0"
    net = build_heatmap_net(lite, (64, 64), 17, info={"task": "top_down"})
    net.save(tmp_path / "start.keras")
    config = dataclasses.replace(
        config,
        net=lite,
        init_from=str(tmp_path / "start.keras"),
        freeze=("stem", "stage1"),
    )
    task = make_task(config)
    photo = np.random.default_rng(0).integers(0, 256, (1, 96, 64, 3)).astype("float32")
    dense = task.net.dense_model
    ends = dense.get_layer("heat_conv").input
    expected = build_heatmap_net(lite, (96, 64), 17)
    expected.set_weights(net.get_weights())
    features = keras.Model(expected.inputs, expected.get_layer("head").input)
    np.testing.assert_allclose(
        keras.Model(dense.inputs, ends)([photo]), features([photo]), atol=1e-5
    )
    groups = task.net.backbone.layer_groups()
    for group, layers in groups.items():
        frozen = not any(layer.trainable_weights for layer in layers)
        assert frozen == (group in config.freeze)
    with pytest.raises(InputError, match="unknown layer groups 'stage9'"):
        make_task(
            dataclasses.replace(config, freeze=("stage9",), workdir=f"{tmp_path}/b")
        )
    with pytest.raises(InputError, match="net: expected an HRNet or one with a"):
        dataclasses.replace(config, net="resnet_small")


@pytest.mark.slow
@pytest.mark.parametrize("released", [False, True])
def test_a_batch_without_a_person(config, released):
    config = dataclasses.replace(config, released=released)
    task = make_task(config)
    samples = [task.sampler(position) for position in range(config.batch_size)]
    batch = {name: tf.stack([s[name] for s in samples]) for name in samples[0]}
    for name in ("keypoints", "centres", "areas"):
        batch[name] = tf.zeros_like(batch[name])
    task.model.optimizer.build(task.model.trainable_variables)
    step = Devices(config, tf.distribute.get_strategy()).compiled_step(task.model)
    metrics = {name: float(value) for name, value in step(batch).items()}
    assert np.isfinite(list(metrics.values())).all()
    assert metrics["heatmaps"] > 0 and metrics["kept_poses"] == 0
    assert [metrics[name] for name in ("offsets", "attraction", "refined")] == [0] * 3
    assert all(np.isfinite(weight).all() for weight in task.net.get_weights())


def test_mean_over_what_some_samples_have():
    """Parts by share; 6 in all of 3 is 2, and nothing has no mean but 0."""
    assert float(mean_of_some(6.0, 3.0, 0.5)) * 0.5 == 2
    assert float(mean_of_some(0.0, 0.0, 0.5)) == 0
