"""The least that a step of ISO does: arithmetic, and bytes of weights and moments."""

import dataclasses
from collections.abc import Sequence

__all__ = ["Kernels", "StepCost", "step_cost"]

_FLOAT = 4


@dataclasses.dataclass(frozen=True)
class Kernels:
    """Shapes (inputs, outputs) of a net's dense layers, in the order of a pass.

    Attributes:
        extractor: of the shared feature extractor.
        head: of a head; the SSL head has the same.
        prior: of the discriminator; empty without one.
    """

    extractor: Sequence[tuple[int, int]]
    head: Sequence[tuple[int, int]]
    prior: Sequence[tuple[int, int]] = ()


@dataclasses.dataclass(frozen=True)
class StepCost:
    """What a gradient step cannot do without.

    Attributes:
        flops: of matrix products; a multiply and an add are two.
        bytes: weights read once a pass, forward or back; of weights that move, also
            they and both moments read and written by Adam. Gradients stay in caches.
        moved: numbers of weights that move.
    """

    flops: float
    bytes: float
    moved: int

    def seconds(self, rate: float, bandwidth: float) -> float:
        """At so many FLOPs a second and bytes a second, if both go on at once."""
        return max(self.flops / rate, self.bytes / bandwidth)


def step_cost(kernels: Kernels, task: str, copies: int) -> StepCost:
    """Of a step of the task `refine` or `cycle` on one sample.

    Args:
        kernels: the net's.
        task: what it learns from.
        copies: of the sample.
    """
    extractor, head, prior = kernels.extractor, kernels.head, kernels.prior
    lifter = [*extractor, *head]
    everything, first = _products(lifter), _products(lifter[:1])
    if task == "refine":
        # The pose alone is lifted, and it and its views; back through the frozen head
        # to the extractor's weights. Nothing goes back into the keypoints.
        batch = 1 + copies
        products = everything * (1 + batch)
        products += batch * (everything - first + _products(extractor))
        reads = 3 * _weights(lifter)
        moved = _weights(extractor)
    else:
        # Lift the pose, and each view again; back through both, to keypoints only in
        # the second. The discriminator: each view forward, back to its keypoints for
        # the lifter and to its weights for itself; the real pose forward and back.
        products = copies * 3 * everything + 3 * everything - first
        of_prior, first_of_prior = _products(prior), _products(prior[:1])
        products += copies * (4 * of_prior - first_of_prior)
        products += 3 * of_prior - first_of_prior
        # Both lifts, there and back; the discriminator for the lifter, and for itself.
        reads = 4 * _weights(lifter) + 4 * _weights(prior)
        moved = _weights(lifter) + _weights(prior)
    return StepCost(2.0 * products, _FLOAT * (reads + 6.0 * moved), moved)


def _products(kernels: Sequence[tuple[int, int]]) -> int:
    return sum(a * b for a, b in kernels)


def _weights(kernels: Sequence[tuple[int, int]]) -> int:
    return sum((a + 1) * b for a, b in kernels)
