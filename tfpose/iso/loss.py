"""ISO's losses; all are scalars, float32. Numbers of equations are the paper's."""

from collections.abc import Callable
from typing import Any

from keras import ops

from tfpose.adversarial import loss as least_squares
from tfpose.geometry import centre_keypoints, limb_vectors
from tfpose.lifters.unit_view import place_like, unit_view
from tfpose.lifters.views import turn_bodies
from tfpose.skeletons import Skeleton

__all__ = [
    "ADVERSARIAL_LOSSES",
    "cycle_losses",
    "generator_loss",
    "prior_loss",
    "seen_from_elsewhere",
    "supervised_loss",
]

ADVERSARIAL_LOSSES = ("non_saturating", "saturating", "least_squares", "likelihood")
"""`saturating` is equation 3 as it is written; `non_saturating` has the same solution
and gradients that do not vanish where the discriminator is right. `likelihood` is of a
flow."""


def supervised_loss(predicted: Any, truth: Any, skeleton: Skeleton) -> Any:
    """Equation 2: squared errors of positions and of bone vectors, summed over joints.

    Args:
        predicted: `[B, J, 3]`, metres, relative to the root.
        truth: the same.
        skeleton: of the poses.
    """
    off = predicted - truth
    bones = limb_vectors(off, skeleton.parents)
    squares = ops.sum(ops.square(off), axis=(-2, -1))
    return ops.mean(squares + ops.sum(ops.square(bones), axis=(-2, -1)))


def prior_loss(real_scores: Any, fake_scores: Any, kind: str) -> Any:
    """What the discriminator or the flow minimises, by scores `[B, 1]` (equation 3).

    Args:
        real_scores: of real keypoints.
        fake_scores: of projections; a flow does not learn from them.
        kind: one of `ADVERSARIAL_LOSSES`.
    """
    if kind == "likelihood":
        return -ops.mean(real_scores)
    if kind == "least_squares":
        return least_squares.discriminator_loss(real_scores, fake_scores)
    return ops.mean(ops.softplus(-real_scores)) + ops.mean(ops.softplus(fake_scores))


def generator_loss(fake_scores: Any, kind: str) -> Any:
    """What the lifter minimises, by the scores `[B, 1]` of its projections."""
    if kind == "likelihood":
        return -ops.mean(fake_scores)
    if kind == "least_squares":
        return least_squares.adversarial_loss(fake_scores)
    if kind == "saturating":
        return -ops.mean(ops.softplus(fake_scores))
    return ops.mean(ops.softplus(-fake_scores))


def seen_from_elsewhere(
    positions: Any, rotations: Any, root: int, distance: float
) -> Any:
    """Lifted poses in random views: what the prior scores (equation 3).

    Args:
        positions: `[B, J, 3]`, metres, relative to the root.
        rotations: `[B, 3, 3]`, of the random views.
        root: index of the root.
        distance: of the random views' camera, metres.

    Returns:
        `[B, J, 2]`, centred, of size 1.
    """
    return unit_view(turn_bodies(positions, rotations, root), root, distance)


def cycle_losses(
    lift: Callable[[Any], Any],
    keypoints: Any,
    positions: Any,
    seen: Any,
    rotations: Any,
    root: int,
    distance: float,
) -> tuple[Any, Any]:
    """Lift a random view again, turn the pose back, project (equation 4).

    Args:
        lift: keypoints `[B, J, 2]` to positions `[B, J, 3]`, relative to the root.
        keypoints: `[B, J, 2]`, normalised.
        positions: `[B, J, 3]`, metres: what they were lifted to.
        seen: `[B, J, 2]`, see `seen_from_elsewhere`.
        rotations: `[B, 3, 3]`, of the random views.
        root: index of the root.
        distance: of the random views' camera, metres.

    Returns:
        The 2D loss, of keypoints of size 1, and the 3D loss, summed over joints.
    """
    again = lift(place_like(seen, keypoints, root))
    back = turn_bodies(again, ops.swapaxes(rotations, -1, -2), root)
    off_2d = unit_view(back, root, distance) - centre_keypoints(keypoints, root)
    off_3d = back - positions
    loss_2d, loss_3d = (
        ops.mean(ops.sum(ops.square(off), axis=(-2, -1))) for off in (off_2d, off_3d)
    )
    return loss_2d, loss_3d
