"""The masked heatmap loss of the jigsaw pretext task."""

from keras import ops

__all__ = ["jigsaw_loss"]


def jigsaw_loss(predicted, target, mask):
    """Masked mean squared error, one value per puzzle (arXiv 2012.07101, Eq. 2).

    The sum over the patches that are inside the image is divided by *all* channels
    and pixels, `N**2 * h * w`: a puzzle that augmentation pushed half out of view
    weighs half as much, and nothing is divided by a count that may be zero.

    Args:
        predicted: float `[B, h, w, N**2]` heatmaps H.
        target: float `[B, h, w, N**2]` heatmaps G.
        mask: float `[B, N**2]`, 1 where the patch's centre is inside the image.

    Returns:
        float32 `[B]`.
    """
    error = ops.square(ops.cast(target, "float32") - ops.cast(predicted, "float32"))
    return ops.mean(ops.mean(error, axis=(1, 2)) * mask, axis=-1)
