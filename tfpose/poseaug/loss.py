"""PoseAug's losses; all are scalars or `[B]`, float32."""

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

# The released code's: which change of angles is wanted, and which is let be.
_ANGLE_MIDDLE, _ANGLE_WIDTH = 0.205, 0.165
_LENGTH_LIMIT = 0.1
_STEEPEST = 5.0  # Exponent.
_EASIEST = 1e-4  # Metres; errors are not divided by less.


def exponential_feedback(augmented: Any, original: Any, hardness: Any) -> Any:
    """The paper's feedback, equation 9: |1 - exp(L(X') - beta L(X))|, mean over `[B]`.

    0 where an augmented pose is `hardness` (beta) times as hard as its original. Above
    an exponent of 5, which a hardly trained lifter reaches, the curve goes on as a
    straight line, where it would soon be beyond float32.

    Args:
        augmented: the estimator's loss `[B]` on augmented poses.
        original: the same on the originals.
        hardness: beta, above 1.
    """
    exponent = augmented - hardness * original
    bounded = ops.minimum(exponent, _STEEPEST)
    growth = ops.exp(bounded) * (1 + exponent - bounded)
    return ops.mean(ops.abs(1 - growth))


def bounded_feedback(
    augmented: Any, original: Any, hardness: Any, slack: float, body: Body
) -> Any:
    """The released code's feedback: ratios of errors, of three groups of joints.

    A ratio within `slack` of `hardness` costs nothing, beyond that the square of its
    distance.

    Args:
        augmented: errors `[B, J]` of the estimator on augmented poses, metres.
        original: the same on the originals.
        hardness: wanted ratio.
        slack: see above.
        body: names the groups and the weights of joints in them.
    """
    ratios = []
    for group in body.joint_groups:
        harder, easier = (
            sum(errors[:, j] * body.joint_weights[j] for j in group) / len(group)
            for errors in (augmented, original)
        )
        ratios.append(harder / ops.maximum(easier, _EASIEST))
    return _beyond(ops.stack(ratios, axis=-1) - hardness, slack)


def hinged_regulariser(augmented: Augmented, threshold: float = 0.1) -> Any:
    """The paper's, equation 10: the square of the mean change where above a threshold.

    Args:
        augmented: by `Augmentor`.
        threshold: 0.1 (supplement).
    """
    means = ops.mean(ops.abs(augmented.directions), axis=(-2, -1))
    lengths = ops.mean(ops.abs(augmented.lengths), axis=-1)
    return _beyond(means, threshold) + _beyond(lengths, threshold)


def range_regulariser(augmented: Augmented) -> Any:
    """The released code's: the mean 1 - cos of a pose's limbs is to be 0.205 +- 0.165.

    So it also keeps the augmentor from doing nothing. Lengths may change by a tenth.
    """
    angles = ops.mean(augmented.angle_change, axis=-1) - _ANGLE_MIDDLE
    return _beyond(angles, _ANGLE_WIDTH) + _beyond(augmented.lengths, _LENGTH_LIMIT)


def view_spread(rotations: Any) -> Any:
    """How much rotations differ: 0 where all are the same, 1 if evenly spread.

    1 - |mean of R| / sqrt(3), the spread of directional statistics with rotations in
    place of directions. Evenly all round one axis makes 0.42; tilting that axis by 20
    degrees (deviation) about both others makes 0.5.

    Args:
        rotations: matrices `[B, 3, 3]`.
    """
    mean = ops.mean(rotations, axis=0)
    return 1 - ops.sqrt(ops.sum(ops.square(mean)) / 3 + 1e-12)


def _beyond(values: Any, slack: float) -> Any:
    """Mean of squares, of which those below the square of `slack` count as 0."""
    squares = ops.square(values)
    return ops.mean(ops.where(squares > slack**2, squares, ops.zeros_like(squares)))
