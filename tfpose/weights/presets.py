"""The published pose nets by name: how they are built and evaluated."""

import dataclasses
import difflib
from typing import Any

from tfpose.errors import InputError
from tfpose.skeletons import get_skeleton
from tfpose.top_down.net import HeatmapNet, build_heatmap_net, find_net
from tfpose.top_down.tokens import TokenHead

__all__ = ["PRESETS", "Preset", "build_preset", "get_preset"]


@dataclasses.dataclass(frozen=True)
class Preset:
    """One published net for one set of joints and one input size.

    Attributes:
        name: name of the preset, such as `hrnet_w32_coco_256x192`.
        net: name in `tfpose.top_down.net.NETS`.
        skeleton: name of its skeleton, `coco17` or `mpii16`.
        input_size: (height, width), pixels.
        parameters: number of trainable parameters.
        multiply_adds: multiply-adds of convolutions, dense layers and attention for one
            image. Transposed convolutions are counted at the size of their input;
            SimpleBaseline's paper counts them at the size of their output, four times
            as many, and divides by 2**30; TokenPose's paper does not count attention.
        sigma: standard deviation of the targets, heatmap cells.
        alignment: the pixel alignment its weights were trained with, see
            `tfpose.codecs.alignment`.
        decoder: method from heatmaps to keypoints in the authors' evaluation.
        flip_shift: cells by which the mirrored image's heatmaps are shifted.
        reference: the paper.
        blur_kernel: size of the decoder's smoothing kernel, cells; None to choose it
            from `sigma`.
    """

    name: str
    net: str
    skeleton: str
    input_size: tuple[int, int]
    parameters: int
    multiply_adds: int
    sigma: float
    alignment: str
    decoder: str
    flip_shift: int
    reference: str
    blur_kernel: int | None = None

    @property
    def info(self) -> dict[str, Any]:
        """The `info` of the preset's net in its `.keras` file."""
        info: dict[str, Any] = {
            "task": "top_down",
            "preset": self.name,
            "skeleton": get_skeleton(self.skeleton).to_dict(),
            "sigma": self.sigma,
            "alignment": self.alignment,
            "decoder": self.decoder,
            "flip_shift": self.flip_shift,
        }
        if self.blur_kernel is not None:
            info["blur_kernel"] = self.blur_kernel
        return info


@dataclasses.dataclass(frozen=True)
class _Cost:
    """Cost of a convolutional net without its head, whose map has `channels`."""

    channels: int
    parameters: int
    multiply_adds: int  # For an input of 32 x 32 pixels, one cell of the coarsest map.


_COSTS = {
    "hrnet_w32": _Cost(32, 28_535_552, 159_236_096),
    "hrnet_w48": _Cost(48, 63_594_912, 326_860_800),
    "resnet50": _Cost(256, 33_995_328, 112_771_072),
    "resnet101": _Cost(256, 52_987_456, 188_530_688),
    "resnet152": _Cost(256, 68_631_104, 264_290_304),
}
# Cost of TokenPose's layers before the tokens.
_TOKEN_COSTS = {
    "tokenpose_t": _Cost(3, 0, 0),
    "tokenpose_s_v1": _Cost(256, 325_056, 20_889_600),
    "tokenpose_s_v2": _Cost(256, 325_056, 20_889_600),
    "tokenpose_b": _Cost(32, 7_685_632, 97_599_488),
    "tokenpose_l_d6": _Cost(48, 16_705_824, 188_178_432),
    "tokenpose_l_d24": _Cost(48, 16_705_824, 188_178_432),
}
_REFERENCES = {
    "hrnet": "Sun et al., CVPR 2019, arXiv:1902.09212",
    "resnet": "Xiao et al., ECCV 2018, arXiv:1804.06208",
    "tokenpose": "Li et al., ICCV 2021, arXiv:2104.03516",
}
_SKELETONS = {"coco": "coco17", "mpii": "mpii16"}
_SIZES = ((256, 192), (256, 256), (384, 288))


def _convolutional(
    net: str, data: str, size: tuple[int, int], family: str, cost: _Cost
) -> Preset:
    joints = get_skeleton(_SKELETONS[data]).num_joints
    pixels = size[0] * size[1]
    return Preset(
        name=f"{net}_{data}_{size[0]}x{size[1]}",
        net=net,
        skeleton=_SKELETONS[data],
        input_size=size,
        parameters=cost.parameters + (cost.channels + 1) * joints,
        multiply_adds=cost.multiply_adds * pixels // 32**2
        + cost.channels * joints * pixels // 4**2,
        # The original code has a wider Gaussian for the larger input.
        sigma=3.0 if size[0] == 384 else 2.0,
        alignment="official",
        decoder="quarter",
        flip_shift=1,
        reference=_REFERENCES[family],
    )


def _tokens(net: str, data: str, size: tuple[int, int], cost: _Cost) -> Preset:
    joints = get_skeleton(_SKELETONS[data]).num_joints
    pixels = size[0] * size[1]
    config = find_net(net)
    stride = config["backbone"].stride
    head = TokenHead.for_input(size, stride, **config["tokens"])
    map_shape = (size[0] // stride, size[1] // stride, cost.channels)
    parameters, multiply_adds = head.cost(map_shape, pixels // 4**2, joints)
    return Preset(
        name=f"{net}_{data}_{size[0]}x{size[1]}",
        net=net,
        skeleton=_SKELETONS[data],
        input_size=size,
        parameters=cost.parameters + parameters,
        multiply_adds=cost.multiply_adds * pixels // 32**2 + multiply_adds,
        sigma=3.0 if size[0] == 384 else 2.0,
        # TokenPose's code is based on DarkPose's; it smooths by 11 cells at sigma 3,
        # too.
        alignment="tokenpose",
        decoder="dark",
        flip_shift=0,
        reference=_REFERENCES["tokenpose"],
        blur_kernel=11,
    )


def _presets(data: str, size: tuple[int, int]) -> list[Preset]:
    convolutional = [
        _convolutional(net, data, size, family, cost)
        for net, cost in _COSTS.items()
        for family in _REFERENCES
        if net.startswith(family)
    ]
    return convolutional + [
        _tokens(net, data, size, cost) for net, cost in _TOKEN_COSTS.items()
    ]


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for data in _SKELETONS
    for size in _SIZES
    for preset in _presets(data, size)
}
"""HRNet, SimpleBaseline (`resnet*`) and TokenPose for COCO's and MPII's joints.

TokenPose's authors published S, B, L and T at 256 x 192 for COCO, L/D24 at 384 x 288
and L/D6 at 256 x 256 for MPII. At other sizes the patches are scaled with the input, so
that their number is the same or slightly larger.
"""

_DEFAULT = "{}_coco_256x192"


def get_preset(name: str) -> Preset:
    """A preset by name; a net's name alone means COCO's joints at 256 x 192.

    Raises:
        InputError: the name is unknown; the message has the nearest names.
    """
    preset = PRESETS.get(name) or PRESETS.get(_DEFAULT.format(name))
    if preset is None:
        near = difflib.get_close_matches(name, PRESETS, n=3, cutoff=0.3)
        hint = f"; near it are {', '.join(near)}" if near else ""
        raise InputError(
            f"unknown preset {name!r}{hint}; `python -m tfpose presets` lists all"
        )
    return preset


def build_preset(name: str) -> HeatmapNet:
    """Builds the net of a preset, with its `info` and initial weights.

    Raises:
        InputError: the preset is unknown.
    """
    preset = get_preset(name)
    joints = get_skeleton(preset.skeleton).num_joints
    return build_heatmap_net(preset.net, preset.input_size, joints, info=preset.info)
