"""Number of multiply-adds that PoseAug's training step needs.

Only the matrix products of the dense layers are counted, which are all but one percent
of the arithmetic; limbs, cosines between them, rotations and projection are not.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras

__all__ = ["Products", "model_products", "step_products"]


@dataclasses.dataclass(frozen=True)
class Products:
    """Multiply-adds of a network's dense layers for one pose.

    Attributes:
        forward: multiply-adds of all layers.
        first: multiply-adds of the layers that take the network's input.
    """

    forward: int
    first: int

    @classmethod
    def of(cls, chains: Sequence[Sequence[tuple[int, int]]]) -> "Products":
        """Products of chains of layers, each kernel as (inputs, units)."""
        sizes = [[inputs * units for inputs, units in chain] for chain in chains]
        return cls(sum(map(sum, sizes)), sum(chain[0] for chain in sizes))

    @property
    def backward(self) -> int:
        """Gradients down to the network's input: each kernel once."""
        return self.forward

    @property
    def training(self) -> int:
        """Forward, the kernels' gradients, and gradients down to the first layer."""
        return 3 * self.forward - self.first


def step_products(
    lifter: Products,
    augmentor: Products,
    discriminators: Products,
    discriminator_every: int,
) -> float:
    """Multiply-adds of one step for each pose of its batch, with both feedback terms.

    - The augmentor is trained through the discriminators, and through the lifter on the
      pose with rotated limbs and on the augmented pose; the lifter also lifts the
      source.
    - The discriminators are trained on a real and an augmented pose, in one of
      `discriminator_every` steps.
    - The lifter is trained on an augmented and a real pair, together or alternately.
    """
    adversarial = augmentor.training + discriminators.forward + discriminators.backward
    feedback = 3 * lifter.forward + 2 * lifter.backward
    return (
        adversarial
        + feedback
        + 2 * discriminators.training / discriminator_every
        + 2 * lifter.training
    )


def model_products(model: Any) -> float:
    """`step_products` of a `PoseAugModel` whose feedback has both terms."""
    augmentor = model.augmentor
    nets = ("angle_net", "length_net", "rotation_net", "translation_net")
    chains = [_kernels(getattr(augmentor, name)) for name in nets]
    discriminators = [
        *model.part_discriminator.discriminators,
        model.keypoint_discriminator,
    ]
    return step_products(
        Products.of([_kernels(model.net)]),
        Products.of(chains),
        Products.of([_kernels(discriminator) for discriminator in discriminators]),
        model.config.discriminator_every,
    )


def _kernels(layer: keras.layers.Layer) -> list[tuple[int, int]]:
    """Kernel shapes (inputs, units) of consecutive dense layers."""
    return [tuple(v.shape) for v in layer.trainable_variables if len(v.shape) == 2]
