"""Lifters whose poses are made to fit what was seen, without adaptation."""

from typing import Any

import keras
import tensorflow as tf

from tfpose.errors import InputError
from tfpose.lifters.input_optimization.adapt import InputOptimizer
from tfpose.lifters.pose_lifter import PoseLifter
from tfpose.lifters.refine import LimbLengths, Refiner

__all__ = ["REFINEMENTS", "RefinedLifter"]

REFINEMENTS = {
    "limbs": "the output, with limbs as long as those of the training data",
    "symmetry": "the output, with left limbs as long as right ones",
    "input": "the 2D that the lifter is given, with limbs as in the training data",
}
"""What is moved until a pose fits its keypoints, and what it is like then."""

_STEPS = 60


class RefinedLifter(PoseLifter):
    """A lifter with one of `REFINEMENTS`.

    Args:
        net: of a `LiftingNet`.
        refinement: its name.
        flip_test: as of `PoseLifter`; refinement comes last, or, of the input, before
            the mean.

    Raises:
        InputError: no such refinement, no lifter, or one that keeps no limb lengths
            where they are wanted.
    """

    def __init__(
        self, net: keras.Model, refinement: str, flip_test: bool = False
    ) -> None:
        super().__init__(net, flip_test)
        if refinement not in REFINEMENTS:
            names = ", ".join(REFINEMENTS)
            raise InputError(f"refine: expected one of {names}, got {refinement!r}")
        if refinement == "symmetry":
            refiner = Refiner(
                self.skeleton, None, _STEPS, limb_weight=0.0, symmetry_weight=1.0
            )
        else:
            refiner = Refiner(self.skeleton, LimbLengths.of(self.net), _STEPS)
        self._refiner = refiner
        self._optimizer = None
        if refinement == "input":
            self._optimizer = InputOptimizer(self.net, refiner)
        self._compiled = tf.function(self._refined, reduce_retracing=True)

    def lift(self, keypoints: Any) -> Any:
        return self._compiled(tf.convert_to_tensor(keypoints))

    def _refined(self, keypoints: Any) -> Any:
        positions = super().lift(keypoints)
        if self._optimizer is not None:
            return positions
        return self._refiner(positions, keypoints)

    def _lift_once(self, keypoints: Any) -> Any:
        if self._optimizer is None:
            return super()._lift_once(keypoints)
        return self._optimizer(keypoints)
