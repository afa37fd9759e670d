"""The lifter's feedback to the augmentor (section 3.2, equation 9)."""

import dataclasses
from typing import Any

import keras
from keras import ops

from tfpose.lifters.loss import joint_errors, pose_losses, relative_to_root
from tfpose.lifters.views import project_poses
from tfpose.poseaug.augmentor import Augmented
from tfpose.poseaug.body import Body
from tfpose.poseaug.loss import bounded_feedback, exponential_feedback

__all__ = ["Feedback", "Hardness"]

_MIN_ERROR = 1e-6  # Metres; smaller divisors are replaced by this.


@dataclasses.dataclass(frozen=True)
class Hardness:
    """Target ratio of the lifter's errors on augmented and on source poses.

    Attributes:
        weight: weight of this term in the feedback; 0 leaves it out.
        start: target ratio at the start of training.
        end: target ratio at the end of training; linear in between.
        slack: for the bounded feedback: the loss is 0 for ratios within this distance
            of the target.
    """

    weight: float
    start: float
    end: float
    slack: float

    def at(self, progress: Any) -> Any:
        """Target ratio after a share `progress`, 0 to 1, of training."""
        return self.start + (self.end - self.start) * progress


class Feedback:
    """The part of the augmentor's loss that depends on the lifter.

    The lifter runs as at inference, without dropout and with its moving averages, which
    do not change.

    Args:
        lifter: a `LiftingNet`.
        kind: "exponential" (equation 9), "bounded" (the released code's), or "none".
        whole: target hardness of the whole augmented poses.
        rotated: target hardness of poses in which only limbs were rotated.
    """

    def __init__(
        self, lifter: keras.Model, kind: str, whole: Hardness, rotated: Hardness
    ) -> None:
        self._lifter, self._kind = lifter, kind
        self._whole, self._rotated = whole, rotated
        self._body = Body(lifter.skeleton)

    def __call__(
        self,
        source: tuple[Any, Any],
        augmented: Augmented,
        augmented_2d: Any,
        intrinsics: Any,
        progress: Any,
    ) -> tuple[Any, Any]:
        """The loss, and the ratio of errors on augmented and on source poses.

        Args:
            source: positions `[B, J, 3]`, metres, and normalised keypoints `[B, J, 2]`.
            augmented: the augmentor's output for them.
            augmented_2d: keypoints of `augmented.positions`, `[B, J, 2]`, normalised.
            intrinsics: `[B, 9]`, normalised.
            progress: share of training that is done, 0 to 1.

        Returns:
            Two scalars.
        """
        original = self._lift(*source)
        whole = self._lift(augmented.positions, augmented_2d)
        errors = [ops.mean(joint_errors(*pair)) for pair in (whole, original)]
        ratio = errors[0] / ops.maximum(errors[1], _MIN_ERROR)
        if self._kind == "none":
            return ops.zeros(()), ratio
        total = self._term(whole, original, self._whole, progress)
        if self._rotated.weight > 0:
            positions = augmented.rotated
            rotated = self._lift(positions, project_poses(positions, intrinsics))
            total += self._term(rotated, original, self._rotated, progress)
        return total, ratio

    def _lift(self, positions: Any, keypoints: Any) -> tuple[Any, Any]:
        """Predictions and ground truth, relative to the root."""
        predictions = self._lifter(keypoints, training=False)
        return predictions, relative_to_root(positions, self._lifter.skeleton.root)

    def _term(
        self, augmented: Any, original: Any, target: Hardness, progress: Any
    ) -> Any:
        hardness = target.at(progress)
        if self._kind == "exponential":
            loss = exponential_feedback(
                pose_losses(*augmented), pose_losses(*original), hardness
            )
        else:
            loss = bounded_feedback(
                joint_errors(*augmented),
                joint_errors(*original),
                hardness,
                target.slack,
                self._body,
            )
        return target.weight * loss
