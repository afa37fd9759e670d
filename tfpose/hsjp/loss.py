"""The masked heatmap loss of the jigsaw pretext task."""

from typing import Any

from keras import ops

__all__ = ["jigsaw_loss"]


def jigsaw_loss(predicted: Any, target: Any, mask: Any) -> Any:
    """Masked mean squared error, one value per puzzle (arXiv 2012.07101, Eq. 2).

    The sum over the patches that are inside the image is divided by the number of
    *all* channels and pixels, `N**2 * h * w`. A puzzle of which augmentation left half
    inside the image has half the weight, and there is no division by a count that may
    be zero.

    Args:
        predicted: predicted heatmaps H, float `[B, h, w, N**2]`.
        target: target heatmaps G, float `[B, h, w, N**2]`.
        mask: float `[B, N**2]`, 1 where the patch's centre is inside the image.

    Returns:
        float32 `[B]`.
    """
    error = ops.square(ops.cast(target, "float32") - ops.cast(predicted, "float32"))
    return ops.mean(ops.mean(error, axis=(1, 2)) * mask, axis=-1)
