"""A pose net in a file, for commands that need one."""

import pytest

from tests.tfpose.noisy_net import make_noisy_net
from tfpose.top_down.net import HeatmapNet


@pytest.fixture(scope="session")
def pose_net() -> HeatmapNet:
    """An untrained net of LSP's joints whose heatmaps are far from 0."""
    return make_noisy_net()


@pytest.fixture(scope="session")
def pose_model(pose_net: HeatmapNet, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of that net's file."""
    path = tmp_path_factory.mktemp("pose_model") / "pose.keras"
    pose_net.save(path)
    return str(path)
