"""Imported weights draw the originals' heatmaps.

Needs the originals' checkouts (TFPOSE_PEERS) and PyTorch; skipped otherwise. With
TFPOSE_PARITY=FILE the differences are also written there, a line of Markdown each.
"""

import os

import numpy as np
import pytest

from tests.tfpose.weights.originals import (
    build_mmpose,
    build_original,
    draw,
    perturb,
)
from tfpose.skeletons import get_skeleton
from tfpose.top_down.net import build_heatmap_net
from tfpose.weights.official import import_weights

# Of the largest value of the originals' heatmaps.
TOLERANCE = 1e-4

SIZES = [("coco17", (256, 192)), ("coco17", (384, 288)), ("mpii16", (256, 256))]
NETS = ["hrnet_w32", "hrnet_w48", "resnet50", "resnet101", "resnet152"]


def pixels(size: tuple[int, int]) -> np.ndarray:
    """Something between noise and a picture, `[1, H, W, 3]` RGB 0..255."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (1, -(-size[0] // 16), -(-size[1] // 16), 3))
    smooth = coarse.repeat(16, axis=1).repeat(16, axis=2)[:, : size[0], : size[1]]
    noise = rng.uniform(-30, 30, (1, *size, 3))
    return (smooth + noise).clip(0, 255).astype(np.float32)


def compare(label: str, expected: np.ndarray, found: np.ndarray) -> None:
    assert found.shape == expected.shape
    largest = np.abs(expected).max()
    assert np.isfinite(largest) and expected.std() > 1e-3 * largest
    difference = np.abs(found - expected).max() / largest
    if os.environ.get("TFPOSE_PARITY"):
        with open(os.environ["TFPOSE_PARITY"], "a", encoding="utf-8") as file:
            file.write(f"| {label} | {largest:.3g} | {difference:.1e} |\n")
    assert difference < TOLERANCE, label


@pytest.mark.slow
@pytest.mark.parametrize("skeleton,size", SIZES)
@pytest.mark.parametrize("name", NETS)
def test_heatmaps_are_the_originals(name, skeleton, size, tmp_path):
    import torch

    joints = get_skeleton(skeleton).num_joints
    original = build_original(name, joints, size)
    images = pixels(size)
    perturb(original, images)
    path = tmp_path / "weights.pth"
    # Old and new files in turn.
    new = skeleton == "coco17"
    torch.save(original.state_dict(), path, _use_new_zipfile_serialization=new)
    expected = draw(original, images, bgr=name.startswith("resnet"))
    del original
    net = build_heatmap_net(name, size, joints)
    found = import_weights(path, net).model(images, training=False)
    label = f"{name} {skeleton} {size[0]}x{size[1]}"
    compare(label, expected, np.asarray(found))


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_heatmaps_are_those_of_mmpose(name, tmp_path):
    import torch

    original = build_mmpose(name)
    images = pixels((256, 192))
    perturb(original, images)
    path = tmp_path / "weights.pth"
    torch.save({"meta": {}, "state_dict": original.state_dict()}, path)
    expected = draw(original, images)
    del original
    net = build_heatmap_net(name, (256, 192), 17)
    found = import_weights(path, net).model(images, training=False)
    compare(f"MMPose {name} coco17 256x192", expected, np.asarray(found))
