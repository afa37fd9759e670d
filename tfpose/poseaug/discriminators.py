"""Discriminators of real and augmented poses: parts of the 3D pose, and keypoints."""

from typing import Any

import keras
import numpy as np
from keras import ops

from tfpose.adversarial.layers import ResidualScorer, dense, leaky
from tfpose.geometry import kinematic_chain_space, limb_vectors
from tfpose.poseaug.body import Body
from tfpose.skeletons import Skeleton

__all__ = ["KeypointDiscriminator", "PartDiscriminator"]


class PartDiscriminator(keras.Model):
    """Scores of arms, legs and torso, `[B, 5]`; 1 means real, 0 augmented.

    The input of the layers are the cosines between a part's limbs (kinematic chain
    space of unit vectors), which do not depend on size, position or view. Each part has
    its own discriminator.

    Args:
        skeleton: skeleton of the poses.
        units: units of the hidden layers.
        dtype: Keras dtype policy of the hidden layers. Defaults to the global one.

    Raises:
        InputError: the skeleton lacks shoulders or hips.

    References: section 3.3 and the supplement; Wandt and Rosenhahn, "RepNet", CVPR
    2019 (arXiv:1902.09868).
    """

    def __init__(
        self, skeleton: Skeleton, units: int = 256, dtype: Any = None, **kwargs: Any
    ) -> None:
        # The inputs stay in float32 up to the first layer.
        super().__init__(dtype=dtype, autocast=False, **kwargs)
        body = Body(skeleton)
        count = len(body.limbs)
        self._parents = skeleton.parents
        self._masks = []
        for part in body.parts:
            mask = np.zeros((count, 1), np.float32)
            mask[list(part)] = 1
            self._masks.append(mask)
        policy = self.dtype_policy
        self.discriminators = [
            ResidualScorer(units, 100, name=f"part{i}", dtype=policy)
            for i in range(len(self._masks))
        ]
        self._size = count**2

    def call(self, positions: Any) -> Any:
        """Scores `[B, 5]` of poses.

        Args:
            positions: float32 `[B, J, 3]`, metres, of any origin.
        """
        cosines = kinematic_chain_space(limb_vectors(positions, self._parents))
        scores = []
        for mask, discriminator in zip(self._masks, self.discriminators, strict=True):
            # Zero outside of the part, as if the other limbs had no length.
            part = cosines * (mask * mask.T)
            scores.append(discriminator(ops.reshape(part, (-1, self._size))))
        return ops.concatenate(scores, axis=-1)


class KeypointDiscriminator(keras.Model):
    """Score `[B, 1]` of normalised keypoints; 1 means real, 0 augmented.

    Args:
        units: units of the hidden layers.
        dtype: Keras dtype policy of the hidden layers. Defaults to the global one.

    References: section 3.3 and the supplement; the released code.
    """

    def __init__(self, units: int = 100, dtype: Any = None, **kwargs: Any) -> None:
        super().__init__(dtype=dtype, autocast=False, **kwargs)
        policy = self.dtype_policy
        self.hidden = [dense(units, f"dense{i}", policy) for i in range(5)]
        self.last = dense(1, "last", "float32")

    def call(self, keypoints: Any) -> Any:
        """Scores `[B, 1]` of keypoints.

        Args:
            keypoints: float32 `[B, J, 2]`, normalised as by
                `tfpose.geometry.normalize_keypoints`.
        """
        x = ops.reshape(keypoints, (-1, keypoints.shape[1] * 2))
        first, second, third, fourth, fifth = self.hidden
        residual = leaky(first(x))
        x = leaky(third(leaky(second(residual))) + residual)
        return self.last(leaky(fifth(fourth(x))))
