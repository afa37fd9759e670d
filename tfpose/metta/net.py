"""MeTTA's network: heatmaps that one image's self-supervised keypoints decide."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from tfpose.backbones.blocks import NearestResize, official_initializer
from tfpose.errors import InputError
from tfpose.metta.bottleneck import points_of_maps, render_points
from tfpose.metta.inpainting import (
    fixed_masks,
    inpainting_decoder,
    inpainting_encoder,
)
from tfpose.metta.self_head import SelfHead
from tfpose.top_down.net import HeatmapNet
from tfpose.top_down.pose_net import PoseNet

__all__ = ["RATES_PACE", "MeTTANet"]

# Adam moves each number by about its learning rate, which for a logarithm is little.
RATES_PACE = 10.0
_DEPTH = 3  # Convolutions of stride 2 in an encoder.


@keras.saving.register_keras_serializable(package="tfpose")
class MeTTANet(PoseNet):
    """A pose net whose last layers can adapt to an image by inpainting it.

    The layers of a `HeatmapNet` before its head extract features. A head that no label
    teaches directly draws self-supervised maps of them (`self_head`). From these alone,
    a 1x1 convolution makes the joints' heatmaps: with a way past them, training takes
    it, and what adaptation does to the maps changes no joint. (What was left out is
    TTP's transformer, which weights maps anew for each image, by labels alone.)

    The auxiliary network fills in what a mask hides, from what is left of the picture
    and from the maps' keypoints (`appearance`, `inpaint`). Its loss moves the
    self-supervised head, and so the heatmaps.

    Args:
        pose_net: a `HeatmapNet` on any backbone; its layers are used, not copied.
        num_maps: int. Self-supervised maps, and keypoints.
        hidden: int. Channels of the self-supervised head's first layer.
        map_sigma: float. Standard deviation of rendered keypoints, heatmap cells.
        temperature: float. Factor on the maps before the softmax of equation 1. Maps
            mix to heatmaps, whose peaks are 1 or less: without a factor the softmax is
            so flat that every keypoint is in the middle of the picture.
        shrink: int. Pixels of the input for one of the inpainted picture, each way. At
            1 the auxiliary network works at the input's size, as printed, and costs
            many times the rest.
        filters: three ints. Channels of the encoders; the paper's are 64, 128, 256.
        mask_share: float. A mask's side, share of the picture's shorter side.
        masks: int. Fixed masks of a step of adaptation, see `fixed_masks`.
        pose_guidance: bool. Whether the inpainting sees the keypoints; without them
            nothing can adapt (figure 3).
        steps: int. K, the gradient steps of an adaptation, in meta-training and later.
        learning_rate: float. Of those steps, at first; meta-training may learn others.
        info: dict. As of `HeatmapNet`; that of `pose_net` by default.

    Attributes:
        extractor: pixels to features `[B, h, w, C]`; frozen after joint training.
        self_head: see `SelfHead`; its weights are what adaptation moves.
        pose_head: maps to heatmaps, a 1x1 convolution.
        rates: learning rate of each step for each weight of `self_head`, `[steps, 3]`:
            logarithms, as parts of `RATES_PACE`.
        picture_size: (height, width) of the inpainted picture.
        fixed_masks: `[masks, height, width, 1]`, see `fixed_masks`.

    Raises:
        InputError: an impossible number, or a size that cannot be inpainted.

    References: Hu et al., "Fast Adaptation for Human Pose Estimation via
    Meta-Optimization", CVPR 2024, supplement A; Li et al., "Test-Time Personalization
    with a Transformer", NeurIPS 2021 (arXiv:2107.02133).
    """

    part = "pose_net"

    def __init__(
        self,
        pose_net: HeatmapNet,
        num_maps: int = 30,
        hidden: int = 64,
        map_sigma: float = 1.0,
        temperature: float = 20.0,
        shrink: int = 4,
        filters: Sequence[int] = (64, 128, 256),
        mask_share: float = 0.5,
        masks: int = 1,
        pose_guidance: bool = True,
        steps: int = 5,
        learning_rate: float = 0.3,
        info: dict[str, Any] | None = None,
        name: str = "metta",
        **kwargs: Any,
    ) -> None:
        filters = tuple(int(count) for count in filters)
        self_head = SelfHead(num_maps, hidden, name="self_head", dtype="float32")
        head = keras.layers.Conv2D(
            pose_net.num_outputs,
            1,
            kernel_initializer=official_initializer(),
            name="pose_head",
            dtype="float32",
        )
        inputs, features = pose_net.inputs[0], _features(pose_net)
        super().__init__(inputs, head(self_head(features)), name=name, **kwargs)
        self.pose_net, self.self_head, self.pose_head = pose_net, self_head, head
        self.image_mean, self.image_std = pose_net.image_mean, pose_net.image_std
        self.num_maps, self.hidden, self.map_sigma = num_maps, hidden, map_sigma
        self.temperature = temperature
        self.shrink, self.filters = shrink, filters
        self.mask_share, self.masks = mask_share, masks
        self.pose_guidance = pose_guidance
        self.steps, self.learning_rate = steps, learning_rate
        self.info = pose_net.info if info is None else info
        self.extractor = keras.Model(inputs, features, name="extractor")
        self.picture_size = size = _picture_size(pose_net.input_size, shrink)
        self.fixed_masks = fixed_masks(masks, size, mask_share)
        self.appearance_encoder = inpainting_encoder(size, 3, filters, "appearance")
        self.pose_encoder = inpainting_encoder(size, num_maps, filters, "pose")
        cells = size[0] // 2**_DEPTH, size[1] // 2**_DEPTH
        self.decoder = inpainting_decoder(cells, 2 * filters[-1], filters, "decoder")
        self.rates = self.add_weight(
            shape=(steps, len(self_head.weights)),
            initializer=keras.initializers.Constant(
                math.log(learning_rate) / RATES_PACE
            ),
            name="rates",
        )

    @property
    def adapted(self) -> list[keras.Variable]:
        """The weights that adaptation moves, in the order of its lists."""
        return self.self_head.weights

    @property
    def auxiliary_variables(self) -> list[keras.Variable]:
        """The weights of the auxiliary network."""
        parts = self.appearance_encoder, self.pose_encoder, self.decoder
        return [v for part in parts for v in part.trainable_variables]

    def picture(self, images: Any) -> Any:
        """What is inpainted `[B, height, width, 3]`, -1 to 1, of pixels 0..255."""
        picture = ops.cast(images, "float32") / 127.5 - 1
        if self.shrink == 1:
            return picture
        return ops.average_pool(picture, self.shrink, data_format="channels_last")

    def appearance(self, pictures: Any, masks: Any) -> Any:
        """What is left of pictures, encoded; the same in every step of adaptation.

        Args:
            pictures: `[B, height, width, 3]`, as of `picture`.
            masks: `[M, height, width, 1]` or `[B, M, height, width, 1]`.

        Returns:
            `[B * M, height / 8, width / 8, C]`. What is masked is grey.
        """
        hidden = pictures[:, None] * (1 - masks)
        return self.appearance_encoder(ops.reshape(hidden, (-1, *pictures.shape[1:])))

    def inpaint(
        self, points: Any, appearance: Any, count: int, guided: bool | None = None
    ) -> Any:
        """Pictures inpainted.

        Args:
            points: self-supervised keypoints `[B, num_maps, 2]`, as of `points`.
            appearance: as of `appearance`.
            count: M, masks of each picture.
            guided: whether by the keypoints; by default as `pose_guidance` says.

        Returns:
            `[B, M, height, width, 3]`.
        """
        # Rendered at the picture's size: upsampled, as printed, without its steps.
        sigma = self.map_sigma * self.stride / self.shrink
        pose = self.pose_encoder(render_points(points, self.picture_size, sigma))
        pose = pose * float(self.pose_guidance if guided is None else guided)
        # Put together one by one: LiteRT delegates no gradient of a repetition.
        pose = ops.stack([pose] * count, axis=1) if count > 1 else pose
        pose = ops.reshape(pose, (-1, *appearance.shape[1:3], pose.shape[-1]))
        found = self.decoder(ops.concatenate([appearance, pose], axis=-1))
        return ops.reshape(found, (-1, count, *found.shape[1:]))

    def points(self, maps: Any) -> Any:
        """Self-supervised keypoints `[B, num_maps, 2]` of what `self_head` returned."""
        return points_of_maps(self.temperature * maps)

    def auxiliary_losses(
        self, maps: Any, appearance: Any, pictures: Any, masks: Any
    ) -> Any:
        """Mean squared error of what was missing, `[B]`.

        Args:
            maps: what `self_head` returned.
            appearance: as of `appearance`.
            pictures: as of `picture`.
            masks: those of `appearance`.
        """
        found = self.inpaint(self.points(maps), appearance, masks.shape[-4])
        off = ops.square(found - pictures[:, None]) * masks
        missing = 3 * ops.sum(masks, axis=(-4, -3, -2, -1))
        return ops.sum(off, axis=(1, 2, 3, 4)) / missing

    def get_config(self) -> dict[str, Any]:
        return {
            "pose_net": keras.saving.serialize_keras_object(self.pose_net),
            "num_maps": self.num_maps,
            "hidden": self.hidden,
            "map_sigma": self.map_sigma,
            "temperature": self.temperature,
            "shrink": self.shrink,
            "filters": list(self.filters),
            "mask_share": self.mask_share,
            "masks": self.masks,
            "pose_guidance": self.pose_guidance,
            "steps": self.steps,
            "learning_rate": self.learning_rate,
            "info": self.info,
            "name": self.name,
        }


def _features(net: HeatmapNet) -> Any:
    """Features of stride 4, a Keras tensor, that the net's own head would see.

    TokenPose has none: its heatmaps, and beside them the patches' last states, each as
    large as its patch.
    """
    if net.token_head is None:
        return net.get_layer("head").input
    states = net.get_layer(f"tokens_group{net.token_head.groups - 1}_state").input
    grid = net.token_head.grid(net.backbone.output_shape[1:3])
    patches = keras.layers.Cropping1D((net.num_outputs, 0), name="patch_states")(states)
    patches = keras.layers.Reshape((*grid, -1), name="patch_map")(patches)
    patches = NearestResize(*net.heatmap_size, name="patch_map_up")(patches)
    return keras.layers.Concatenate(name="features")([net.outputs[0], patches])


def _picture_size(size: tuple[int, int], shrink: int) -> tuple[int, int]:
    unit = shrink * 2**_DEPTH
    if shrink < 1 or any(side % unit for side in size):
        raise InputError(
            f"shrink is {shrink}: an input of {size[0]}x{size[1]} cannot be inpainted, "
            f"expected sides that are multiples of {2**_DEPTH} times shrink"
        )
    return size[0] // shrink, size[1] // shrink
