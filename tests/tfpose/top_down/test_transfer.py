"""Hand-over of weights between nets, and freezing."""

import keras
import numpy as np
import pytest

from tfpose.backbones.resnet import ResNet
from tfpose.errors import InputError
from tfpose.top_down.net import HeatmapNet, build_heatmap_net
from tfpose.top_down.transfer import freeze_groups, layer_groups, transfer_weights


def tiny(size=(32, 32), outputs=2, channels=3):
    return build_heatmap_net("hrnet_tiny", size, outputs, input_channels=channels)


def small_resnet(deconv_filters=(4, 4, 4), depth=18):
    backbone = ResNet((32, 32, 3), depth, width=4, kernel_initializer="he_normal")
    return HeatmapNet(backbone, 2, deconv_filters)


def randomise(net) -> None:
    """Values that no initialiser gives, moving statistics included."""
    rng = np.random.default_rng(0)
    net.set_weights([rng.uniform(0.1, 1, w.shape) for w in net.get_weights()])


def weights_by_layer(net) -> dict[str, list[np.ndarray]]:
    layers = [*net.layers, *net.backbone.layers]
    return {x.name: x.get_weights() for x in layers if not isinstance(x, keras.Model)}


def assert_same(found, expected) -> None:
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("bare", [False, True])
def test_all_but_the_head_is_copied_between_sizes(bare):
    source, target = tiny((32, 32), 9), tiny((64, 48), 2)
    randomise(source)
    before = weights_by_layer(target)
    report = transfer_weights(source.backbone if bare else source, target)
    given, after = weights_by_layer(source), weights_by_layer(target)
    for name in after:
        assert_same(after[name], before[name] if name == "head" else given[name])
    assert report.kept == ("head",)
    assert report.num_parameters == source.backbone.count_params()
    assert not report.first_convolution_cut


@pytest.mark.parametrize("bare", [False, True])
def test_transposed_convolutions_come_from_a_net_but_not_from_a_backbone(bare):
    source, target = small_resnet(), small_resnet()
    randomise(source)
    before = weights_by_layer(target)
    report = transfer_weights(source.backbone if bare else source, target)
    given, after = weights_by_layer(source), weights_by_layer(target)
    for name in after:
        keeps = name == "head" or (bare and name.startswith("deconv"))
        assert_same(after[name], before[name] if keeps else given[name])
        assert (name in report.kept) == (keeps and bool(after[name]))


def test_six_channels_give_the_half_of_the_unshuffled_image():
    source, target = tiny(channels=6), tiny()
    randomise(source)
    report = transfer_weights(source, target)
    assert report.first_convolution_cut
    kernel = source.backbone.get_layer("stem_conv1").kernel.numpy()
    assert_same(
        target.backbone.get_layer("stem_conv1").get_weights(), [kernel[:, :, 3:]]
    )
    # On a mosaic of zeros (after normalisation) both see the same image.
    image = np.random.default_rng(1).normal(size=(1, 32, 32, 3)).astype("float32")
    both = np.concatenate([np.zeros_like(image), image], axis=-1)
    np.testing.assert_allclose(target.backbone(image), source.backbone(both), rtol=1e-4)


@pytest.mark.parametrize(
    "make_source,make_target,message",
    [
        (tiny, lambda: tiny(channels=6), r"stem_conv1 has shapes .*3, 8.*expected .*6"),
        (lambda: small_resnet((4, 6, 4)), small_resnet, "deconv1_conv has shapes"),
        (small_resnet, tiny, "deconv0_bn is not in the target; .*; and [0-9]+ more"),
        (
            small_resnet,
            lambda: small_resnet(depth=34),
            "stage1_block2_conv1 is not in the source",
        ),
        (
            lambda: small_resnet(depth=34).backbone,
            small_resnet,
            "stage1_block2_conv1 is not in the target",
        ),
    ],
)
def test_misfits_are_listed_and_nothing_changes(make_source, make_target, message):
    source, target = make_source(), make_target()
    before = target.get_weights()
    with pytest.raises(InputError, match=message) as error:
        transfer_weights(source, target)
    assert "\n" not in str(error.value)
    assert_same(target.get_weights(), before)


def test_frozen_groups_stay_as_they_are_in_training():
    net = tiny()
    freeze_groups(layer_groups(net), ["stem", "stage1"])
    before = weights_by_layer(net)
    net.compile("sgd", "mse", run_eagerly=True)
    rng = np.random.default_rng(0)
    net.train_on_batch(rng.uniform(0, 255, (2, 32, 32, 3)), np.ones((2, 8, 8, 2)))
    after = weights_by_layer(net)
    groups = {
        layer.name: group
        for group, layers in layer_groups(net).items()
        for layer in layers
    }
    for name, weights in after.items():
        same = all(
            np.array_equal(*ab) for ab in zip(weights, before[name], strict=True)
        )
        if groups.get(name) in ("stem", "stage1"):
            assert same, name
        elif name.endswith(("_bn", "_bn0", "_bn1", "_bn2")) or name == "head":
            assert not same, name


def test_frozen_normalisation_uses_its_moving_statistics():
    net = tiny()
    randomise(net)
    freeze_groups(layer_groups(net), ["stem"])
    stem = keras.Model(net.backbone.input, net.backbone.get_layer("stem_relu2").output)
    image = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("float32")
    np.testing.assert_array_equal(
        stem(image, training=True), stem(image, training=False)
    )
    freeze_groups(layer_groups(net), [])
    assert not np.allclose(stem(image, training=True), stem(image, training=False))


def test_groups_from_stem_to_head():
    assert list(layer_groups(tiny())) == [
        "stem", "stage1", "stage2", "stage3", "stage4",
    ]  # fmt: skip
    net = small_resnet()
    assert list(layer_groups(net)) == [
        "stem", "stage1", "stage2", "stage3", "stage4", "deconv",
    ]  # fmt: skip
    freeze_groups(layer_groups(net), layer_groups(net))
    assert [w.path.split("/")[-2] for w in net.trainable_weights] == ["head", "head"]
    lite = build_heatmap_net("efficientnet_lite0", (32, 32), 2)
    stages = [f"stage{number}" for number in range(1, 7)]
    assert list(layer_groups(lite)) == ["stem", *stages, "pyramid"]
    freeze_groups(layer_groups(lite), layer_groups(lite))
    assert [w.path.split("/")[-2] for w in lite.trainable_weights] == ["head", "head"]
    freeze_groups(layer_groups(net), ["stage4"])
    assert net.backbone.get_layer("stem_conv").trainable


def test_last_exchange_trains_when_all_groups_are_frozen():
    net = tiny()
    freeze_groups(layer_groups(net), layer_groups(net))
    names = {w.path.split("/")[-2] for w in net.trainable_weights}
    assert names == {"head"} | {
        f"stage4_module0_fuse0_from{j}_{kind}"
        for j in (1, 2, 3)
        for kind in ("conv", "bn")
    }


def test_frozen_net_saves_and_loads(tmp_path):
    net = tiny()
    randomise(net)
    freeze_groups(layer_groups(net), ["stem", "stage2"])
    net.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    assert_same(
        loaded.backbone.get_layer("stem_bn1").get_weights(),
        net.backbone.get_layer("stem_bn1").get_weights(),
    )
    image = np.full((1, 32, 32, 3), 7, "uint8")
    np.testing.assert_array_equal(loaded(image), net(image))


def test_unknown_group_is_refused_with_the_names():
    net = tiny()
    with pytest.raises(InputError, match="'stage9'.*stem, stage1, .*stage4"):
        freeze_groups(layer_groups(net), ["stem", "stage9"])
    assert net.backbone.get_layer("stem_conv1").trainable
