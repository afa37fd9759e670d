"""Fine-tuning starts from what pretraining gave, and freezes what it is told to."""

import dataclasses

import keras
import numpy as np
import pytest

from tfpose.errors import InputError
from tfpose.top_down.net import build_heatmap_net
from tfpose.top_down.transfer import layer_groups
from trainers.engine.loop import train
from trainers.engine.workdir import Workdir
from trainers.top_down import PRESETS, TopDownTask


@pytest.fixture
def config(photos, tmp_path):
    return dataclasses.replace(
        PRESETS["small"],
        net="hrnet_tiny",
        data_dir=str(photos),
        workdir=str(tmp_path / "run"),
        batch_size=8,
        epochs=1,
        lr_drop_epochs=(),
        input_height=32,
        input_width=32,
    )


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """A net as pretraining leaves it, with weights unlike any fresh one's."""
    keras.utils.set_random_seed(99)
    net = build_heatmap_net("hrnet_tiny", (64, 64), 9, info={"task": "hsjp"})
    path = tmp_path_factory.mktemp("pretrained") / "model.keras"
    net.save(path)
    return net, path


def make_task(config) -> TopDownTask:
    keras.utils.set_random_seed(config.seed)
    with Workdir.claim(config) as workdir:
        return TopDownTask(config, workdir)


@pytest.mark.parametrize("bare", [False, True])
def test_start_from_a_pretrained_net_or_backbone(config, pretrained, tmp_path, bare):
    net, path = pretrained
    if bare:
        path = tmp_path / "backbone.keras"
        net.backbone.save(path)
    task = make_task(dataclasses.replace(config, init_from=str(path)))
    for one, two in zip(
        net.backbone.get_weights(), task.net.backbone.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, two)
    assert task.net.num_outputs == 6
    assert task.net.info["skeleton"]["joints"][0] == "right_shoulder"


@pytest.mark.slow
def test_resnet_backbone_starts_a_resnet(config, tmp_path):
    source = build_heatmap_net("resnet50", (32, 32), 4)
    source.backbone.save(tmp_path / "resnet.keras")
    start = str(tmp_path / "resnet.keras")
    task = make_task(dataclasses.replace(config, net="resnet50", init_from=start))
    for one, two in zip(
        source.backbone.get_weights(), task.net.backbone.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"init_from": "/no/such.keras"}, "/no/such.keras: no such file"),
        ({"init_from": __file__}, "test_top_down.py: expected a .keras model"),
        ({"freeze": ("stem", "stage9")}, "unknown layer groups 'stage9'; expected som"),
        ({"net": "hrnet_huge"}, "unknown net 'hrnet_huge'"),
        ({"label_fraction": 0.05}, "batch_size: must be from 1 to .* 2, got 8"),
        ({"data_dir": ""}, "data_dir"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(config, values, message):
    with pytest.raises(InputError, match=message) as refusal:
        make_task(dataclasses.replace(config, **values))
    assert "\n" not in str(refusal.value)


def test_what_does_not_fit_is_refused_before_data_are_read(config, pretrained):
    away = dataclasses.replace(config, data_dir="/no/data")
    wide = dataclasses.replace(away, net="hrnet_w16", init_from=str(pretrained[1]))
    for values, message in (
        (wide, "do not fit"),
        (dataclasses.replace(away, freeze=("stage9",)), "unknown layer groups"),
        (dataclasses.replace(away, init_from="/no.keras"), "/no.keras: no such file"),
        (dataclasses.replace(away, init_from=str(pretrained[1])), "/no/data: no such"),
    ):
        with pytest.raises(InputError, match=message):
            make_task(values)


def test_initial_weights_are_the_seeds_alone(config, pretrained):
    fresh = make_task(config).net.get_weights()
    started = make_task(dataclasses.replace(config, init_from=str(pretrained[1])))
    # The head has its own weights, whatever was loaded and built before.
    for one, two in zip(fresh[-2:], started.net.get_weights()[-2:], strict=True):
        np.testing.assert_array_equal(one, two)


def test_net_says_how_its_heatmaps_are_read(config):
    task = make_task(
        dataclasses.replace(
            config,
            alignment="official",
            rounded_targets=True,
            flip_shift=1,
            decoder="quarter",
        )
    )
    info = task.net.info
    assert (info["alignment"], info["flip_shift"]) == ("official", 1)
    assert (info["decoder"], info["sigma"]) == ("quarter", 1.0)
    assert task.model.codec.rounded and task.model.codec.alignment == "official"
    assert task.predictor.alignment == task.sampler.alignment == "official"
    samples = [task.sampler(place) for place in range(8)]
    batch = {k: np.stack([sample[k] for sample in samples]) for k in samples[0]}
    target, weights = task.model.targets(batch)
    # Rounded: the highest cell is exactly 1, if it is well on the map.
    clear = np.asarray(task.model.codec.inside(batch["keypoints"], -4)) > 0
    clear &= np.asarray(weights) > 0
    assert clear.any()
    np.testing.assert_array_equal(np.asarray(target).max(axis=(1, 2))[clear], 1)


@pytest.mark.slow
def test_frozen_groups_stay_as_they_were(config, pretrained):
    frozen = ("stem", "stage1", "stage2")
    config = dataclasses.replace(config, init_from=str(pretrained[1]), freeze=frozen)
    summary = train(config, TopDownTask)
    assert "boxes: ground truth" in summary["notes"]
    net = keras.saving.load_model(f"{config.workdir}/model.keras")
    before, after = layer_groups(pretrained[0]), layer_groups(net)
    for group in before:
        same = all(
            np.array_equal(one, two)
            for old, new in zip(before[group], after[group], strict=True)
            for one, two in zip(old.get_weights(), new.get_weights(), strict=True)
        )
        assert same == (group in frozen), group


def test_share_of_the_labels(config):
    task = make_task(dataclasses.replace(config, label_fraction=0.5))
    assert len(task.sampler) == 20 and task.steps_per_epoch == 2


def test_score_is_ap_then_pck(config):
    task = make_task(config)
    assert task.score({"ap": 0.1, "pck": 0.0}) > task.score({"ap": 0.0, "pck": 0.9})
    assert task.score({"pck": 0.9}) > task.score({"pck": 0.8})
    both = [{"pck": 0.8, "pckh": 0.7}, {"pck": 0.9, "pckh": 0.6}]
    assert task.score(both[0]) > task.score(both[1])
