"""A small DEKR net."""

from typing import Any

import numpy as np

from tests.tiny_logocap import tiny_backbone
from tfpose.logocap.adaptive import AdaptiveConvolution
from tfpose.logocap.dekr import DekrNet
from tfpose.skeletons import Skeleton, get_skeleton

__all__ = ["tiny_dekr"]


def tiny_dekr(
    slots: int = 6, skeleton: str | Skeleton = "coco17", **choices: Any
) -> DekrNet:
    """With random weights that find something in every slot of most pictures."""
    net = DekrNet(
        skeleton if isinstance(skeleton, Skeleton) else get_skeleton(skeleton),
        tiny_backbone(),
        slots=slots,
        joint_filters=3,
        info={"task": "dekr", "short_side": 64},
        **choices,
    )
    rng = np.random.default_rng(0)
    for layer in net.dense_model.layers:
        if layer is net.backbone:
            continue
        for weight in layer.trainable_weights:
            if weight.name in ("kernel", "bias"):
                spread = np.prod(weight.shape[:-1]) ** -0.5
                weight.assign(rng.normal(0, spread, weight.shape))
    for layer in net.dense_model.layers:
        if isinstance(layer, AdaptiveConvolution):
            # Near a plain convolution.
            layer.matrix.bias.assign([1, 0, 0, 1])
    # Values about 0.7: every local maximum is a centre.
    head = net.dense_model.get_layer("heat_head")
    head.kernel.assign(0.005 * head.kernel)
    head.bias.assign(np.full(head.bias.shape, 0.7))
    return net
