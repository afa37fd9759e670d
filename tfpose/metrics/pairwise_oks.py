"""OKS between poses of which none is ground truth."""

import numpy as np

from tfpose.skeletons import Skeleton

__all__ = ["pairwise_oks"]

# About the mean of COCO's, for joints that have none.
_USUAL_SIGMA = 0.08


def pairwise_oks(
    first: np.ndarray,
    second: np.ndarray,
    areas: np.ndarray,
    skeleton: Skeleton,
    counted: np.ndarray | None = None,
) -> np.ndarray:
    """How alike poses are: the mean over the joints of exp(-d^2 / (8 area k^2)).

    Args:
        first: `[P, J, 2]`, pixels.
        second: `[Q, J, 2]`, pixels.
        areas: square pixels, that of each pair; of a shape that `[P, Q]` can have.
        skeleton: the joints, with sigmas k; without, k is 0.08 for each.
        counted: bool `[P, Q, J]`, the joints to compare; all if None. A pair without
            any has 0.

    Returns:
        `[P, Q]`, 0..1.
    """
    sigmas = skeleton.sigmas or (_USUAL_SIGMA,) * skeleton.num_joints
    variances = (2 * np.array(sigmas)) ** 2
    squares = np.square(first[:, None] - second[None]).sum(axis=-1)
    areas = np.asarray(areas, np.float64)[..., None] + np.spacing(1)
    alike = np.exp(-squares / variances / areas / 2)
    if counted is None:
        return alike.mean(axis=-1)
    return np.where(counted, alike, 0).sum(axis=-1) / np.maximum(
        counted.sum(axis=-1), 1
    )
