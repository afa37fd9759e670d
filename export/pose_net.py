"""A top-down pose net as a function from pixels to keypoints."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from export.fit import Fit
from export.heatmaps import KeypointDecoder
from export.model import Arrays, ExportedModel, Signature, Tensors, exact
from tfpose.errors import InputError
from tfpose.top_down.pose_net import PoseNet
from tfpose.top_down.predictor import TopDownPredictor

__all__ = ["OUTPUTS", "pose_metadata", "pose_model"]

OUTPUTS = {"keypoints": "locate", "heatmaps": "draw_heatmaps"}
"""What a pose net can give, and the signature that gives it."""

_DTYPES = ("uint8", "float32")
# TokenPose's layers, see `tfpose.top_down.tokens`.
_TRANSFORMER = ("patch", "tokens", "head_")
# Parts of the net's info that the metadata has under other names.
_ELSEWHERE = (
    "skeleton",
    "sigma",
    "decoder",
    "alignment",
    "flip_shift",
    "score_threshold",
    "task",
)


def pose_model(
    net: PoseNet,
    image_size: tuple[int, int] | None = None,
    *,
    dtype: str = "uint8",
    flip_test: bool = False,
    name: str = "pose",
    outputs: Sequence[str] = ("keypoints",),
) -> ExportedModel:
    """From a picture of one person to keypoints, all inside one signature, `locate`.

    Or to heatmaps, in `draw_heatmaps`: then GPUs of phones, which cannot do much of the
    decoding, do all of the graph, and `export.heatmaps` decodes outside. Or both.

    Input `image` `[B, H, W, 3]`: RGB pixels 0..255 of a person with the context that
    the net was trained with (a box and a quarter more, `tfpose.top_down.crop`). It is
    brought to the net's input inside: averaged over blocks of 2, 4 or 8 pixels where
    these divide its sides and it is at least as much too large, resized (bilinear,
    pixel centres as in `tfpose.codecs.heatmap`) with its aspect kept, and put in the
    middle of black. Output `keypoints` `[B, J, 2]` float32 (x, y), in pixels of that
    picture, and `scores` `[B, J]` float32, the heights of the heatmaps' peaks: about
    0..1, and a joint of 0 or less was not found. Or output `heatmaps` `[B, h, w, J]`
    float32.

    Args:
        net: a pose net, see `tfpose.top_down.predictor.TopDownPredictor`.
        image_size: (H, W) of the pictures. Defaults to the net's input.
        dtype: of the pixels, uint8 or float32.
        flip_test: average over picture and mirrored picture: twice the work.
        name: of the model.
        outputs: some of `OUTPUTS`; of both, `locate` is the main signature.

    Raises:
        InputError: no pose net, or an impossible choice.
    """
    predictor = TopDownPredictor(net, flip_test)
    size = tuple(image_size or net.input_size)
    if len(size) != 2 or min(size) < 1:
        raise InputError(f"image_size is {size}, expected (height, width)")
    if dtype not in _DTYPES:
        raise InputError(f"dtype is {dtype!r}, expected one of {_DTYPES}")
    if not outputs or not set(outputs) <= set(OUTPUTS):
        raise InputError(
            f"output is {','.join(outputs)!r}, expected some of {', '.join(OUTPUTS)}"
        )
    fit = Fit.of(size, net.input_size)
    decoder = KeypointDecoder(predictor.codec, predictor.decoder, fit)
    signatures = {
        OUTPUTS[output]: Signature(
            call,
            {"image": tf.TensorSpec([None, *size, 3], dtype)},
            given,
            example={"image": _example(size, dtype)},
            described=_described(size, dtype),
            varied=_TRANSFORMER if _has_tokens(net) else (),
            client=client,
        )
        for output, (call, given, client) in _ways(predictor, decoder).items()
        if output in outputs
    }
    metadata = {**pose_metadata(predictor), "image_size": list(size)}
    if "heatmaps" in outputs:
        metadata["heatmaps"] = decoder.metadata
    return ExportedModel(name, signatures, metadata)


_Way = tuple[
    Callable[[Tensors], Tensors],
    tuple[str, ...],
    Callable[[Arrays], Arrays] | None,
]
"""A signature's call, the names of its outputs, and what callers make of them."""


def _ways(predictor: TopDownPredictor, decoder: KeypointDecoder) -> dict[str, _Way]:
    """By the names of `OUTPUTS`."""
    fit = decoder.fit

    def draw(inputs: Tensors) -> Tensors:
        return {"heatmaps": predictor.heatmaps(fit.pixels(inputs["image"]))}

    def locate(inputs: Tensors) -> Tensors:
        heatmaps = draw(inputs)["heatmaps"]
        with exact():
            keypoints, scores = predictor.codec.decode(heatmaps, predictor.decoder)
            return fit.finish({"keypoints": keypoints, "scores": scores}, {})

    def decode(found: Arrays) -> Arrays:
        return decoder(found["heatmaps"])

    return {
        "keypoints": (locate, ("keypoints", "scores"), None),
        "heatmaps": (draw, ("heatmaps",), decode),
    }


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
        "heatmaps": "float32 [B, h, w, J], to be decoded as `heatmaps` says",
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
        "score_threshold": predictor.score_threshold,
        "training": {k: v for k, v in net.info.items() if k not in _ELSEWHERE},
    }
