"""How the lifter's errors guide the augmentor (section 3.2, equation 9)."""

import dataclasses
from typing import Any

import keras
from keras import ops

from tfpose.lifters.loss import joint_errors, pose_losses, relative_to_root
from tfpose.poseaug.augmentor import Augmented
from tfpose.poseaug.body import Body
from tfpose.poseaug.loss import bounded_feedback, exponential_feedback
from tfpose.poseaug.projection import project_poses

__all__ = ["Feedback", "Hardness"]

_LEAST_ERROR = 1e-6  # Metres; errors are not divided by less.


@dataclasses.dataclass(frozen=True)
class Hardness:
    """How many times as hard as its source an augmented pose shall be.

    Attributes:
        weight: of this term in the feedback; 0 leaves it out.
        start: ratio of the lifter's errors at the start of training.
        end: the same at its end; in between it grows linearly.
        slack: of the bounded feedback: a ratio this near costs nothing.
    """

    weight: float
    start: float
    end: float
    slack: float

    def at(self, progress: Any) -> Any:
        """The wanted ratio when a share `progress`, 0 to 1, of training is over."""
        return self.start + (self.end - self.start) * progress


class Feedback:
    """The lifter's part of the augmentor's loss.

    The lifter is evaluated as it is used, without dropout and with its moving
    averages; evaluating it changes nothing.

    Args:
        lifter: a `LiftingNet`.
        kind: "exponential" (equation 9), "bounded" (the released code's), or "none".
        whole: wanted hardness of whole augmented poses.
        rotated: of poses whose limbs alone were rotated.
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
        """The loss, and how many times as large the errors on augmented poses are.

        Args:
            source: positions `[B, J, 3]`, metres, and normalised keypoints `[B, J, 2]`.
            augmented: what the augmentor made of them.
            augmented_2d: its keypoints, `[B, J, 2]`.
            intrinsics: `[B, 9]`, normalised.
            progress: share of training that is over, 0 to 1.

        Returns:
            Two scalars.
        """
        easier = self._lifted(*source)
        placed = self._lifted(augmented.placed, augmented_2d)
        errors = [ops.mean(joint_errors(*pair)) for pair in (placed, easier)]
        ratio = errors[0] / ops.maximum(errors[1], _LEAST_ERROR)
        if self._kind == "none":
            return ops.zeros(()), ratio
        total = self._term(placed, easier, self._whole, progress)
        if self._rotated.weight > 0:
            positions = augmented.turned
            rotated = self._lifted(positions, project_poses(positions, intrinsics))
            total += self._term(rotated, easier, self._rotated, progress)
        return total, ratio

    def _lifted(self, positions: Any, keypoints: Any) -> tuple[Any, Any]:
        """Predictions and ground truth, relative to the root."""
        predictions = self._lifter(keypoints, training=False)
        return predictions, relative_to_root(positions, self._lifter.skeleton.root)

    def _term(self, harder, easier, wanted: Hardness, progress) -> Any:
        hardness = wanted.at(progress)
        if self._kind == "exponential":
            loss = exponential_feedback(
                pose_losses(*harder), pose_losses(*easier), hardness
            )
        else:
            loss = bounded_feedback(
                joint_errors(*harder),
                joint_errors(*easier),
                hardness,
                wanted.slack,
                self._body,
            )
        return wanted.weight * loss
