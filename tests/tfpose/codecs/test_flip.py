"""Flips are exact on cells, and the flip test puts every joint back."""

import numpy as np
import pytest

from tfpose.codecs.flip import flip_images, flip_keypoints, merge, unflip_heatmaps
from tfpose.codecs.heatmap import HeatmapCodec
from tfpose.skeletons import SKELETONS

CODEC = HeatmapCodec((64, 96))


def _keypoints(joints: int) -> np.ndarray:
    uniform = np.random.default_rng(0).uniform(size=(2, joints, 2))
    return (uniform * [95, 63]).astype("float32")


@pytest.mark.parametrize("name", ["coco17", "lsp14", "h36m17"])
def test_encoding_the_flip_is_flipping_the_encoding(name: str) -> None:
    skeleton = SKELETONS[name]
    keypoints = _keypoints(skeleton.num_joints)
    weights = np.ones(keypoints.shape[:2])
    heatmaps = CODEC.encode(keypoints, weights)
    of_flip = CODEC.encode(flip_keypoints(keypoints, 96, skeleton), weights)
    unflipped = unflip_heatmaps(of_flip, skeleton)
    np.testing.assert_allclose(unflipped, heatmaps, atol=1e-5)
    np.testing.assert_allclose(merge(heatmaps, unflipped), heatmaps, atol=1e-5)
    same = unflip_heatmaps(of_flip, skeleton.flip_permutation)
    np.testing.assert_array_equal(same, unflipped)


@pytest.mark.parametrize("method", ["argmax", "quarter", "dark"])
def test_decoding_does_not_prefer_a_side(method: str) -> None:
    skeleton = SKELETONS["coco17"]
    keypoints = _keypoints(17)
    weights = np.ones((2, 17))
    flipped = flip_keypoints(keypoints, 96, skeleton)
    decoded, _ = CODEC.decode(CODEC.encode(keypoints, weights), method)
    mirrored, _ = CODEC.decode(CODEC.encode(flipped, weights), method)
    back = flip_keypoints(mirrored, 96, skeleton)
    np.testing.assert_allclose(back, decoded, atol=2e-3)


def test_images_and_keypoints_flip_together() -> None:
    image = np.zeros((1, 64, 96, 3), "uint8")
    image[0, 10, 20] = 255
    row, column = np.argwhere(np.asarray(flip_images(image))[0, :, :, 0])[0]
    point = np.array([[[20.0, 10.0, 2.0]]])
    np.testing.assert_array_equal(flip_keypoints(point, 96, [0]), [[[column, row, 2]]])


def test_shift_moves_right_and_keeps_the_first_column() -> None:
    heatmaps = np.arange(4.0).reshape(1, 1, 4, 1)
    np.testing.assert_array_equal(
        np.ravel(unflip_heatmaps(heatmaps, [0], shift=1)), [3, 3, 2, 1]
    )
    np.testing.assert_array_equal(
        np.ravel(unflip_heatmaps(heatmaps, [0])), [3, 2, 1, 0]
    )
