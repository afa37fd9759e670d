"""Losses of least-squares GANs; all are scalars, float32.

Reference: Mao et al., "Least Squares Generative Adversarial Networks", ICCV 2017
(arXiv:1611.04076).
"""

from typing import Any

from keras import ops

__all__ = ["adversarial_loss", "discriminator_loss"]


def adversarial_loss(fake_scores: Any) -> Any:
    """The generator's loss: half the mean of `(score - 1)**2`.

    Args:
        fake_scores: the discriminator's scores of generated samples, any shape.
    """
    return 0.5 * ops.mean(ops.square(fake_scores - 1))


def discriminator_loss(real_scores: Any, fake_scores: Any) -> Any:
    """The discriminator's loss: the target is 1 for real samples, 0 for generated ones.

    Args:
        real_scores: scores of real samples, any shape.
        fake_scores: scores of generated samples, any shape.
    """
    real = ops.mean(ops.square(real_scores - 1))
    return 0.5 * (real + ops.mean(ops.square(fake_scores)))
