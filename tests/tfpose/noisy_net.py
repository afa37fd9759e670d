"""A pose net that has learned nothing, but whose heatmaps are far from 0."""

import numpy as np

from tfpose.skeletons import get_skeleton
from tfpose.top_down.net import HeatmapNet, build_heatmap_net

__all__ = ["make_noisy_net"]


def make_noisy_net() -> HeatmapNet:
    """Of LSP's joints, with an input of 64 x 64 pixels."""
    info = {
        "skeleton": get_skeleton("lsp14").to_dict(),
        "sigma": 1.0,
        "decoder": "dark",
        "alignment": "half_pixel",
        "flip_shift": 0,
    }
    net = build_heatmap_net("hrnet_tiny", (64, 64), 14, info=info)
    rng = np.random.default_rng(0)
    for weight in net.trainable_weights:
        weight.assign(rng.normal(0, 0.2, weight.shape))
    return net
