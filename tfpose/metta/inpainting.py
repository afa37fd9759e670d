"""Body-specific inpainting: the auxiliary network and its masks (supplement, A.2)."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from tfpose.backbones.blocks import NearestResize

__all__ = ["fixed_masks", "inpainting_decoder", "inpainting_encoder", "masks_at"]

# Share of the picture's sides, about its middle, in which masks are.
_BODY = 0.8
_GROUPS = 8
# Large, so that what hardly varies in an image is not blown up, nor its derivatives.
_EPSILON = 0.1


def inpainting_encoder(
    size: tuple[int, int], channels: int, filters: tuple[int, ...], name: str
) -> keras.Model:
    """One of the two encoders; they differ in the number of input channels.

    A 7x7 convolution, then 3x3 ones, each of stride 2, so that three `filters` compress
    to an eighth. Each is followed by group normalisation, as a single image has no
    batch statistics, and SiLU. With ReLU, gradients jump: meta-training, which goes
    through gradients, then follows a slope that holds over no distance.

    Args:
        size: (height, width) of the input.
        channels: 3 for pictures, the number of maps for poses.
        filters: channels after each convolution; the paper's are 64, 128, 256.
        name: of the model.
    """
    inputs = x = keras.Input((*size, channels), name=f"{name}_input")
    for index, count in enumerate(filters):
        x = _convolution(x, count, 3 if index else 7, 2, f"{name}{index}")
    return keras.Model(inputs, x, name=name)


def inpainting_decoder(
    size: tuple[int, int], channels: int, filters: tuple[int, ...], name: str
) -> keras.Model:
    """The decoder: 3x3 convolutions and upsampling to the nearest neighbour in turn.

    Args:
        size: (height, width) of the encoders' output.
        channels: of both encoders' outputs together.
        filters: the encoders'; the decoder has them in reverse order.
        name: of the model.

    Returns:
        to pictures `[B, H, W, 3]`, -1 to 1 for pixels 0 to 255.
    """
    inputs = x = keras.Input((*size, channels), name=f"{name}_input")
    for index, count in enumerate((*reversed(filters[:-1]), filters[0] // 2)):
        x = _convolution(x, count, 3, 1, f"{name}{index}")
        size = 2 * size[0], 2 * size[1]
        x = NearestResize(*size, name=f"{name}{index}_up", dtype="float32")(x)
    picture = keras.layers.Conv2D(
        3, 3, padding="same", name=f"{name}_picture", dtype="float32"
    )
    return keras.Model(inputs, picture(x), name=name)


def masks_at(corners: Any, size: tuple[int, int], share: float) -> Any:
    """Square masks, 1 where the picture is missing.

    Args:
        corners: `[..., 2]` (x, y), 0 to 1: from the left, or upper, end of the part of
            the picture where bodies are to its other end.
        size: (height, width) of the pictures.
        share: the square's side, share of the picture's shorter one.

    Returns:
        `[..., height, width, 1]`.
    """
    side = max(1, round(share * min(size)))
    sides = []
    for axis, cells in ((1, size[0]), (0, size[1])):
        room = max(_BODY * cells - side, 0)
        first = ops.round((cells - side - room) / 2 + room * corners[..., axis])
        distance = np.arange(cells, dtype=np.float32) - first[..., None]
        sides.append(ops.logical_and(distance >= 0, distance < side))
    mask = ops.logical_and(sides[0][..., :, None], sides[1][..., None, :])
    return ops.cast(mask, "float32")[..., None]


def fixed_masks(count: int, size: tuple[int, int], share: float) -> np.ndarray:
    """Masks for meta-training and test, which need the same objective in every step.

    Args:
        count: number of masks, evenly spread in rows over where bodies are; one is in
            the middle.
        size: (height, width) of the pictures.
        share: as for `masks_at`.

    Returns:
        float32 `[count, height, width, 1]`.
    """
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    places = np.arange(count)
    corners = np.stack(
        [_spread(places % columns, columns), _spread(places // columns, rows)], -1
    )
    return ops.convert_to_numpy(masks_at(ops.convert_to_tensor(corners), size, share))


def _spread(places: np.ndarray, count: int) -> np.ndarray:
    spread = places / (count - 1) if count > 1 else np.full(len(places), 0.5)
    return spread.astype(np.float32)


def _convolution(x: Any, filters: int, kernel: int, stride: int, name: str) -> Any:
    x = keras.layers.Conv2D(
        filters,
        kernel,
        strides=stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
        dtype="float32",
    )(x)
    x = keras.layers.GroupNormalization(
        math.gcd(_GROUPS, filters),
        epsilon=_EPSILON,
        name=f"{name}_norm",
        dtype="float32",
    )(x)
    return ops.silu(x)
