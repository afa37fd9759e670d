"""A top-down pose net as a function from pixels to keypoints."""

import dataclasses
from typing import Any

import tensorflow as tf
from keras import ops

from export.function import ExportFunction, exact
from export.pose_metadata import pose_metadata
from tfpose.errors import InputError
from tfpose.top_down.net import HeatmapNet
from tfpose.top_down.predictor import TopDownPredictor

__all__ = ["pose_function"]

_DTYPES = ("uint8", "float32")
# TokenPose's layers, see `tfpose.top_down.tokens`.
_TRANSFORMER = ("patch", "tokens", "head_")


def pose_function(
    net: HeatmapNet,
    image_size: tuple[int, int] | None = None,
    *,
    dtype: str = "uint8",
    flip_test: bool = False,
    name: str = "pose",
) -> ExportFunction:
    """From a picture of one person to keypoints, all inside one function.

    Input `image` `[B, H, W, 3]`: RGB pixels 0..255 of a person with the context that
    the net was trained with (a box and a quarter more, `tfpose.top_down.crop`). It is
    brought to the net's input inside: averaged over blocks of 2, 4 or 8 pixels where
    these divide its sides and it is at least as much too large, resized (bilinear,
    pixel centres as in `tfpose.codecs.heatmap`) with its aspect kept, and put in the
    middle of black. Output `keypoints` `[B, J, 2]` float32 (x, y), in pixels of that
    picture, and `scores` `[B, J]` float32, the heights of the heatmaps' peaks: about
    0..1, and a joint of 0 or less was not found.

    Args:
        net: a pose net, see `tfpose.top_down.predictor.TopDownPredictor`.
        image_size: (H, W) of the pictures. Defaults to the net's input.
        dtype: of the pixels, uint8 or float32.
        flip_test: average over picture and mirrored picture: twice the work.
        name: of the function.

    Raises:
        InputError: no pose net, or an impossible choice.
    """
    estimator = TopDownPredictor(net, flip_test)
    size = tuple(image_size or net.input_size)
    if len(size) != 2 or min(size) < 1:
        raise InputError(f"image_size is {size}, expected (height, width)")
    if dtype not in _DTYPES:
        raise InputError(f"dtype is {dtype!r}, expected one of {_DTYPES}")
    fit = _Fit.of(size, net.input_size)

    def call(inputs: dict[str, Any]) -> dict[str, Any]:
        heatmaps = estimator.heatmaps(fit.pixels(inputs["image"]))
        with exact():
            keypoints, scores = estimator.codec.decode(heatmaps, estimator.decoder)
            return {"keypoints": fit.points(keypoints), "scores": scores}

    return ExportFunction(
        name,
        call,
        {"image": tf.TensorSpec([None, *size, 3], dtype, "image")},
        ("keypoints", "scores"),
        _metadata(estimator, size, dtype),
        varied=_TRANSFORMER if net.token_head else (),
    )


def _metadata(
    estimator: TopDownPredictor, image_size: tuple[int, ...], dtype: str
) -> dict[str, Any]:
    inputs = {
        "image": f"{dtype} [B, {image_size[0]}, {image_size[1]}, 3], RGB pixels "
        "0..255 of one person with a quarter more than the box around"
    }
    outputs = {
        "keypoints": "float32 [B, J, 2], x and y in pixels of the image; the "
        "middle of the first pixel is (0, 0)",
        "scores": "float32 [B, J], about 0..1; 0 or less: not found",
    }
    return {
        **pose_metadata(estimator, inputs, outputs),
        "image_size": list(image_size),
    }


@dataclasses.dataclass(frozen=True)
class _Fit:
    """How pictures of one size are brought to another, and points brought back."""

    block: int
    resized: tuple[int, ...]
    # Black rows above and below, columns on the left and on the right.
    border: tuple[tuple[int, int], ...]
    # Pixels of the picture to those of its resized form, (y, x).
    scale: tuple[float, ...]

    @classmethod
    def of(cls, image_size: tuple[int, ...], input_size: tuple[int, ...]) -> "_Fit":
        pairs = list(zip(image_size, input_size, strict=True))
        scale = min(inner / outer for outer, inner in pairs)
        block = next(
            size
            for size in (8, 4, 2, 1)
            if size == 1
            or (size * scale <= 1 and all(side % size == 0 for side in image_size))
        )
        resized = [min(max(round(side * scale), 1), whole) for side, whole in pairs]
        border = []
        for side, (_, whole) in zip(resized, pairs, strict=True):
            before = (whole - side) // 2
            border.append((before, whole - side - before))
        scales = [new / old for new, old in zip(resized, image_size, strict=True)]
        return cls(block, tuple(resized), tuple(border), tuple(scales))

    def pixels(self, images: Any) -> Any:
        """`[B, H, W, 3]` of any type to float32 of the net's size."""
        images = ops.cast(images, "float32")
        if self.block > 1:
            images = ops.average_pool(
                images, self.block, self.block, data_format="channels_last"
            )
        if tuple(images.shape[1:3]) != self.resized:
            images = ops.image.resize(
                images, self.resized, "bilinear", data_format="channels_last"
            )
        if any(map(any, self.border)):
            images = ops.pad(images, ((0, 0), *self.border, (0, 0)))
        return images

    def points(self, points: Any) -> Any:
        """`[B, J, 2]` (x, y) of the net's input to those of the picture."""
        if self.scale == (1.0, 1.0) and not any(map(any, self.border)):
            return points
        (top, _), (left, _) = self.border
        down, across = self.scale
        # x' = (x - left + 0.5) / scale - 0.5
        factor = ops.convert_to_tensor([1 / across, 1 / down], "float32")
        offset = [(0.5 - left) / across - 0.5, (0.5 - top) / down - 0.5]
        return points * factor + ops.convert_to_tensor(offset, "float32")
