"""A top-down pose net as a function from pixels to keypoints."""

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops

from export.model import ExportedModel, Signature, Tensors, exact
from tfpose.errors import InputError
from tfpose.top_down.pose_net import PoseNet
from tfpose.top_down.predictor import TopDownPredictor

__all__ = ["Fit", "pose_metadata", "pose_model"]

_DTYPES = ("uint8", "float32")
# TokenPose's layers, see `tfpose.top_down.tokens`.
_TRANSFORMER = ("patch", "tokens", "head_")
# Parts of the net's info that the metadata has under other names.
_ELSEWHERE = ("skeleton", "sigma", "decoder", "alignment", "flip_shift", "task")


def pose_model(
    net: PoseNet,
    image_size: tuple[int, int] | None = None,
    *,
    dtype: str = "uint8",
    flip_test: bool = False,
    name: str = "pose",
) -> ExportedModel:
    """From a picture of one person to keypoints, all inside one signature, `locate`.

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
        name: of the model.

    Raises:
        InputError: no pose net, or an impossible choice.
    """
    predictor = TopDownPredictor(net, flip_test)
    size = tuple(image_size or net.input_size)
    if len(size) != 2 or min(size) < 1:
        raise InputError(f"image_size is {size}, expected (height, width)")
    if dtype not in _DTYPES:
        raise InputError(f"dtype is {dtype!r}, expected one of {_DTYPES}")
    fit = Fit.of(size, net.input_size)

    def call(inputs: Tensors) -> Tensors:
        sample, kept = fit.prepare(inputs)
        heatmaps = predictor.heatmaps(sample["image"])
        with exact():
            keypoints, scores = predictor.codec.decode(heatmaps, predictor.decoder)
            return fit.finish({"keypoints": keypoints, "scores": scores}, kept)

    locate = Signature(
        call,
        {"image": tf.TensorSpec([None, *size, 3], dtype)},
        ("keypoints", "scores"),
        example={"image": _example(size, dtype)},
        described=_described(size, dtype),
        varied=_TRANSFORMER if _has_tokens(net) else (),
    )
    metadata = {**pose_metadata(predictor), "image_size": list(size)}
    return ExportedModel(name, {"locate": locate}, metadata)


def _has_tokens(net: PoseNet) -> bool:
    """Whether a TokenPose is in the net."""
    return any(layer.name == "keypoint_tokens" for layer in net.layers)


def _example(size: tuple[int, ...], dtype: str) -> np.ndarray:
    """A picture with nobody in it."""
    down, across = np.mgrid[: size[0], : size[1]]
    pixels = np.stack([down % 256, across % 256, (down + across) % 256], axis=-1)
    return pixels[None].astype(dtype)


def _described(image_size: tuple[int, ...], dtype: str) -> dict[str, str]:
    return {
        "image": f"{dtype} [B, {image_size[0]}, {image_size[1]}, 3], RGB pixels "
        "0..255 of one person with a quarter more than the box around",
        "keypoints": "float32 [B, J, 2], x and y in pixels of the image; the "
        "middle of the first pixel is (0, 0)",
        "scores": "float32 [B, J], about 0..1; 0 or less: not found",
    }


def pose_metadata(predictor: TopDownPredictor) -> dict[str, Any]:
    """What users of a pose net must know, in whatever form it is exported.

    Returns:
        Skeleton, sizes, normalisation, decoding and training, for JSON.
    """
    net = predictor.net
    return {
        "task": "top_down_pose",
        "skeleton": predictor.skeleton.to_dict(),
        "net_input_size": list(net.input_size),
        "normalisation": {
            "where": "inside the model",
            "mean": list(net.image_mean),
            "std": list(net.image_std),
            "of": "pixels / 255",
        },
        "decoder": predictor.decoder,
        "alignment": predictor.alignment,
        "flip_test": predictor.flip_test,
        "training": {k: v for k, v in net.info.items() if k not in _ELSEWHERE},
    }


@dataclasses.dataclass(frozen=True)
class Fit:
    """How pictures of one size are brought to a net's, and points brought back."""

    block: int
    resized: tuple[int, ...]
    # Black rows above and below, columns on the left and on the right.
    border: tuple[tuple[int, int], ...]
    # Pixels of the picture to those of its resized form, (y, x).
    scale: tuple[float, ...]

    @classmethod
    def of(cls, image_size: tuple[int, ...], input_size: tuple[int, ...]) -> "Fit":
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

    def prepare(self, inputs: Tensors) -> tuple[Tensors, Tensors]:
        """From `image` `[B, H, W, 3]` to a net's; nothing is kept for `finish`."""
        return {"image": self.pixels(inputs["image"])}, {}

    def finish(self, predictions: Tensors, kept: Tensors) -> Tensors:
        """`keypoints` `[B, J, 2]` of a net's input to those of the picture."""
        return {**predictions, "keypoints": self.points(predictions["keypoints"])}

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
