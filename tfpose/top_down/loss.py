"""The heatmap loss of top-down pose nets."""

from typing import Any

from keras import ops

__all__ = ["keypoint_loss"]


def keypoint_loss(predicted: Any, target: Any, weights: Any) -> Any:
    """Weighted mean squared error, one value per person.

    Half of the squared error, averaged over pixels and all J joints, as in
    SimpleBaseline and HRNet (Xiao et al. 2018): absent joints add 0 but count in the
    average.

    Args:
        predicted: predicted heatmaps, float `[B, h, w, J]`.
        target: target heatmaps, float `[B, h, w, J]`.
        weights: float `[B, J]`, factors on the error before it is squared.

    Returns:
        float32 `[B]`.
    """
    error = ops.cast(predicted, "float32") - ops.cast(target, "float32")
    squared = ops.mean(ops.square(error * weights[:, None, None, :]), axis=(1, 2))
    return 0.5 * ops.mean(squared, axis=-1)
