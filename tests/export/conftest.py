"""Small pose nets to export."""

import numpy as np
import pytest

from tfpose.skeletons import get_skeleton
from tfpose.top_down.net import HeatmapNet, build_heatmap_net

INFO = {
    "task": "top_down",
    "skeleton": get_skeleton("lsp14").to_dict(),
    "sigma": 2.0,
    "decoder": "dark",
    "geometry": "half_pixel",
    "flip_shift": 0,
    "epochs": 3,
}


def make_net(name: str = "hrnet_tiny", size=(64, 64), joints: int = 14) -> HeatmapNet:
    """A net of random weights whose heatmaps have clear peaks, as trained ones have."""
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
