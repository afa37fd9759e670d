"""The augmentor: a network that changes a pose and its view to a harder one."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from tfpose.adversarial.layers import SLOPE, dense, leaky
from tfpose.geometry import (
    limb_directions,
    limb_lengths,
    limb_vectors,
    positions_from_limbs,
    rotation_matrices,
)
from tfpose.poseaug.body import Body
from tfpose.skeletons import Skeleton

__all__ = ["NOISE", "OPERATORS", "Augmented", "Augmentor"]

NOISE = 48
"""Random numbers that are an input of each of the four networks, beside the pose."""

OPERATORS = ("bone_angle", "bone_length", "rigid")
"""The operators on a pose: rotate limbs, change limb lengths, move the whole body."""

_UNITS = 256
_LAYERS = 5
_MAX_LENGTH_CHANGE = 0.2
_MAX_ANGLE = 3.1415
# Factor on the initial weights of the last layer that rotates limbs.
_INITIAL_SCALE = 0.1
# Initial standard deviation of the rotations before tanh, about the camera's axes:
# nearly uniform about the vertical axis, some 20 degrees about the others.
_INITIAL_ROTATION_STD = (0.1, 0.9, 0.1)
# Mean and standard deviation of a leaky ReLU of standard normal values.
_LEAKY_MEAN = (1 - SLOPE) / (2 * math.pi) ** 0.5
_LEAKY_STD = ((1 + SLOPE**2) / 2 - _LEAKY_MEAN**2) ** 0.5


def _set_output_statistics(
    last: keras.layers.Dense, mean: np.ndarray, std: np.ndarray
) -> None:
    """Scales a last layer so that its outputs have this mean and std, `[outputs]`."""
    # The layer's inputs are leaky ReLUs of normal values.
    kernel = ops.convert_to_numpy(last.kernel)
    kernel = kernel * std / np.linalg.norm(kernel, axis=0) / _LEAKY_STD
    last.kernel.assign(kernel)
    last.bias.assign(mean - _LEAKY_MEAN * kernel.sum(axis=0))


class Augmented(NamedTuple):
    """A batch of poses after each operator, and the changes made.

    Positions are metres in the camera's frame, `[B, J, 3]`.
    """

    rotated: Any
    """Positions after rotation of the limbs (bone angles); the root is unchanged."""
    stretched: Any
    """Positions after the change of limb lengths, too."""
    positions: Any
    """Positions after rotation and translation of the body, too: the augmented pose."""
    directions: Any
    """Change added to the limbs' directions, `[B, L, 3]` (gamma_ba)."""
    lengths: Any
    """Relative change of the lengths, `[B, G]`, G groups of limbs (gamma_bl)."""
    angle_change: Any
    """1 minus the cosine of each limb's angle of rotation, `[B, L]`."""
    rotation: Any
    """Rotation of the whole body, `[B, 3, 3]`."""


@keras.saving.register_keras_serializable(package="tfpose")
class _Perceptron(keras.layers.Layer):
    """Five times dense, batch normalisation and leaky ReLU; then a last dense layer."""

    def __init__(self, outputs: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.outputs = outputs
        self.hidden = []
        for i in range(_LAYERS):
            self.hidden += [
                dense(_UNITS, f"dense{i}", self.dtype_policy),
                # PyTorch's momentum 0.1 is 0.9 here.
                keras.layers.BatchNormalization(
                    momentum=0.9,
                    epsilon=1e-5,
                    name=f"norm{i}",
                    dtype=self.dtype_policy,
                ),
            ]
        self.last = dense(outputs, "last", "float32")

    def build(self, input_shape: Any) -> None:
        width = input_shape[-1]
        for layer in self.hidden:
            layer.build((None, width))
            width = _UNITS
        self.last.build((None, width))

    def call(self, x: Any, training: bool | None = None) -> Any:
        for dense_layer, norm in zip(self.hidden[::2], self.hidden[1::2], strict=True):
            x = leaky(norm(dense_layer(x), training=training))
        return self.last(x)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        return (*input_shape[:-1], self.outputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "outputs": self.outputs}


@keras.saving.register_keras_serializable(package="tfpose")
class Augmentor(keras.Model):
    """Bone angles, bone lengths, rotation and translation of a pose, in this order.

        B = |B| b;   b' = (b + gamma_ba) / |b + gamma_ba|;   |B'| = |B| (1 + gamma_bl)
        X' = R H^-1(B') + t

    Each of the four is predicted by a separate network from noise and the original pose
    relative to its root, as in the released code. The directions of the trunk's limbs
    and the length of its last limb do not change. Left and right lengths change by the
    same factor, by at most 20 %. t is (a, b, c^2), so that no body is moved behind the
    camera.

    Args:
        skeleton: skeleton of the poses.
        operators: the operators to apply, names from `OPERATORS`.
        dtype: Keras dtype policy of the hidden layers. Defaults to the global one.

    Raises:
        InputError: the skeleton lacks shoulders or hips.

    References: equations 4 to 7; section A of the supplement; the released code.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        operators: Sequence[str] = OPERATORS,
        dtype: Any = None,
        name: str = "augmentor",
        **kwargs: Any,
    ) -> None:
        # Positions stay in float32; only the hidden layers cast them.
        super().__init__(name=name, dtype=dtype, autocast=False, **kwargs)
        self.skeleton = skeleton
        self.operators = tuple(operators)
        body = Body(skeleton)
        count = len(body.limbs)
        self._parents = skeleton.parents
        self._direction_mask = np.ones((count, 1), np.float32)
        self._direction_mask[list(body.trunk)] = 0
        groups = np.array(body.length_groups)
        changes = int(groups.max()) + 1
        self._length_mask = np.ones(changes, np.float32)
        self._length_mask[list(body.fixed_lengths)] = 0
        # One-hot, `[G, L]`: the group of each limb.
        self._group_of_limb = np.eye(changes, dtype=np.float32)[groups].T
        policy = self.dtype_policy
        self.angle_net = _Perceptron(3 * count, name="angle_net", dtype=policy)
        self.length_net = _Perceptron(changes, name="length_net", dtype=policy)
        self.rotation_net = _Perceptron(3, name="rotation_net", dtype=policy)
        self.translation_net = _Perceptron(3, name="translation_net", dtype=policy)
        pose = 3 * skeleton.num_joints + NOISE
        self.angle_net.build((None, pose))
        self.length_net.build((None, pose + count))
        self.rotation_net.build((None, pose))
        self.translation_net.build((None, pose))
        self.built = True

    def start_gently(self, roots: np.ndarray) -> None:
        """Sets weights that begin with small changes and upright bodies near `roots`.

        With the usual initial weights, bodies are upside down and within a metre of the
        camera. Discriminators recognise such bodies before the augmentor can learn from
        them, and only a large data set overcomes that. They would also recognise bodies
        that are all at one place, so the initial translations have the mean and
        standard deviation of `roots`. The bodies face all directions, because a small
        initial variety of views stays small.

        Args:
            roots: `[N, 3]`, metres: the roots of N people, in the camera's frame.
        """
        kernel, bias = self.angle_net.last.kernel, self.angle_net.last.bias
        kernel.assign(kernel * _INITIAL_SCALE)
        bias.assign(ops.zeros_like(bias))
        _set_output_statistics(
            self.rotation_net.last, np.zeros(3), np.array(_INITIAL_ROTATION_STD)
        )
        # t is (a, b, c^2).
        outputs = np.stack([*roots[:, :2].T, np.sqrt(np.maximum(roots[:, 2], 0))], -1)
        _set_output_statistics(
            self.translation_net.last, outputs.mean(axis=0), outputs.std(axis=0)
        )

    def call(
        self, positions: Any, noise: Any, training: bool | None = None
    ) -> Augmented:
        """Augments a batch of poses.

        Args:
            positions: float32 `[B, J, 3]`, metres, in the camera's frame.
            noise: float32 `[B, 4, NOISE]`, standard normal.
            training: whether batch normalisation uses the batch's statistics.

        Returns:
            The poses after each operator, and the changes.
        """
        root_index = self.skeleton.root
        root = positions[:, root_index : root_index + 1]
        limbs = limb_vectors(positions, self._parents)
        directions, lengths = limb_directions(limbs), limb_lengths(limbs)
        pose = ops.reshape(positions - root, (-1, 3 * self.skeleton.num_joints))

        def predict(net: Any, index: Any, *features: Any) -> Any:
            inputs = ops.concatenate([pose, *features, noise[:, index]], axis=-1)
            return net(inputs, training=training)

        # Equation 4: limb directions.
        added = ops.zeros_like(directions)
        new_directions = directions
        if "bone_angle" in self.operators:
            added = ops.reshape(predict(self.angle_net, 0), ops.shape(directions))
            added = added * self._direction_mask
            new_directions = limb_directions(directions + added)
        changes = ops.zeros_like(positions[:, 0, :1]) * self._length_mask
        if "bone_length" in self.operators:
            changes = predict(self.length_net, 1, lengths) * self._length_mask
            changes = _MAX_LENGTH_CHANGE * ops.tanh(changes)
        factors = 1 + ops.matmul(changes, self._group_of_limb)
        origin = root[:, 0]
        rotated_limbs = new_directions * lengths[..., None]
        rotated = positions_from_limbs(rotated_limbs, origin, self._parents)
        stretched_limbs = new_directions * (lengths * factors)[..., None]
        stretched = positions_from_limbs(stretched_limbs, origin, self._parents)
        if "rigid" in self.operators:
            axis_angle = _MAX_ANGLE * ops.tanh(predict(self.rotation_net, 2))
            rotation = rotation_matrices(axis_angle)
            relative = ops.matmul(stretched - root, ops.swapaxes(rotation, -1, -2))
            shift = predict(self.translation_net, 3)
            shift = ops.concatenate([shift[:, :2], ops.square(shift[:, 2:])], axis=-1)
            augmented = relative + shift[:, None]
        else:
            rotation = rotation_matrices(ops.zeros_like(origin))
            augmented = stretched
        return Augmented(
            rotated=rotated,
            stretched=stretched,
            positions=augmented,
            directions=added,
            lengths=changes,
            angle_change=1 - ops.sum(new_directions * directions, axis=-1),
            rotation=rotation,
        )

    def get_config(self) -> dict[str, Any]:
        return {
            "skeleton": self.skeleton.to_dict(),
            "operators": list(self.operators),
            "dtype": self.dtype_policy.name,
            "name": self.name,
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Any = None
    ) -> "Augmentor":
        skeleton = Skeleton.from_dict(config["skeleton"])
        return cls(**{**config, "skeleton": skeleton})
