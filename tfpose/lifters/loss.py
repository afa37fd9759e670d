"""Losses and errors of lifters, on root-relative positions."""

from typing import Any

from keras import ops

from tfpose.geometry import limb_lengths

__all__ = ["joint_errors", "pose_losses", "relative_to_root"]


def relative_to_root(positions: Any, root: int) -> Any:
    """Positions `[B, J, 3]` relative to joint `root`, whose row becomes 0."""
    return positions - positions[:, root : root + 1]


def joint_errors(predicted: Any, truth: Any) -> Any:
    """Distances `[B, J]` between positions `[B, J, 3]`, in the positions' unit."""
    return limb_lengths(predicted - truth)


def pose_losses(predicted: Any, truth: Any) -> Any:
    """Mean squared error of each pose, `[B]`, in the square of the positions' unit.

    PoseAug's equation 8 (arXiv:2105.02465), which is also its baselines' loss.

    Args:
        predicted: predictions `[B, J, 3]`, relative to the root.
        truth: ground truth `[B, J, 3]`, relative to the root.
    """
    return ops.mean(ops.square(predicted - truth), axis=(-2, -1))
