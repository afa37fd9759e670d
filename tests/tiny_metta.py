"""A MeTTA net that takes no time, and whose features are no constants."""

import keras
import numpy as np

from tfpose.metta.net import MeTTANet
from tfpose.skeletons import get_skeleton
from tfpose.top_down.net import build_heatmap_net

__all__ = ["enliven", "make_tiny_metta"]


def make_tiny_metta(skeleton_name: str = "lsp14") -> MeTTANet:
    """For 32 x 32 pixels; 3 steps, 2 masks."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    skeleton = get_skeleton(skeleton_name)
    base = build_heatmap_net(
        "hrnet_tiny",
        (32, 32),
        skeleton.num_joints,
        info={
            "task": "top_down",
            "skeleton": skeleton.to_dict(),
            "sigma": 1.0,
            "decoder": "dark",
            "alignment": "half_pixel",
            "flip_shift": 0,
        },
    )
    net = MeTTANet(
        base,
        num_maps=6,
        hidden=8,
        shrink=2,
        filters=(4, 8, 8),
        steps=3,
        masks=2,
        # New weights have no peaks: smooth functions are easier to compare.
        temperature=2,
    )
    # The official initial weights give features next to 0.
    for variable in base.trainable_variables:
        if variable.name == "kernel":
            fan_in = np.prod(variable.shape[:-1])
            variable.assign(rng.normal(0, np.sqrt(2 / fan_in), variable.shape))
    enliven(net, rng)
    return net


def enliven(net: MeTTANet, rng: np.random.Generator) -> None:
    """Gives a net of new weights maps of usual size, and heatmaps that are not 0."""
    pixels = rng.integers(0, 256, (8, *net.input_size, 3)).astype(np.float32)
    features = np.asarray(net.extractor(pixels, training=False))
    kernel = net.adapted[0]
    kernel.assign(np.asarray(kernel) / features.std())
    net.pose_head.kernel.assign(rng.normal(0, 0.3, net.pose_head.kernel.shape))
