"""MeTTA's net: the bottleneck, masks, backbones, and what the heatmaps depend on."""

import keras
import numpy as np
import pytest

from tfpose.errors import InputError
from tfpose.metta.bottleneck import points_of_maps, render_points
from tfpose.metta.inpainting import fixed_masks, masks_at
from tfpose.metta.net import MeTTANet
from tfpose.top_down.net import build_heatmap_net

RNG = np.random.default_rng(0)
SMALL = {"shrink": 2, "filters": (4, 8, 8), "num_maps": 5, "hidden": 8}


def small_net(backbone: str = "hrnet_tiny", **options) -> MeTTANet:
    return MeTTANet(build_heatmap_net(backbone, (32, 64), 3), **{**SMALL, **options})


def lively(net: MeTTANet) -> MeTTANet:
    """With other weights than the official initial ones, which give next to nothing."""
    for variable in (*net.adapted, *net.pose_head.weights):
        variable.assign(RNG.normal(0, 0.3, variable.shape))
    return net


def features_of(net: MeTTANet, count: int = 2) -> np.ndarray:
    shape = count, *net.extractor.output_shape[1:]
    return RNG.normal(size=shape).astype(np.float32)


def images(count: int = 2) -> np.ndarray:
    return RNG.integers(0, 256, (count, 32, 64, 3)).astype(np.float32)


def test_a_sharp_map_is_its_peaks_cell():
    maps = np.zeros((1, 4, 6, 2), np.float32)
    maps[0, 1, 5, 0] = maps[0, 3, 0, 1] = 50
    points = np.asarray(points_of_maps(maps))
    expected = [[5.5 / 6 - 0.5, 1.5 / 4 - 0.5], [0.5 / 6 - 0.5, 3.5 / 4 - 0.5]]
    np.testing.assert_allclose(points[0], expected, atol=1e-5)
    # Of a flat map, the middle.
    np.testing.assert_allclose(points_of_maps(0 * maps), np.zeros((1, 2, 2)), atol=1e-6)


def test_points_are_the_papers_equation():
    maps = RNG.normal(size=(2, 5, 7, 3)).astype(np.float32)
    powers = np.exp(maps)
    x, y = np.meshgrid(np.arange(7), np.arange(5))
    total = powers.sum(axis=(1, 2))
    for axis, cells, size in ((0, x, 7), (1, y, 5)):
        mean = (powers * cells[None, ..., None]).sum(axis=(1, 2)) / total
        np.testing.assert_allclose(
            points_of_maps(maps)[..., axis], (mean + 0.5) / size - 0.5, atol=1e-5
        )


def test_rendered_points_are_gaussians_of_height_one():
    points = np.array([[[1.5 / 8 - 0.5, 4.5 / 6 - 0.5]]], np.float32)
    found = np.asarray(render_points(points, (6, 8), 1.3))[0, ..., 0]
    x, y = np.meshgrid(np.arange(8), np.arange(6))
    expected = np.exp(-((x - 1) ** 2 + (y - 4) ** 2) / (2 * 1.3**2))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_masks_are_squares_where_bodies_are():
    corners = RNG.uniform(size=(20, 2)).astype(np.float32)
    masks = np.asarray(masks_at(corners, (20, 30), 0.5))[..., 0]
    assert masks.shape == (20, 20, 30) and set(np.unique(masks)) == {0, 1}
    np.testing.assert_array_equal(masks.sum(axis=(1, 2)), 100)
    assert (masks.any(axis=2).sum(axis=1) == 10).all()
    assert not masks[:, :2].any() and not masks[:, :, :3].any()
    assert len({mask.tobytes() for mask in masks}) > 10


@pytest.mark.parametrize("count", (1, 2, 4, 5))
def test_fixed_masks_are_spread_and_differ(count):
    masks = fixed_masks(count, (24, 24), 0.3)
    assert masks.shape == (count, 24, 24, 1)
    assert len({mask.tobytes() for mask in masks}) == count
    if count == 1:
        rows = np.flatnonzero(masks[0, ..., 0].any(axis=1))
        assert abs(rows.mean() - 11.5) <= 0.5


@pytest.mark.parametrize(
    "backbone", ("hrnet_tiny", "resnet18", "tokenpose_t", "tokenpose_l_d6")
)
def test_any_backbone_saves_and_loads(backbone, tmp_path):
    net = small_net(backbone)
    assert net.output_shape == (None, 8, 16, 3)
    assert net.extractor.output_shape[1:3] == (8, 16)
    net.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    given = images()
    np.testing.assert_allclose(loaded(given), net(given), atol=1e-6)
    appearance = net.appearance(net.picture(given), net.fixed_masks)
    points = net.points(net.self_head(net.extractor(given, training=False)))
    found = [np.asarray(n.inpaint(points, appearance, 1)) for n in (net, loaded)]
    np.testing.assert_allclose(*found, atol=1e-6)
    assert found[0].shape == (2, 1, 16, 32, 3)


def test_heatmaps_depend_on_the_image_through_the_self_supervised_head_alone():
    net = lively(small_net())
    features = features_of(net)
    weights = [np.asarray(one) for one in net.adapted]
    plain = np.asarray(net.pose_head(net.self_head.with_weights(features, weights)))
    np.testing.assert_allclose(plain, net.pose_head(net.self_head(features)), atol=1e-6)
    assert plain.std(axis=0).max() > 0
    for row in range(len(weights)):
        moved = [one + (0.5 if row == i else 0) for i, one in enumerate(weights)]
        adapted = net.pose_head(net.self_head.with_weights(features, moved))
        assert np.abs(adapted - plain).max() > 1e-6, net.adapted[row].name
    silent = [0 * one for one in weights]
    heatmaps = np.asarray(net.pose_head(net.self_head.with_weights(features, silent)))
    np.testing.assert_array_equal(heatmaps[0], heatmaps[1])


def test_weights_of_each_image_are_its_own():
    net = small_net()
    features = features_of(net, 3)
    sets = [
        [one + RNG.normal(size=one.shape).astype(np.float32) for one in net.adapted]
        for _ in range(3)
    ]
    together = net.self_head.with_weights(
        features, [np.stack(one) for one in zip(*sets, strict=True)]
    )
    for row, weights in enumerate(sets):
        alone = net.self_head.with_weights(features[row : row + 1], weights)
        np.testing.assert_allclose(together[row], alone[0], rtol=1e-4, atol=1e-4)


def test_only_what_is_missing_counts():
    net = small_net()
    given = images()
    pictures, masks = net.picture(given), net.fixed_masks
    maps = net.self_head(net.extractor(given, training=False))
    appearance = net.appearance(pictures, masks)
    loss = np.asarray(net.auxiliary_losses(maps, appearance, pictures, masks))
    assert loss.shape == (2,) and (loss > 0).all()
    outside = pictures + 0.7 * (1 - masks)
    again = net.auxiliary_losses(maps, appearance, outside, masks)
    np.testing.assert_allclose(again, loss, rtol=1e-6)
    inside = net.auxiliary_losses(maps, appearance, pictures + 0.7 * masks[0], masks)
    assert np.abs(inside - loss).min() > 1e-3
    # What is missing is not seen, either.
    hidden = net.appearance(pictures + 0.7 * masks[0], masks)
    np.testing.assert_allclose(hidden, appearance, atol=1e-5)


def test_without_guidance_the_inpainting_sees_no_keypoints():
    for guided in (True, False):
        net = small_net(pose_guidance=guided)
        appearance = net.appearance(net.picture(images()), net.fixed_masks)
        points = RNG.uniform(-0.5, 0.5, (2, 2, 5, 2)).astype(np.float32)
        found = [np.asarray(net.inpaint(one, appearance, 1)) for one in points]
        assert (np.abs(found[0] - found[1]).max() > 1e-4) == guided


def test_the_picture_is_shrunk_by_means():
    net = small_net()
    given = images()
    means = given.reshape(2, 16, 2, 32, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(net.picture(given), means / 127.5 - 1, atol=1e-5)


def test_sizes_that_cannot_be_inpainted_are_refused():
    with pytest.raises(InputError, match="shrink is 3: an input of 32x64"):
        small_net(shrink=3)
