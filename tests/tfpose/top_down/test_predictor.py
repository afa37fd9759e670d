"""From photos to keypoints, with nets whose heatmaps are known."""

import keras
import numpy as np
import pytest
from keras import ops

from tfpose.backbones.base import Backbone
from tfpose.codecs.alignment import ALIGNMENTS
from tfpose.codecs.heatmap import HeatmapCodec
from tfpose.errors import InputError
from tfpose.skeletons import Skeleton, get_skeleton
from tfpose.top_down.crop import (
    box_regions,
    invert_matrices,
    region_matrices,
    transform_points,
)
from tfpose.top_down.net import HeatmapNet, build_heatmap_net
from tfpose.top_down.predictor import TopDownPredictor

SIZE = (64, 48)
# One joint in the middle, and a pair.
SKELETON = Skeleton("three", ("head", "left_hand", "right_hand"))
INFO = {
    "skeleton": SKELETON.to_dict(),
    "sigma": 1.5,
    "decoder": "dark",
    "alignment": "half_pixel",
    "flip_shift": 0,
}


@keras.saving.register_keras_serializable(package="tests")
class Averages(Backbone):
    """Colour channels, averaged over 4 x 4 pixels, as a net's features."""

    stride = 4

    def __init__(self, **kwargs):
        inputs = keras.Input((*SIZE, 3))
        maps = {"P2": keras.layers.AveragePooling2D(4)(inputs)}
        super().__init__(inputs, maps, keras.dtype_policies.get("float32"), **kwargs)


def _colour_net(order):
    """Heatmap j is the brightness of colour channel `order[j]`, in 0..1."""
    net = HeatmapNet(Averages(name="backbone"), 3, info=INFO)
    kernel, bias = np.zeros((1, 1, 3, 3)), np.zeros(3)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    for joint, channel in enumerate(order):
        kernel[0, 0, channel, joint] = std[channel]
        bias[joint] = mean[channel]
    net.get_layer("head").set_weights([kernel, bias])
    return net


def _photo(size, points, radius):
    """A soft dot of one colour channel for each point."""
    y, x = np.mgrid[: size[0], : size[1]]
    channels = [
        np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * radius**2)) for px, py in points
    ]
    return (255 * np.stack(channels, -1)).round().astype(np.uint8)


def test_keypoints_come_back_into_the_photo():
    points = np.array([[150.3, 80.8], [118.2, 160.1], [190.7, 140.4]])
    photo = _photo((300, 320), points, radius=18)
    boxes = [[90, 40, 130, 170], [60, 20, 180, 200]]
    predictor = TopDownPredictor(_colour_net((0, 1, 2)), flip_test=False)
    people = predictor.predict(photo, boxes)
    keypoints, scores = people.keypoints, people.joint_scores
    assert keypoints.shape == (2, 3, 2) and keypoints.dtype == np.float64
    assert scores.shape == (2, 3) and scores.dtype == np.float32
    # A heatmap cell is 13 to 19 pixels of the photo.
    assert np.abs(keypoints - points).max() < 1.0
    # Averages over 4 x 4 pixels flatten the dots.
    assert scores.min() > 0.7 and scores.max() <= 1.001
    assert np.array_equal(people.boxes, boxes)
    assert np.allclose(people.person_scores, scores.mean(axis=1))
    assert np.array_equal(people.poses[..., :2], keypoints)
    assert np.array_equal(people.poses[..., 2], scores)


def test_people_are_independent_of_the_batch():
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (200, 200, 3), dtype=np.uint8)
    boxes = np.concatenate([rng.uniform(0, 100, (7, 2)), np.full((7, 2), 80.0)], -1)
    net = _colour_net((0, 1, 2))
    together = TopDownPredictor(net).predict(photo, boxes)
    apart = TopDownPredictor(net, batch_size=3).predict(photo, boxes)
    assert np.allclose(together.keypoints, apart.keypoints, atol=1e-3)
    assert np.allclose(together.joint_scores, apart.joint_scores, atol=1e-5)


def test_without_boxes_the_photo_is_the_person():
    photo = _photo((90, 80), [[40, 30], [20, 50], [60, 50]], radius=6)
    predictor = TopDownPredictor(_colour_net((0, 1, 2)))
    whole, unsaid = predictor.predict(photo, [[0, 0, 80, 90]]), predictor.predict(photo)
    assert np.array_equal(unsaid.keypoints, whole.keypoints)
    assert np.array_equal(unsaid.boxes, whole.boxes)
    nobody = predictor.predict(photo, np.zeros((0, 4)))
    assert nobody.keypoints.shape == (0, 3, 2) and len(nobody) == 0


def test_flip_test_is_the_mean_of_both_sides():
    """With the flip test, a photo and its mirror image have mirrored heatmaps."""
    rng = np.random.default_rng(1)
    net = build_heatmap_net("hrnet_tiny", SIZE, 3, info=INFO)
    for weight in net.trainable_weights:
        weight.assign(rng.normal(0, 0.3, weight.shape))
    images = rng.uniform(0, 255, (2, *SIZE, 3)).astype(np.float32)
    plain, tested = TopDownPredictor(net, flip_test=False), TopDownPredictor(net)
    mirror = images[:, :, ::-1]
    swap = [0, 2, 1]
    back = np.asarray(plain.heatmaps(mirror))[:, :, ::-1][..., swap]
    direct = np.asarray(plain.heatmaps(images))
    # Such a net is far from symmetric by itself.
    assert np.abs(back - direct).mean() > 0.05 * np.abs(direct).mean()
    merged = np.asarray(tested.heatmaps(images))
    scale = np.abs(merged).max()
    assert np.abs(merged - (back + direct) / 2).max() < 1e-5 * scale
    mirrored = np.asarray(tested.heatmaps(mirror))[:, :, ::-1][..., swap]
    assert np.abs(mirrored - merged).max() < 1e-5 * scale


def test_symmetric_net_loses_nothing_by_the_flip_test():
    points = np.array([[24.3, 12.2], [12.6, 40.3], [35.2, 33.7]])
    images = _photo(SIZE, points, radius=6)[None]

    class Mirrored(HeatmapNet):
        """Knows left from right: its answers for mirror images are mirrored."""

        def call(self, inputs, training=None, mask=None):
            left = ops.sum(inputs[:, :, : SIZE[1] // 2, 1])
            right = ops.sum(inputs[:, :, SIZE[1] // 2 :, 1])
            heatmaps = super().call(inputs)
            swapped = ops.take(heatmaps, [0, 2, 1], axis=-1)
            return ops.where(left > right, heatmaps, swapped)

    net = _colour_net((0, 1, 2))
    net.__class__ = Mirrored
    plain, _ = TopDownPredictor(net, flip_test=False).locate(images)
    tested, _ = TopDownPredictor(net).locate(images)
    assert np.abs(np.asarray(plain) - points).max() < 0.5
    assert np.abs(np.asarray(plain) - np.asarray(tested)).max() < 1e-3


def test_info_decides_on_codec_and_decoder():
    net = _colour_net((0, 1, 2))
    images = _photo(SIZE, [[25, 13], [12, 40], [35, 33]], radius=6)[None]
    net.info = {**INFO, "decoder": "argmax", "sigma": 3.0}
    predictor = TopDownPredictor(net, flip_test=False)
    assert predictor.codec == HeatmapCodec(SIZE, 4, 3.0)
    net.info = {**INFO, "alignment": "tokenpose", "blur_kernel": 9}
    codec = TopDownPredictor(net).codec
    assert codec == HeatmapCodec(SIZE, 4, 1.5, "tokenpose", blur_kernel=9)
    net.info = {**INFO, "decoder": "argmax", "sigma": 3.0}
    assert predictor.skeleton == SKELETON
    cells = (np.asarray(predictor.locate(images)[0]) + 0.5) / 4 - 0.5
    assert np.allclose(cells, cells.round())


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_crop_and_codec_are_of_one_alignment(alignment):
    points = np.array([[150.3, 80.8], [118.2, 160.1], [190.7, 140.4]])
    photo, box = _photo((300, 320), points, radius=18), [[60, 20, 180, 200]]
    predictor = TopDownPredictor(
        _colour_net((0, 1, 2)), flip_test=False, alignment=alignment
    )
    keypoints = predictor.predict(photo, box).keypoints
    centres, sizes = box_regions(box, SIZE, alignment=alignment)
    matrix = region_matrices(centres, sizes, SIZE, alignment=alignment)[0]
    # This net's cells are means of 4 x 4 pixels, whatever the alignment takes them for.
    cells = (transform_points(matrix, points) + 0.5) / 4 - 0.5
    read = HeatmapCodec(SIZE, alignment=alignment).to_pixels(cells)
    expected = transform_points(invert_matrices(matrix), read)
    assert np.abs(keypoints[0] - expected).max() < 1
    if alignment == "official":
        # Cell c read as 4 c is 1.5 px of the input too low: 225 / 48 px each.
        assert np.abs(expected - (points - 1.5 * 225 / 48)).max() < 1e-6


def test_flip_shift_moves_the_mirrored_heatmaps_one_cell():
    net = _colour_net((0, 1, 2))
    images = _photo(SIZE, [[25, 13], [12, 40], [35, 33]], radius=6)[None]
    direct = np.asarray(TopDownPredictor(net, flip_test=False).heatmaps(images))
    both = [
        np.asarray(TopDownPredictor(net, flip_shift=s).heatmaps(images)) for s in (0, 1)
    ]
    flipped = 2 * both[0] - direct
    shifted = np.concatenate([flipped[:, :, :1], flipped[:, :, :-1]], axis=2)
    assert np.abs(both[1] - (direct + shifted) / 2).max() < 1e-5
    net.info = {**INFO, "flip_shift": 1}
    assert np.array_equal(TopDownPredictor(net).heatmaps(images), both[1])


def test_choices_override_the_info_and_are_checked():
    net = _colour_net((0, 1, 2))
    predictor = TopDownPredictor(net, alignment="udp", decoder="udp", flip_shift=1)
    assert predictor.codec.alignment == "udp" and not predictor.antialias
    assert (predictor.decoder, predictor.flip_shift) == ("udp", 1)
    for choice, message in (
        ({"alignment": "biased"}, "alignment is 'biased'"),
        ({"decoder": "Dark"}, "decoder is 'Dark'"),
        ({"flip_shift": 2}, "flip_shift is 2"),
    ):
        with pytest.raises(InputError, match=message):
            TopDownPredictor(net, **choice)


def test_a_net_that_does_not_tell_its_alignment_is_refused():
    net = _colour_net((0, 1, 2))
    net.info = {k: INFO[k] for k in ("skeleton", "sigma", "decoder")}
    with pytest.raises(InputError, match="has no alignment and no flip_shift"):
        TopDownPredictor(net)


@pytest.mark.parametrize(
    "box",
    [
        [0, 0, 0, 10],
        [0, 0, 10, -1],
        [0, 0, np.inf, 10],
        [np.nan, 0, 1, 1],
        [80, 0, 5, 5],
        [-9, 0, 9, 5],
        [0, 90, 5, 5],
    ],
)
def test_boxes_that_hold_nothing_are_refused(box):
    photo = np.zeros((90, 80, 3), np.uint8)
    predictor = TopDownPredictor(_colour_net((0, 1, 2)))
    with pytest.raises(
        InputError, match="box: expected .* of 80 x 90 px, got"
    ) as error:
        predictor.predict(photo, [[0, 0, 10, 10], box])
    assert "\n" not in str(error.value)
    predictor.predict(photo, [[-5, -5, 10, 10], [75, 85, 50, 50]])


def test_what_is_no_photo_is_refused():
    predictor = TopDownPredictor(_colour_net((0, 1, 2)))
    for image in (np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3), np.float32)):
        with pytest.raises(InputError, match="image: expected uint8"):
            predictor.predict(image)


def test_a_net_of_another_task_is_refused():
    jigsaw = build_heatmap_net("hrnet_tiny", (64, 64), 9, info={"task": "hsjp"})
    with pytest.raises(InputError, match="'hsjp'.*trainers.top_down"):
        TopDownPredictor(jigsaw)
    with pytest.raises(InputError, match="expected a pose net"):
        TopDownPredictor(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]))


def test_a_saved_net_predicts_the_same(tmp_path):
    info = {**INFO, "skeleton": get_skeleton("lsp14").to_dict()}
    net = build_heatmap_net("hrnet_tiny", (64, 64), 14, info=info)
    net.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    photo = np.random.default_rng(0).integers(0, 256, (80, 70, 3), dtype=np.uint8)
    first, second = (TopDownPredictor(one).predict(photo) for one in (net, loaded))
    assert np.allclose(first.poses, second.poses, atol=1e-4)
