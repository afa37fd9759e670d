"""The published pose nets by name: what they are built as and how they are used."""

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
        name: of the preset, such as `hrnet_w32_coco_256x192`.
        net: name in `tfpose.top_down.net.NETS`.
        skeleton: name of its joints, `coco17` or `mpii16`.
        input_size: (height, width), pixels.
        parameters: numbers that train.
        multiply_adds: of convolutions, dense layers and attention for one image.
            Those of transposed convolutions are counted where they are done, at their
            input's size; SimpleBaseline's paper counts at their output's, four times
            as many, and divides by 2**30; TokenPose's leaves the attention out.
        sigma: of the targets, heatmap cells.
        alignment: the pixel alignment its weights were trained in, see
            `tfpose.codecs.alignment`.
        decoder: from heatmaps to keypoints, as its authors evaluate.
        flip_shift: cells that the mirrored image's heatmaps are moved by.
        reference: the paper.
        blur_kernel: cells, of the decoder's smoothing; None for what suits `sigma`.
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
        """What a net of this kind carries in its `.keras` file."""
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
    """Of a convolutional net without its head, whose map has `channels`."""

    channels: int
    parameters: int
    multiply_adds: int  # Of an input of 32 x 32 pixels, the coarsest map's one cell.


_COSTS = {
    "hrnet_w32": _Cost(32, 28_535_552, 159_236_096),
    "hrnet_w48": _Cost(48, 63_594_912, 326_860_800),
    "resnet50": _Cost(256, 33_995_328, 112_771_072),
    "resnet101": _Cost(256, 52_987_456, 188_530_688),
    "resnet152": _Cost(256, 68_631_104, 264_290_304),
}
# What is before TokenPose's tokens.
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
        # The originals widen the Gaussian with the input.
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
        # The code is DarkPose's; at sigma 3 too it smooths by 11 cells.
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
and L/D6 at 256 x 256 for MPII. At the other sizes patches grow with the input, so that
there are as many of them, or a few more.
"""

_USUAL = "{}_coco_256x192"


def get_preset(name: str) -> Preset:
    """A preset by name; a net's name alone means COCO's joints at 256 x 192.

    Raises:
        InputError: unknown; names the nearest.
    """
    preset = PRESETS.get(name) or PRESETS.get(_USUAL.format(name))
    if preset is None:
        near = difflib.get_close_matches(name, PRESETS, n=3, cutoff=0.3)
        hint = f"; near it are {', '.join(near)}" if near else ""
        raise InputError(
            f"unknown preset {name!r}{hint}; `python -m tfpose presets` lists all"
        )
    return preset


def build_preset(name: str) -> HeatmapNet:
    """The net of a preset, with its `info`, initialised as for training from scratch.

    Raises:
        InputError: unknown preset.
    """
    preset = get_preset(name)
    joints = get_skeleton(preset.skeleton).num_joints
    return build_heatmap_net(preset.net, preset.input_size, joints, info=preset.info)
