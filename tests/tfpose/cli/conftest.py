"""A pose net in a file, for commands that need one."""

import numpy as np
import pytest

from tfpose.skeletons import get_skeleton
from tfpose.top_down.net import build_heatmap_net


@pytest.fixture(scope="session")
def pose_net():
    """An untrained net of LSP's joints whose heatmaps are far from 0."""
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


@pytest.fixture(scope="session")
def pose_model(pose_net, tmp_path_factory) -> str:
    """The path of that net's file."""
    path = tmp_path_factory.mktemp("pose_model") / "pose.keras"
    pose_net.save(path)
    return str(path)
