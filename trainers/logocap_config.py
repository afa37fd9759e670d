"""Options of LOGO-CAP's training, and presets."""

import dataclasses
from typing import Any

from data_pipelines.multi_person import CrowdAugmentation
from tfpose.backbones.hrnet import HRNet
from tfpose.codecs.centre_targets import CentreCodec
from tfpose.errors import InputError
from tfpose.top_down.net import find_net
from trainers.engine.config import option
from trainers.people import PeopleConfig

__all__ = ["PRESETS", "LogoCapConfig"]

_STRIDE = 4
# So that maps at all strides have whole cells.
_UNIT = 32


@dataclasses.dataclass(frozen=True)
class LogoCapConfig(PeopleConfig):
    """Options of LOGO-CAP's training; the defaults are those of W32 on COCO.

    The released code has lines that are doubtful, or of which the paper says nothing.
    With `released` they are as they are there. Without:

    * Photo, input and map lie on each other exactly (`half_pixel`). In the released
      code a cell is its first pixel, so that what heatmaps say comes out 1.5 pixels to
      the right and below, and the maps of a mirrored photo are 3 pixels off.
    * Where people's offsets meet, the smaller person has the cell. In the released code
      that depends on the order of people and joints.
    * What is outside of the photo is background. In the released code it is ignored, so
      a net may find anything in black bars.
    * People without labelled joints are ignored. In the released code there is a centre
      in the middle of their box besides.
    * A photo of which no pose comes near a person adds nothing. In the released code
      its first pose counts, with weight 0.

    Raises:
        InputError: an impossible value.
    """

    epochs: int = option(140, "Times that every photo is seen.", at_least=1)
    batch_size: int = option(48, "Photos per step, over all replicas.", at_least=1)
    lr_drop_epochs: tuple[int, ...] = option(
        (90, 120),
        "Epochs (from 1) after which the learning rate is divided by 10.",
        at_least=1,
    )
    input_side: int = option(
        512, "Side of the input, pixels; a multiple of 32.", at_least=64
    )
    slots: int = option(
        30, "Most people of a photo, labelled or found.", at_least=1, at_most=200
    )
    feature_filters: int = option(
        64, "Channels of the features around joints.", at_least=1
    )
    offset_filters: int = option(256, "Channels before the offsets.", at_least=1)
    message_filters: tuple[int, ...] = option(
        (512, 256, 128), "Channels of the message passing's layers.", at_least=1
    )
    window_radius: int = option(
        48, "Of the heatmaps' windows around joints, pixels.", at_least=8
    )
    sigma: float = option(2.0, "Keypoints' Gaussians' sigma, cells.", above=0)
    centre_sigma: float = option(4.0, "Centres' Gaussians' sigma, cells.", above=0)
    refined_sigma: float = option(
        4.0, "Sigma of the refined heatmaps' Gaussians, pixels.", above=0
    )
    background: float = option(
        0.1, "Weight of cells where nobody is.", at_least=0, at_most=1
    )
    offset_radius: int = option(
        4, "Half a side of the square of a person's offsets, cells.", at_least=1
    )
    least_area: float = option(
        1024.0, "Smallest person with a centre, square pixels of the photo.", at_least=0
    )
    offset_weight: float = option(0.01, "Of the offsets' loss.", at_least=0)
    attraction_weight: float = option(0.01, "Of the attraction maps' loss.", at_least=0)
    refined_weight: float = option(1.0, "Of the refined heatmaps' loss.", at_least=0)
    rotation: float = option(
        30.0, "Largest rotation, degrees.", at_least=0, at_most=180
    )
    smallest: float = option(
        0.75, "Smallest side that is shown, share of the photo's shorter one.", above=0
    )
    largest: float = option(1.5, "Largest side that is shown, likewise.", above=0)
    shift: float = option(
        0.2, "Largest shift, share of the side that is shown.", at_least=0, at_most=1
    )
    flip: float = option(0.5, "Share of mirrored photos.", at_least=0, at_most=1)
    freeze: tuple[str, ...] = option(
        (), "The backbone's layer groups that do not train, e.g. stem,stage1."
    )
    paste: float = option(
        0.0,
        "Share of photos into which people of others are pasted, by segmentations.",
        at_least=0,
        at_most=1,
    )
    released: bool = option(
        False, "As the released code has it, where that is doubtful."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        found = find_net(self.net)
        if (found["backbone"] is not HRNet or "tokens" in found) and (
            not self._pyramid_filters
        ):
            raise InputError(
                "net: expected an HRNet or one with a feature pyramid, got "
                f"{self.net!r}"
            )
        if self.input_side % _UNIT:
            raise InputError(
                f"input_side: expected a multiple of {_UNIT}, got {self.input_side}"
            )
        if len(self.message_filters) != 3:
            raise InputError(
                f"message_filters: expected three numbers, got {self.message_filters}"
            )
        if self.smallest > self.largest:
            raise InputError(
                f"smallest: expected at most largest, {self.largest}, got "
                f"{self.smallest}"
            )

    @property
    def _pyramid_filters(self) -> int:
        return find_net(self.net).get("head", {}).get("pyramid_filters", 0)

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width), pixels."""
        return self.input_side, self.input_side

    @property
    def adapts(self) -> bool:
        """Whether poses learn to be adapted to the picture.

        With both weights 0 the net is a centre-offset net, and learns faster.
        """
        return self.attraction_weight > 0 or self.refined_weight > 0

    @property
    def architecture(self) -> dict[str, Any]:
        """Arguments of `LogoCapNet`."""
        return {
            "slots": self.slots,
            "pyramid_filters": self._pyramid_filters,
            "feature_filters": self.feature_filters,
            "offset_filters": self.offset_filters,
            "message_filters": self.message_filters,
            "window_radius": self.window_radius,
        }

    def codec(self) -> CentreCodec:
        """What renders the targets."""
        return CentreCodec(
            self.input_size,
            stride=_STRIDE,
            sigma=self.sigma,
            centre_sigma=self.centre_sigma,
            radius=self.offset_radius,
            background=self.background,
            released=self.released,
        )

    @property
    def augmentation(self) -> CrowdAugmentation:
        """What is done to photos."""
        return CrowdAugmentation(
            rotation=self.rotation,
            smallest=self.smallest,
            largest=self.largest,
            shift=self.shift,
            flip=self.flip,
            paste=self.paste,
        )


_SMALL = LogoCapConfig(
    dataset="coco_format",
    net="hrnet_small",
    input_side=192,
    slots=10,
    feature_filters=8,
    offset_filters=64,
    message_filters=(48, 48, 32),
    window_radius=12,
    # The offsets' loss is divided by people's size in pixels, so it is small. After 590
    # steps with weights of 0.01, 0.2 and 1, 0.5, 0.8 and 1.2 poses of a photo were near
    # enough to be refined.
    offset_weight=1.0,
    # With the paper's 0.01 attraction maps have learnt nothing after 2,000 steps: the
    # best place of a joint's map is then worse than where the joint was.
    attraction_weight=1.0,
    centre_sigma=2.0,
    sigma=1.5,
    offset_radius=3,
    least_area=256.0,
    epochs=20,
    batch_size=16,
    lr_drop_epochs=(15, 19),
    epsilon=1e-7,
    rotation=15.0,
    largest=1.2,
    shift=0.1,
)
PRESETS = {
    "paper": LogoCapConfig(),
    "paper_w48": LogoCapConfig(net="hrnet_w48", input_side=640, batch_size=96),
    "released": LogoCapConfig(released=True),
    "small": _SMALL,
    "demo": dataclasses.replace(
        _SMALL,
        dataset="mannequin_crowd",
        net="hrnet_tiny",
        input_side=128,
        slots=8,
        offset_filters=32,
        message_filters=(24, 24, 16),
        window_radius=12,
        epochs=2,
        lr_drop_epochs=(),
    ),
}
"""`paper`: W32 at 512 x 512 on COCO; `paper_w48`: W48 at 640 x 640. `released`: W32
with the released code's doubtful lines. `small`: a small net and input for a few
thousand photos on 2 CPU cores. `demo`: a tiny one on drawn mannequins."""
