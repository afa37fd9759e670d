"""ISO's networks with new weights, and their weights for the peer in PyTorch."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.iso_floor import Kernels
from tfpose.skeletons import get_skeleton

__all__ = ["export_weights", "make_net", "net_kernels", "net_shape"]


def make_net(name: str, task: str) -> Any:
    """An `ISONet` with new weights and usual limb lengths, joints `h36m16`.

    Args:
        name: of its lifter, or the path of a `.keras` file of one.
        task: of the net.
    """
    import keras

    from tfpose.iso.net import ISONet
    from tfpose.lifters.build import build_lifter
    from tfpose.weights.keras_file import load_keras

    keras.utils.set_random_seed(0)
    if name.endswith(".keras"):
        lifter = load_keras(name)
        lifter = lifter.lifter if isinstance(lifter, ISONet) else lifter
    else:
        lifter = build_lifter(name, get_skeleton("h36m16"))
        lifter.info = {"limb_lengths": {"mean": [0.25] * 15, "std": [0.05] * 15}}
    return ISONet(lifter, task)


def export_weights(net: Any) -> dict[str, np.ndarray]:
    """Arrays of an `ISONet` by part, layer and variable: `head.head.kernel`."""
    parts = {"extractor": net.extractor, "head": net.head}
    parts |= {"ssl_head": net.ssl_head, "prior": net.prior}
    return {
        f"{part}.{layer.name}.{variable.name}": variable.numpy()
        for part, model in parts.items()
        if model is not None
        for layer in model._flatten_layers(include_self=False)
        for variable in layer.weights
    }


def net_shape(net: Any) -> dict[str, Any]:
    """What `PeerISO` must know beside the weights."""
    lengths = net.info["limb_lengths"]
    return {
        "root": net.skeleton.root,
        "parents": net.skeleton.parents,
        "blocks": sum("_add" in layer.name for layer in net.extractor.layers),
        "centred": net.centred,
        "cycle_weight_2d": net.cycle_weight_2d,
        "cycle_weight_3d": net.cycle_weight_3d,
        "distance": net.distance,
        "view_elevation": net.view_elevation,
        **{key: np.float32(lengths[key]) for key in ("mean", "std")},
    }


def net_kernels(weights: Mapping[str, np.ndarray]) -> Kernels:
    """The dense layers' shapes."""

    def of(part: str) -> list[tuple[int, int]]:
        return [
            (int(value.shape[0]), int(value.shape[1]))
            for name, value in weights.items()
            if name.startswith(f"{part}.") and name.endswith(".kernel")
        ]

    return Kernels(of("extractor"), of("head"), of("prior"))
