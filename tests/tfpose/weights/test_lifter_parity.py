"""Imported lifters give the positions of PoseAug's own nets.

Needs PoseAug's checkout (TFPOSE_PEERS) and PyTorch; skipped otherwise. With
TFPOSE_PARITY=FILE the differences are also written there, a line of Markdown each.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.peers import import_alone, peer_folder
from tfpose.lifters.graphs import find_neighbours
from tfpose.skeletons import get_skeleton
from tfpose.weights.lifters import LIFTER_PRESETS, build_lifter_preset, import_lifter

# Metres, of bodies that reach one from the root.
TOLERANCE = 1e-5

MODULES = (
    "models_baseline.mlp.linear_model",
    "models_baseline.videopose.model_VideoPose3D",
    "models_baseline.gcn.graph_utils",
    "models_baseline.gcn.sem_gcn",
    "models_baseline.models_st_gcn.st_gcn_single_frame_test",
)
# Layers that make positions.
_LAST = ("w2", "shrink", "gconv_output.W", "gconv_output.bias", "stgcn.fcn")
H36M = get_skeleton("h36m16")


def build_original(name: str) -> Any:
    """PoseAug's own net, as its README trains it."""
    folder = peer_folder("poseaug")
    torch = pytest.importorskip("torch")
    with (
        import_alone(folder, MODULES) as (mlp, videopose, graphs, gcn, st_gcn),
        pytest.MonkeyPatch.context() as patch,
    ):
        # ST-GCN asks for a GPU while it is built and run.
        patch.setattr(torch.Tensor, "cuda", lambda self: self)
        if name == "martinez":
            return mlp.LinearModel(32, 45, num_stage=2, p_dropout=0.25)
        if name == "vpose":
            return videopose.TemporalModelOptimized1f(16, 2, 15, [1] * 5)
        if name == "stgcn":
            return st_gcn.WrapSTGCN(-1)
        edges = [(j, parent) for j, parent in enumerate(H36M.parents) if parent >= 0]
        neighbours = graphs.adj_mx_from_edges(16, edges, sparse=False)
        assert (neighbours.numpy() > 0).tolist() == find_neighbours(
            16, H36M.limbs
        ).tolist()
        return gcn.SemGCN(neighbours, 128, num_layers=4, p_dropout=0.0)


def lift(original: Any, keypoints: np.ndarray) -> np.ndarray:
    """Positions `[B, 16, 3]` less the root's, as PoseAug evaluates them."""
    torch = pytest.importorskip("torch")
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr(torch.Tensor, "cuda", lambda self: self)
        positions = original(torch.from_numpy(keypoints)).numpy()
    return positions - positions[:, :1]


def perturb(original: Any, keypoints: np.ndarray) -> None:
    """Random weights that no initialiser gives, batch statistics included.

    The statistics are near those of `keypoints`; bodies reach a metre from the root.
    """
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    kinds = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)
    norms = [module for module in original.modules() if isinstance(module, kinds)]
    with torch.no_grad():
        for name, weight in original.named_parameters():
            if name.endswith("bias"):
                weight.normal_(0, 0.2, generator=generator)
            elif name.endswith(".e") or weight.ndim == 1:
                weight.uniform_(0.5, 1.5, generator=generator)
            else:
                inputs = weight.shape[1] if name.endswith(".W") else weight[0].numel()
                weight.normal_(0, inputs**-0.5, generator=generator)
            if "theta" in name:
                # Else attention is all on one joint, and rounding decides on which.
                weight /= 16
        for norm in norms:
            norm.momentum = 1
        original.train()
        lift(original, keypoints)
        original.eval()
        for norm in norms:
            mean, variance = norm.running_mean, norm.running_var
            noise = torch.randn(mean.shape, generator=generator)
            mean += 0.2 * noise * variance.sqrt()
            variance *= torch.empty_like(mean).uniform_(0.5, 1.5, generator=generator)
            variance += 1e-3
        extent = np.abs(lift(original, keypoints)).max()
        for name, weight in original.named_parameters():
            if name.startswith(_LAST):
                weight /= float(extent)


@pytest.mark.parametrize("name", LIFTER_PRESETS)
def test_positions_are_the_originals(name: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="the originals need PyTorch")
    original = build_original(name)
    keypoints = np.random.default_rng(0).uniform(-1, 1, (64, 16, 2)).astype(np.float32)
    perturb(original, keypoints)
    path = tmp_path / "ckpt_best.pth.tar"
    state = {"state_dict": original.state_dict(), "epoch": 50, "lr_now": 1e-3}
    torch.save(state | {"step": 7, "error": None}, path)
    net = import_lifter(path, build_lifter_preset(name)).model
    parameters = sum(weight.numel() for weight in original.parameters())
    assert parameters == LIFTER_PRESETS[name].parameters
    expected, found = lift(original, keypoints), np.asarray(net(keypoints))
    largest = np.abs(expected).max()
    assert expected.std() > 0.05 and 0.9 < largest < 1.1
    difference = np.abs(found - expected).max()
    if os.environ.get("TFPOSE_PARITY"):
        with open(os.environ["TFPOSE_PARITY"], "a", encoding="utf-8") as file:
            size = f"{parameters:,} | {largest:.2f} m"
            file.write(f"| {name} | {size} | {difference:.1e} m |\n")
    assert difference < TOLERANCE
