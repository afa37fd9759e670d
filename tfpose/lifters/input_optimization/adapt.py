"""Adam steps on a lifter's input, so that its output fits what was seen."""

import dataclasses
from typing import Any

import tensorflow as tf

from tfpose.geometry import keypoint_size
from tfpose.lifters.net import LiftingNet
from tfpose.lifters.refine import Refiner

__all__ = ["InputOptimizer"]

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8


@dataclasses.dataclass(frozen=True)
class InputOptimizer:
    """Poses of a lifter for keypoints moved until the pose fits those that were seen.

    The objective is that of a `Refiner`, of which the lifted pose is a function of the
    keypoints given: so the result is a pose that the lifter can make. After UAO (arXiv:
    2402.02339, section 3.3), which moves a latent code behind the input and weighs
    joints by an uncertainty that only its own network has.

    Attributes:
        net: the lifter; it is called, not changed.
        refiner: has the objective; its steps and its rate are not used.
        steps: of Adam; the paper's are 4.
        rate: Adam's learning rate, in sizes of the person
            (`tfpose.geometry.keypoint_size`).
    """

    net: LiftingNet
    refiner: Refiner
    steps: int = 4
    rate: float = 0.005

    def __call__(self, keypoints: Any) -> Any:
        """Poses float32 `[B, J, 3]`, metres, for `[B, J, 2]`, normalised."""
        seen = tf.convert_to_tensor(keypoints)
        size = keypoint_size(seen, self.net.skeleton.root)
        code = tf.zeros_like(seen)
        first, second = tf.zeros_like(code), tf.zeros_like(code)
        for step in range(1, self.steps + 1):
            with tf.GradientTape() as tape:
                tape.watch(code)
                pose = self.net(seen + code * size, training=False)
                energy = tf.reduce_sum(self.refiner.energy(pose, seen))
            gradient = tape.gradient(energy, code)
            first = _BETA_1 * first + (1 - _BETA_1) * gradient
            second = _BETA_2 * second + (1 - _BETA_2) * gradient * gradient
            root = tf.sqrt(second / (1 - _BETA_2**step))
            code -= self.rate * first / (1 - _BETA_1**step) / (root + _EPSILON)
        return self.net(seen + code * size, training=False)
