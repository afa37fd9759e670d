"""Horizontal flips of images, keypoints and heatmaps, and the flip test.

With the pixel convention of `tfpose.codecs.heatmap` a flip is exact on cells:
`encode(flip_keypoints(k))` equals the flipped `encode(k)`.
"""

from collections.abc import Sequence

from keras import ops

from tfpose.codecs.heatmap import KerasTensor
from tfpose.skeletons import Skeleton

__all__ = ["flip_images", "flip_keypoints", "merge", "unflip_heatmaps"]


def _permutation(skeleton: Skeleton | Sequence[int]) -> list[int]:
    if isinstance(skeleton, Skeleton):
        return list(skeleton.flip_permutation)
    return [int(index) for index in skeleton]


def flip_images(images: KerasTensor) -> KerasTensor:
    """Mirrors `[B, H, W, C]` left to right."""
    return ops.flip(images, axis=2)


def flip_keypoints(
    keypoints: KerasTensor, width: int, skeleton: Skeleton | Sequence[int]
) -> KerasTensor:
    """Mirrors keypoints and swaps left and right joints.

    Args:
        keypoints: `[B, J, D]`, x first, input pixels; further columns are moved with
            their joint.
        width: W of the input, pixels.
        skeleton: the joints, or their flip permutation.

    Returns:
        `[B, J, D]`. Absent joints must be masked by their weight: their x changes too.
    """
    keypoints = ops.take(keypoints, _permutation(skeleton), axis=1)
    mirrored = (width - 1) - keypoints[..., :1]
    return ops.concatenate([mirrored, keypoints[..., 1:]], axis=-1)


def unflip_heatmaps(
    heatmaps: KerasTensor, skeleton: Skeleton | Sequence[int], shift: int = 0
) -> KerasTensor:
    """Maps the heatmaps of a flipped image back to the image before the flip.

    Args:
        heatmaps: `[B, h, w, J]`.
        skeleton: the joints, or the permutation of channels that mirrors them.
        shift: cells by which to shift right after mirroring; the columns on the left
            keep their values. 0 is exact with this project's alignment; official
            checkpoints with a biased alignment were tested with 1.

    Returns:
        `[B, h, w, J]`.
    """
    heatmaps = ops.take(ops.flip(heatmaps, axis=2), _permutation(skeleton), axis=3)
    if shift:
        heatmaps = ops.concatenate(
            [heatmaps[:, :, :shift], heatmaps[:, :, :-shift]], axis=2
        )
    return heatmaps


def merge(heatmaps: KerasTensor, unflipped: KerasTensor) -> KerasTensor:
    """Mean of the heatmaps of an image and of its flip, both `[B, h, w, J]`."""
    return 0.5 * (heatmaps + unflipped)
