"""Refinement of a lifted pose: until it looks like its keypoints, with likely limbs."""

import dataclasses
from typing import Any

import numpy as np
from keras import ops

from tfpose.errors import InputError
from tfpose.geometry import (
    centre_keypoints,
    keypoint_size,
    limb_ends,
    limb_lengths,
    limb_vectors,
)
from tfpose.lifters.net import LiftingNet
from tfpose.lifters.unit_view import unit_view
from tfpose.skeletons import Skeleton

__all__ = ["LimbLengths", "Refiner"]

# Adam's constants.
_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8
# Least length that another is divided by, metres.
_SHORTEST = 0.01


@dataclasses.dataclass(frozen=True)
class LimbLengths:
    """Limb lengths of a lifter's training data, metres, in `limb_vectors`' order.

    Attributes:
        mean: one number for each limb.
        std: standard deviation of each; at least a hundredth of the mean is used.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(cls, net: LiftingNet) -> "LimbLengths":
        """Those that a lifter keeps.

        Raises:
            InputError: it keeps none, or not one for each limb.
        """
        kept: Any = net.info.get("limb_lengths")
        limbs = net.skeleton.num_joints - 1
        try:
            mean = np.asarray(kept["mean"], np.float64)
            std = np.asarray(kept["std"], np.float64)
        except (KeyError, TypeError, ValueError):
            raise InputError(
                f"{net.name}: keeps no limb_lengths of its training data, expected a "
                "lifter of tfpose's trainers"
            ) from None
        if mean.shape != (limbs,) or std.shape != (limbs,) or not (mean > 0).all():
            raise InputError(
                f"{net.name}: limb_lengths: expected {limbs} lengths above 0 and as "
                "many deviations"
            )
        std = np.maximum(std, 0.01 * mean)
        return cls(tuple(mean.tolist()), tuple(std.tolist()))


@dataclasses.dataclass(frozen=True)
class Refiner:
    """Adam steps on a pose itself, not on the lifter.

    The objective, for keypoints x (centred, of size 1) and the lifted pose X0:

        sum |x - unit_view(X)|^2 + limb_weight sum ((length - mean) / std)^2
        + symmetry_weight sum (left / right - 1)^2 + stay_weight sum |X - X0|^2

    Attributes:
        skeleton: of the poses.
        limb_lengths: what limbs should be like; None if limb_weight is 0.
        steps: of Adam.
        rate: Adam's learning rate at first, metres; it falls to 0 in a line.
        limb_weight: of limb lengths that are unlike the training data's.
        symmetry_weight: of left and right limbs of different length.
        stay_weight: of distance from the lifted pose.
        distance: of the camera, metres, see `unit_view`.
    """

    skeleton: Skeleton
    limb_lengths: LimbLengths | None
    steps: int = 60
    rate: float = 0.02
    limb_weight: float = 0.02
    symmetry_weight: float = 0.0
    stay_weight: float = 0.3
    distance: float = 5.0

    def __call__(self, positions: Any, keypoints: Any) -> Any:
        """Refined poses.

        Args:
            positions: float32 `[B, J, 3]`, metres, relative to the root.
            keypoints: float32 `[B, J, 2]`, any unit.

        Returns:
            `[B, J, 3]`; the root's row stays 0. No gradient flows back.
        """
        lifted = ops.stop_gradient(positions)
        target = centre_keypoints(ops.stop_gradient(keypoints), self.skeleton.root)

        def step(number: Any, state: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
            pose, first, second = state
            gradient = self.gradient(pose, target, lifted)
            first = _BETA_1 * first + (1 - _BETA_1) * gradient
            second = _BETA_2 * second + (1 - _BETA_2) * gradient * gradient
            done = ops.cast(number, pose.dtype)
            rate = self.rate * (1 - done / self.steps)
            rate = rate / (1 - ops.power(_BETA_1, done + 1))
            root = ops.sqrt(second / (1 - ops.power(_BETA_2, done + 1)))
            return pose - rate * first / (root + _EPSILON), first, second

        zeros = ops.zeros_like(lifted)
        pose, _, _ = ops.fori_loop(0, self.steps, step, (lifted, zeros, zeros))
        return pose

    def energy(self, positions: Any, keypoints: Any) -> Any:
        """How little poses look like their keypoints, and like bodies; `[B]`.

        The first three terms of the objective. No ground truth is needed.
        """
        target = centre_keypoints(keypoints, self.skeleton.root)
        seen = unit_view(positions, self.skeleton.root, self.distance)
        energy = ops.sum(ops.square(seen - target), axis=(-2, -1))
        lengths = limb_lengths(limb_vectors(positions, self.skeleton.parents))
        if self.limb_lengths is not None:
            mean, std = self._limbs()
            off = (lengths - mean) / std
            energy = energy + self.limb_weight * ops.sum(ops.square(off), axis=-1)
        for left, right in self._pairs():
            off = lengths[..., left] / ops.maximum(lengths[..., right], _SHORTEST) - 1
            energy = energy + self.symmetry_weight * ops.square(off)
        return energy

    def gradient(self, positions: Any, target: Any, lifted: Any) -> Any:
        """Gradient of the objective, `[B, J, 3]`; the root does not move.

        By hand, so that it needs no tape: it is compiled, exported, and runs with every
        backend of Keras.

        Args:
            positions: `[B, J, 3]`, the pose X.
            target: `[B, J, 2]`, the keypoints, centred, of size 1.
            lifted: `[B, J, 3]`, the pose X0.
        """
        gradient = self._of_view(positions, target) + self._of_limbs(positions)
        gradient = gradient + 2 * self.stay_weight * (positions - lifted)
        moves = np.ones((self.skeleton.num_joints, 1), np.float32)
        moves[self.skeleton.root] = 0
        return gradient * moves

    def _of_view(self, positions: Any, target: Any) -> Any:
        x, y, z = ops.split(positions, 3, axis=-1)
        away, nearest = z + self.distance, 0.1 * self.distance
        depth = ops.maximum(away, nearest)
        seen = ops.concatenate([x, y], axis=-1) / depth
        root = ops.split(seen, self.skeleton.num_joints, axis=-2)[self.skeleton.root]
        size = keypoint_size(seen, self.skeleton.root)
        unit = (seen - root) / size
        of_unit = 2 * (unit - target)
        # A joint that moves outwards makes the body larger, and all others nearer.
        along = ops.mean(
            ops.sum(of_unit * unit, axis=-1, keepdims=True), axis=-2, keepdims=True
        )
        of_seen = (of_unit - unit * along) / size
        of_depth = -ops.sum(of_seen * seen, axis=-1, keepdims=True) / depth
        in_front = ops.cast(away > nearest, positions.dtype)
        return ops.concatenate([of_seen / depth, of_depth * in_front], axis=-1)

    def _of_limbs(self, positions: Any) -> Any:
        limbs = limb_vectors(positions, self.skeleton.parents)
        lengths = limb_lengths(limbs)
        of_lengths = ops.zeros_like(lengths)
        if self.limb_lengths is not None:
            mean, std = self._limbs()
            of_lengths = of_lengths + 2 * self.limb_weight * (lengths - mean) / std**2
        if self.symmetry_weight:
            columns = ops.unstack(ops.zeros_like(lengths), axis=-1)
            by_limb = ops.unstack(lengths, axis=-1)
            for left, right in self._pairs():
                below = ops.maximum(by_limb[right], _SHORTEST)
                off = 2 * self.symmetry_weight * (by_limb[left] / below - 1) / below
                columns[left] = off
                shrinks = ops.cast(by_limb[right] > _SHORTEST, off.dtype)
                columns[right] = -off * by_limb[left] / below * shrinks
            of_lengths = of_lengths + ops.stack(columns, axis=-1)
        directions = limbs / ops.maximum(lengths, 1e-6)[..., None]
        return ops.matmul(self._ends(), of_lengths[..., None] * directions)

    def _limbs(self) -> tuple[np.ndarray, np.ndarray]:
        assert self.limb_lengths is not None
        mean, std = self.limb_lengths.mean, self.limb_lengths.std
        return np.array(mean, np.float32), np.array(std, np.float32)

    def _pairs(self) -> list[tuple[int, int]]:
        """Limbs of the left side, and the same of the right."""
        if not self.symmetry_weight:
            return []
        limbs = limb_ends(self.skeleton.parents)
        return [
            (limbs.index(left), limbs.index(right))
            for left, right in self.skeleton.flip_pairs
            if left in limbs and right in limbs
        ]

    def _ends(self) -> np.ndarray:
        """`[J, J - 1]`: 1 at the end of each limb, -1 at its beginning."""
        limbs = limb_ends(self.skeleton.parents)
        ends = np.zeros((self.skeleton.num_joints, len(limbs)), np.float32)
        for column, joint in enumerate(limbs):
            ends[joint, column] += 1
            ends[self.skeleton.parents[joint], column] -= 1
        return ends
