"""Imported weights draw the originals' heatmaps.

Needs the originals' checkouts (TFPOSE_PEERS) and PyTorch; skipped otherwise. With
TFPOSE_PARITY=FILE the differences are also written there, a line of Markdown each.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tfpose.weights.originals import (
    build_mmpose,
    build_original,
    draw,
    perturb,
)
from tfpose.skeletons import get_skeleton
from tfpose.weights.official import import_weights
from tfpose.weights.presets import PRESETS, build_preset

# Of the largest value of the originals' heatmaps.
TOLERANCE = 1e-4

CONVOLUTIONAL = ("hrnet_w32", "hrnet_w48", "resnet50", "resnet101", "resnet152")


def pixels(size: tuple[int, int]) -> np.ndarray:
    """Something between noise and a picture, `[1, H, W, 3]` RGB 0..255."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (1, -(-size[0] // 16), -(-size[1] // 16), 3))
    smooth = coarse.repeat(16, axis=1).repeat(16, axis=2)[:, : size[0], : size[1]]
    noise = rng.uniform(-30, 30, (1, *size, 3))
    return (smooth + noise).clip(0, 255).astype(np.float32)


def save(value: Any, folder: Path, new: bool = True) -> Path:
    """Writes a checkpoint in the newer or the older format."""
    torch = pytest.importorskip("torch")

    path = folder / "weights.pth"
    torch.save(value, path, _use_new_zipfile_serialization=new)
    return path


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
@pytest.mark.parametrize("name", PRESETS)
def test_heatmaps_are_the_originals(name, tmp_path):
    preset, ours = PRESETS[name], build_preset(name)
    original = build_original(
        preset.net,
        get_skeleton(preset.skeleton).num_joints,
        preset.input_size,
        ours.token_head and ours.token_head.patch_size,
    )
    images = pixels(preset.input_size)
    perturb(original, images)
    # Old and new files in turn.
    path = save(original.state_dict(), tmp_path, new=preset.skeleton == "coco17")
    expected = draw(original, images, bgr=name.startswith("resnet"))
    del original
    found = import_weights(path, ours).model(images, training=False)
    compare(name, expected, np.asarray(found))


@pytest.mark.slow
@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_heatmaps_are_those_of_mmpose(name, tmp_path):
    original = build_mmpose(name)
    images = pixels((256, 192))
    perturb(original, images)
    path = save({"meta": {}, "state_dict": original.state_dict()}, tmp_path)
    expected = draw(original, images)
    del original
    found = import_weights(path, build_preset(name)).model(images, training=False)
    compare(f"{name}_coco_256x192, MMPose", expected, np.asarray(found))
