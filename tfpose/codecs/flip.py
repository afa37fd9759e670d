"""Horizontal flips of images, keypoints and heatmaps, and the flip test.

In the pixel convention of `tfpose.codecs.heatmap` a flip is exact on cells:
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
    """Mirrors keypoints and exchanges left and right joints.

    Args:
        keypoints: `[B, J, D]`, x first, input pixels; further columns move along
            with their joint.
        width: W of the input, pixels.
        skeleton: the joints, or their flip permutation.

    Returns:
        `[B, J, D]`. Absent joints must be masked by their weight: their x moves too.
    """
    keypoints = ops.take(keypoints, _permutation(skeleton), axis=1)
    mirrored = (width - 1) - keypoints[..., :1]
    return ops.concatenate([mirrored, keypoints[..., 1:]], axis=-1)


def unflip_heatmaps(
    heatmaps: KerasTensor, skeleton: Skeleton | Sequence[int], shift: int = 0
) -> KerasTensor:
    """Heatmaps of a flipped image, brought back to the image as it was.

    Args:
        heatmaps: `[B, h, w, J]`.
        skeleton: the joints, or the permutation of channels that mirrors them.
        shift: cells to move right after mirroring, the columns on the left kept. 0
            is exact here; 1 is what biased official checkpoints were tested with.

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
