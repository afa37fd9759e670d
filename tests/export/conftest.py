"""Small pose nets to export."""

import keras
import numpy as np
import pytest

from tfpose.skeletons import Skeleton, get_skeleton
from tfpose.top_down.net import IMAGE_MEAN, IMAGE_STD, HeatmapNet, build_heatmap_net

INFO = {
    "task": "top_down",
    "skeleton": get_skeleton("lsp14").to_dict(),
    "sigma": 2.0,
    "decoder": "dark",
    "alignment": "half_pixel",
    "flip_shift": 0,
    "epochs": 3,
}
DOTS_SIZE = (64, 48)


@keras.saving.register_keras_serializable(package="tests")
class Averages(keras.Model):
    """Colour channels, averaged over 4 x 4 pixels by a convolution."""

    stride = 4

    def __init__(self, **kwargs):
        inputs = keras.Input((*DOTS_SIZE, 3))
        layer = keras.layers.Conv2D(3, 4, strides=4, name="average")
        super().__init__(inputs, layer(inputs), **kwargs)
        kernel = np.zeros((4, 4, 3, 3))
        kernel[:, :, range(3), range(3)] = 1 / 16
        layer.set_weights([kernel, np.zeros(3)])


def make_net(name: str = "hrnet_tiny", size=(64, 64), joints: int = 14) -> HeatmapNet:
    """A net of random weights that keep the scale of what they get."""
    net = build_heatmap_net(name, size, joints, info=INFO)
    rng = np.random.default_rng(0)
    for weight in net.trainable_weights:
        if len(weight.shape) > 1:
            fan_in = np.prod(weight.shape[:-1])
            weight.assign(rng.normal(0, fan_in**-0.5, weight.shape))
    return net


@pytest.fixture(scope="session")
def tiny_net() -> HeatmapNet:
    """An hrnet_tiny for 64 x 64 pixels and the 14 joints of LSP."""
    return make_net()


@pytest.fixture(scope="session")
def dots_net() -> HeatmapNet:
    """A net that finds soft red, green and blue dots; its input is DOTS_SIZE."""
    skeleton = Skeleton("three", ("head", "left_hand", "right_hand"))
    info = {**INFO, "skeleton": skeleton.to_dict()}
    net = HeatmapNet(Averages(name="backbone"), 3, info=info)
    # Back from normalised to brightness 0..1.
    net.get_layer("head").set_weights(
        [np.diag(IMAGE_STD)[None, None], np.array(IMAGE_MEAN)]
    )
    return net


def dots_picture(points: np.ndarray, size=DOTS_SIZE, radius: float = 8) -> np.ndarray:
    """uint8 `[H, W, 3]` with a soft red, a green and a blue dot at `[3, 2]` (x, y)."""
    y, x = np.mgrid[: size[0], : size[1]]
    channels = [
        np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * radius**2)) for px, py in points
    ]
    return (255 * np.stack(channels, -1)).round().astype(np.uint8)


def dots_pictures(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 `[N, H, W, 3]` and where their dots are `[N, 3, 2]`."""
    rng = np.random.default_rng(seed)
    height, width = DOTS_SIZE
    points = rng.uniform([8, 8], [width - 9, height - 9], (count, 3, 2))
    return np.stack([dots_picture(places) for places in points]), points
