"""Options of training a top-down pose net, and the papers' recipes as presets."""

import dataclasses
import re

from data_pipelines.top_down import PoseAugmentation
from tfpose.codecs.alignment import ALIGNMENTS
from tfpose.codecs.heatmap import DECODE_METHODS, HeatmapCodec
from tfpose.top_down.net import find_net
from tfpose.weights.presets import PRESETS as PUBLISHED
from tfpose.weights.presets import Preset
from trainers.engine.config import option
from trainers.people import PeopleConfig

__all__ = ["PRESETS", "TopDownConfig"]


@dataclasses.dataclass(frozen=True)
class TopDownConfig(PeopleConfig):
    """Options of training a pose net; the defaults are HRNet-W32's on COCO.

    But for the pixel alignment: by default it is the project's own, `half_pixel`, with
    Gaussians at unrounded centres and DARK's decoder, which such targets are made for.
    Image, heatmap and mirror image then lie on each other exactly, where `official`
    leaves them up to half a cell apart and rounds targets to cells; with this net on
    COCO, MMPose reports 74.9 AP for `official`, 75.7 with DARK's targets and decoder,
    and 76.2 for `udp`, which is exact as well. Presets named like published weights
    have the alignment, targets and decoder that those were trained with.

    Raises:
        InputError: an impossible value.
    """

    input_height: int = option(
        256, "Input height, pixels; a multiple of 4.", at_least=32
    )
    input_width: int = option(192, "Input width, pixels; a multiple of 4.", at_least=32)
    sigma: float = option(2.0, "Target Gaussians' sigma, heatmap cells.", above=0)
    decoder: str = option("dark", "From heatmaps to keypoints.", choices=DECODE_METHODS)
    alignment: str = option(
        "half_pixel", "How photo, input and heatmap correspond.", choices=ALIGNMENTS
    )
    rounded_targets: bool = option(
        False, "Gaussians about the nearest cell, up to 3 sigma, as HRNet's."
    )
    blur_kernel: int = option(
        0,
        "Cells of the decoder's smoothing, odd; 0 for what suits sigma.",
        at_least=0,
        at_most=31,
    )
    flip_shift: int = option(
        0,
        "Cells that a mirrored heatmap is shifted by; 1 for the official alignment.",
        at_least=0,
        at_most=1,
    )
    flip_test: bool = option(True, "Evaluate the mean of image and mirrored image.")
    label_fraction: float = option(
        1.0, "Share of the labelled images that is used.", above=0, at_most=1
    )
    freeze: tuple[str, ...] = option(
        (), "Layer groups that do not train, e.g. stem,stage1."
    )
    scale: float = option(
        0.35, "Scaling of the region, 1 +- this.", at_least=0, at_most=0.9
    )
    rotation: float = option(
        45.0, "Rotation's deviation, degrees.", at_least=0, at_most=90
    )
    shift: float = option(
        0.0, "Shift of 30 % of the regions, +- sides.", at_least=0, at_most=0.5
    )
    draws: str = option(
        "clipped",
        "Draws of scale, rotation and shift: HRNet's clipped, or MMPose's truncated.",
        choices=("clipped", "truncated"),
    )
    flip: float = option(0.5, "Share of mirrored people.", at_least=0, at_most=1)
    half_body: float = option(0.3, "Share of half-body crops.", at_least=0, at_most=1)
    half_body_centre: str = option(
        "mean",
        "Middle of a half body: its joints' mean, as HRNet's, or their box's.",
        choices=("mean", "box"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        find_net(self.net)
        self.codec()

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width), pixels."""
        return self.input_height, self.input_width

    def codec(self) -> HeatmapCodec:
        """What renders the targets."""
        return HeatmapCodec(
            self.input_size,
            sigma=self.sigma,
            alignment=self.alignment,
            rounded=self.rounded_targets,
            blur_kernel=self.blur_kernel or None,
        )

    @property
    def augmentation(self) -> PoseAugmentation:
        """What is done to the regions."""
        return PoseAugmentation(
            scale=self.scale,
            rotation=self.rotation,
            shift=self.shift,
            draws=self.draws,
            flip_probability=self.flip,
            half_body_probability=self.half_body,
            half_body_centre=self.half_body_centre,
        )


_SMALL = TopDownConfig(
    dataset="coco_format",
    net="hrnet_small",
    input_height=64,
    input_width=64,
    sigma=1.0,
    epochs=20,
    batch_size=32,
    lr_drop_epochs=(16, 19),
    epsilon=1e-7,
    half_body_centre="box",
)
_MMPOSE = TopDownConfig(
    alignment="official",
    rounded_targets=True,
    decoder="msra",
    flip_shift=1,
    batch_size=512,
    learning_rate=5e-4,
    warmup_steps=500,
    scale=0.5,
    rotation=80.0,
    shift=0.16,
    draws="truncated",
    eval_every=10,
)
# What the authors' own settings have in common, by the beginning of a net's name;
# epochs and drops, and on COCO scale, rotation and half bodies.
_AUTHORS = {
    "hrnet": ((210, (170, 200)), (0.35, 45.0, 0.3)),
    "resnet": ((140, (90, 120)), (0.3, 40.0, 0.0)),
    "tokenpose": ((300, (200, 260)), (0.35, 45.0, 0.3)),
}
_ON_MPII = (0.25, 30.0, 0.0)
# People per step on all GPUs, where it is not 128: what fitted into their memory.
_BATCH_SIZES = {
    "hrnet_w48_coco_384x288": 96,
    "tokenpose_s_v2_coco_256x192": 48,
    "tokenpose_l_d6_coco_256x192": 64,
    "tokenpose_l_d6_mpii_256x256": 64,
    "tokenpose_l_d24_coco_256x192": 64,
    "tokenpose_l_d24_coco_384x288": 256,
}


def _published(name: str, preset: Preset) -> TopDownConfig:
    """The training of a published net, by its authors' settings."""
    family = re.split(r"[0-9_]", preset.net)[0]
    (epochs, drops), changes = _AUTHORS[family]
    mpii = preset.skeleton == "mpii16"
    scale, rotation, half_body = _ON_MPII if mpii else changes
    return TopDownConfig(
        dataset="mpii" if mpii else "coco",
        net=preset.net,
        input_height=preset.input_size[0],
        input_width=preset.input_size[1],
        sigma=preset.sigma,
        decoder=preset.decoder,
        alignment=preset.alignment,
        # TokenPose's code is DarkPose's, which does not round.
        rounded_targets=family != "tokenpose",
        blur_kernel=preset.blur_kernel or 0,
        flip_shift=preset.flip_shift,
        epochs=epochs,
        lr_drop_epochs=drops,
        batch_size=_BATCH_SIZES.get(name, 128),
        scale=scale,
        rotation=rotation,
        half_body=half_body,
    )


PRESETS = {
    "paper": TopDownConfig(),
    "small": _SMALL,
    "demo": dataclasses.replace(
        _SMALL, dataset="mannequin", epochs=5, lr_drop_epochs=(4,)
    ),
    "mmpose": _MMPOSE,
    "mmpose_dark": dataclasses.replace(_MMPOSE, rounded_targets=False, decoder="dark"),
    "mmpose_udp": dataclasses.replace(
        _MMPOSE, rounded_targets=False, decoder="udp", alignment="udp", flip_shift=0
    ),
    **{name: _published(name, preset) for name, preset in PUBLISHED.items()},
}
"""`paper`: HRNet-W32 at 256 x 192 on COCO, with exact alignment. `small`: a small net
and input for a few thousand photos on 2 CPU cores. `demo`: the same on drawn
mannequins. `mmpose`, `mmpose_dark`, `mmpose_udp`: MMPose's settings for HRNet-W32. And
one for each published net, by its name in `tfpose.weights.presets`, as its authors
trained it."""
