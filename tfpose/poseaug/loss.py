"""PoseAug's losses; all are float32 scalars."""

from typing import Any

from keras import ops

from tfpose.poseaug.augmentor import Augmented
from tfpose.poseaug.body import Body

__all__ = [
    "bounded_feedback",
    "exponential_feedback",
    "hinged_regulariser",
    "range_regulariser",
    "view_spread",
]

# The released code's target for the change of angles, and the distance from it at which
# the loss is still 0.
_ANGLE_MIDDLE, _ANGLE_WIDTH = 0.205, 0.165
_LENGTH_LIMIT = 0.1
_MAX_EXPONENT = 5.0
_MIN_ERROR = 1e-4  # Metres; smaller divisors are replaced by this.


def exponential_feedback(augmented: Any, original: Any, hardness: Any) -> Any:
    """The paper's feedback, equation 9: |1 - exp(L(X') - beta L(X))|, mean over `[B]`.

    0 where the loss on an augmented pose is `hardness` (beta) times the loss on its
    original. Above an exponent of 5, which occurs with a lifter that is hardly trained,
    the function is continued linearly, because it would soon exceed float32.

    Args:
        augmented: the lifter's loss `[B]` on augmented poses, square metres.
        original: the lifter's loss `[B]` on the original poses, square metres.
        hardness: beta, above 1.
    """
    exponent = augmented - hardness * original
    bounded = ops.minimum(exponent, _MAX_EXPONENT)
    growth = ops.exp(bounded) * (1 + exponent - bounded)
    return ops.mean(ops.abs(1 - growth))


def bounded_feedback(
    augmented: Any, original: Any, hardness: Any, slack: float, body: Body
) -> Any:
    """The released code's feedback: ratios of errors for three groups of joints.

    The loss is 0 for a ratio within `slack` of `hardness`, otherwise the square of its
    distance from `hardness`.

    Args:
        augmented: errors `[B, J]` of the lifter on augmented poses, metres.
        original: errors `[B, J]` of the lifter on the original poses, metres.
        hardness: target ratio.
        slack: see above.
        body: defines the groups and the weights of their joints.
    """
    ratios = []
    for group in body.joint_groups:
        augmented_error, original_error = (
            sum(errors[:, j] * body.joint_weights[j] for j in group) / len(group)
            for errors in (augmented, original)
        )
        ratios.append(augmented_error / ops.maximum(original_error, _MIN_ERROR))
    return _squares_above(ops.stack(ratios, axis=-1) - hardness, slack)


def hinged_regulariser(augmented: Augmented, threshold: float = 0.1) -> Any:
    """The paper's regulariser, equation 10.

    The square of the mean change of directions and of lengths, where it is above the
    threshold.

    Args:
        augmented: output of `Augmentor`.
        threshold: 0.1 in the supplement.
    """
    means = ops.mean(ops.abs(augmented.directions), axis=(-2, -1))
    lengths = ops.mean(ops.abs(augmented.lengths), axis=-1)
    return _squares_above(means, threshold) + _squares_above(lengths, threshold)


def range_regulariser(augmented: Augmented) -> Any:
    """The released code's regulariser, 0 for changes within a range.

    The mean 1 - cos of a pose's limbs should be within 0.205 +- 0.165, so the augmentor
    is also kept from changing nothing. Lengths may change by a tenth.
    """
    angles = ops.mean(augmented.angle_change, axis=-1) - _ANGLE_MIDDLE
    lengths = _squares_above(augmented.lengths, _LENGTH_LIMIT)
    return _squares_above(angles, _ANGLE_WIDTH) + lengths


def view_spread(rotations: Any) -> Any:
    """Circular variance of rotations: 0 if all are equal, 1 if uniformly distributed.

    1 - |mean of R| / sqrt(3), as in directional statistics, with rotations instead of
    directions. Uniform rotations about one axis have 0.42; with that axis also tilted
    about both others by 20 degrees (standard deviation) it is 0.5.

    Args:
        rotations: matrices `[B, 3, 3]`.
    """
    mean = ops.mean(rotations, axis=0)
    return 1 - ops.sqrt(ops.sum(ops.square(mean)) / 3 + 1e-12)


def _squares_above(values: Any, slack: float) -> Any:
    """Mean of the squares of values; those of size up to `slack` count as 0."""
    squares = ops.square(values)
    return ops.mean(ops.where(squares > slack**2, squares, ops.zeros_like(squares)))
