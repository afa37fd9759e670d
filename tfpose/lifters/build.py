"""Building of lifters by name."""

import functools
from collections.abc import Callable
from typing import Any

from tfpose.errors import InputError
from tfpose.lifters.iso import ISOLifter
from tfpose.lifters.martinez import Martinez
from tfpose.lifters.net import LiftingNet
from tfpose.lifters.semgcn import SemGCN
from tfpose.lifters.stgcn import STGCN
from tfpose.lifters.vpose import VPose
from tfpose.skeletons import Skeleton

__all__ = ["LIFTERS", "build_lifter"]

LIFTERS: dict[str, Callable[..., LiftingNet]] = {
    "martinez": Martinez,
    "vpose": VPose,
    "semgcn": SemGCN,
    "stgcn": STGCN,
    "iso": ISOLifter,
    # For two CPU cores: a quarter to a sixteenth of the multiply-adds, 0.07 to 0.6 M
    # parameters.
    "martinez_small": functools.partial(Martinez, units=256),
    "vpose_small": functools.partial(VPose, units=256),
    "semgcn_small": functools.partial(SemGCN, channels=64),
    "iso_small": functools.partial(ISOLifter, units=256),
    "stgcn_small": functools.partial(STGCN, channels=32),
}


def build_lifter(
    name: str,
    skeleton: Skeleton,
    *,
    info: dict[str, Any] | None = None,
    dtype: Any = None,
    dropout: float | None = None,
    centred: bool = False,
) -> LiftingNet:
    """Builds a lifter with initial weights.

    Args:
        name: str. A key of `LIFTERS`.
        skeleton: skeleton of the keypoints and positions.
        info: dict. See `LiftingNet`.
        dtype: Keras dtype policy. Defaults to the global one.
        dropout: dropout rate of every layer, in [0, 1). Defaults to the lifter's rate.
        centred: whether its first layer centres keypoints on the root and scales them
            to size 1.

    Raises:
        InputError: the name is unknown, `dropout` is not in [0, 1), or the skeleton
            does not have what the lifter needs.
    """
    if name not in LIFTERS:
        names = ", ".join(LIFTERS)
        raise InputError(f"unknown lifter {name!r}; expected one of {names}")
    return LIFTERS[name](
        skeleton, dropout=dropout, centred=centred, info=info, dtype=dtype
    )
