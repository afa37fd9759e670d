"""A feature pyramid: a backbone's maps at all strides as one."""

from collections.abc import Mapping
from typing import Any

from tfpose.backbones.blocks import Blocks
from tfpose.errors import InputError

__all__ = ["merge_pyramid"]


def merge_pyramid(blocks: Blocks, maps: Mapping[str, Any] | Any, filters: int) -> Any:
    """Maps at all strides as one map `[B, h, w, filters]` at the finest one's stride.

    Each is brought to so many channels by a 1x1 convolution. From the coarsest on, maps
    are enlarged and added to the next finer one, with a 3x3 convolution after each sum.
    Layers are `pyramid<n>_*` for map "P<n>".

    Args:
        blocks: makes the layers.
        maps: Keras tensors by name, as a `Backbone` with `return_all` gives them.
        filters: int.

    Raises:
        InputError: `maps` are not several.

    Reference: Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017
    (arXiv:1612.03144).
    """
    if not isinstance(maps, Mapping) or "P2" not in maps:
        raise InputError(
            "pyramid_filters: expected a backbone that returns all of its maps"
        )
    merged: Any = None
    for stage in sorted(maps, reverse=True):
        prefix = f"pyramid{stage[1:]}"
        x = blocks.conv_norm(maps[stage], filters, 1, name=prefix, index=1)
        if merged is None:
            merged = x
            continue
        merged = blocks.nearest(merged, x, 2, f"{prefix}_resize")
        merged = blocks.add([merged, x], f"{prefix}_add")
        merged = blocks.conv_norm(merged, filters, 3, name=prefix, index=2)
    return merged
