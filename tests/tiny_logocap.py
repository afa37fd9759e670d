"""A small LOGO-CAP net, and maps that a trained one would draw of known people."""

from typing import Any

import numpy as np

from tfpose.backbones.hrnet import HRNet
from tfpose.logocap.centre_net import Dense
from tfpose.logocap.net import LogoCapNet
from tfpose.skeletons import get_skeleton

__all__ = ["drawn_dense", "sharpen", "tiny_backbone", "tiny_logocap"]

_SIGMA = 2.0  # Cells, as in training.


def tiny_backbone() -> HRNet:
    """For pictures of any size."""
    return HRNet(
        (None, None, 3),
        width=8,
        stem_filters=8,
        stage_modules=(1, 1, 1),
        blocks_per_branch=1,
        stage1_blocks=1,
        kernel_initializer="he_normal",
        return_all=True,
        name="backbone",
    )


def tiny_logocap(slots: int = 6, **choices: Any) -> LogoCapNet:
    """With random weights that find something in every slot of most pictures."""
    net = LogoCapNet(
        get_skeleton("coco17"),
        tiny_backbone(),
        slots=slots,
        feature_filters=4,
        offset_filters=16,
        message_filters=(16, 16, 8),
        affines=4,
        info={"task": "logocap", "short_side": 64},
        **choices,
    )
    # Values about 0.7: every local maximum is a centre.
    for head in (net.dense_model.get_layer("heat_head"), net.message_passing.head):
        head.kernel.assign(0.05 * head.kernel)
        head.bias.assign(np.full(head.bias.shape, 0.7))
    return net


def sharpen(net: LogoCapNet) -> None:
    """Lets attraction maps be 1 everywhere: heatmaps decide where joints are."""
    head = net.message_passing.head
    head.kernel.assign(np.zeros(head.kernel.shape))
    head.bias.assign(np.ones(head.bias.shape))


def drawn_dense(
    people: np.ndarray, size: tuple[int, int], wrong: np.ndarray | float = 0.0
) -> Dense:
    """Maps of one picture with people `[P, J, 2]`, pixels.

    Args:
        people: whose centres are the means of their joints.
        size: (height, width) of the picture, pixels.
        wrong: `[P, J, 2]`, pixels by which offsets miss the joints.
    """
    height, width = (side // 4 for side in size)
    joints = people.shape[1]
    cells = (people + 0.5) / 4 - 0.5
    centres = cells.mean(axis=1)
    rows, columns = np.mgrid[:height, :width]
    heatmaps = np.zeros((height, width, joints + 1), np.float32)
    offsets = np.zeros((height, width, joints, 2), np.float32)
    for pose, centre, miss in zip(
        cells, centres, np.broadcast_to(wrong, people.shape), strict=True
    ):
        for joint, (x, y) in enumerate([*pose, centre]):
            peak = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * _SIGMA**2))
            heatmaps[..., joint] = np.maximum(heatmaps[..., joint], peak)
        near = np.hypot(columns - centre[0], rows - centre[1]) < 4
        # Pixels over the stride, as centres are read, not cells.
        places = np.stack([columns, rows], axis=-1)[:, :, None] - (pose + miss / 4)
        offsets[near] = places[near]
    features = np.zeros((height, width, 4), np.float32)
    return Dense(heatmaps[None], offsets[None], features[None])
