"""The augmentor: a network that makes a harder pose and view of a pose."""

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
"""Random numbers that each of the four networks gets beside the pose."""

OPERATORS = ("bone_angle", "bone_length", "rigid")
"""What can be done to a pose: turn limbs, change their lengths, turn and move all."""

_UNITS = 256
_LAYERS = 5
_LONGEST = 0.2
_HALF_TURN = 3.1415
_GENTLY = 0.1
# Deviation of the turns before tanh, about the camera's axes: nearly evenly all round
# the vertical one, by some 20 degrees about the others.
_VIEWS = (0.1, 0.9, 0.1)
# Mean and deviation of the hidden layers' leaky ReLU of standard normal values.
_LEAKY_MEAN = (1 - SLOPE) / (2 * math.pi) ** 0.5
_LEAKY_STD = ((1 + SLOPE**2) / 2 - _LEAKY_MEAN**2) ** 0.5


def _spread(last: keras.layers.Dense, mean: np.ndarray, std: np.ndarray) -> None:
    """Gives a last layer outputs of a mean and deviation, `[outputs]` each."""
    # Its inputs are leaky ReLUs of normal values.
    kernel = ops.convert_to_numpy(last.kernel)
    kernel = kernel * std / np.linalg.norm(kernel, axis=0) / _LEAKY_STD
    last.kernel.assign(kernel)
    last.bias.assign(mean - _LEAKY_MEAN * kernel.sum(axis=0))


class Augmented(NamedTuple):
    """A batch of poses as it is changed, one operator after the other.

    Positions are metres in the camera's frame, `[B, J, 3]`.
    """

    turned: Any
    """After the bone angles; the root is where it was."""
    stretched: Any
    """After the bone lengths, too."""
    placed: Any
    """After rotation and translation of the whole body, too: the augmented pose."""
    directions: Any
    """What was added to the limbs' directions, `[B, L, 3]` (gamma_ba)."""
    lengths: Any
    """Relative change of the lengths, `[B, G]`, G groups of limbs (gamma_bl)."""
    angle_change: Any
    """1 minus the cosine of each limb's turn, `[B, L]`."""
    rotation: Any
    """Of the whole body, `[B, 3, 3]`."""


@keras.saving.register_keras_serializable(package="tfpose")
class _Perceptron(keras.layers.Layer):
    """Dense, batch normalisation and leaky ReLU five times, and a last dense layer."""

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

    def build(self, input_shape):
        width = input_shape[-1]
        for layer in self.hidden:
            layer.build((None, width))
            width = _UNITS
        self.last.build((None, width))

    def call(self, x, training=None):
        for dense_layer, norm in zip(self.hidden[::2], self.hidden[1::2], strict=True):
            x = leaky(norm(dense_layer(x), training=training))
        return self.last(x)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.outputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "outputs": self.outputs}


@keras.saving.register_keras_serializable(package="tfpose")
class Augmentor(keras.Model):
    """Bone angles, bone lengths, rotation and translation of a pose, in this order.

        B = |B| b;   b' = (b + gamma_ba) / |b + gamma_ba|;   |B'| = |B| (1 + gamma_bl)
        X' = R H^-1(B') + t

    Each of the four is predicted from the original pose, relative to its root, and
    noise, by a network of its own, as in the released code. The trunk keeps its
    directions and its last limb its length; left and right lengths change alike,
    within 20 %; t is (a, b, c^2), so that nobody is put behind the camera.

    Args:
        skeleton: of the poses.
        operators: those of `OPERATORS` that are applied.
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
        # Positions stay in float32; only the hidden layers see them cast.
        super().__init__(name=name, dtype=dtype, autocast=False, **kwargs)
        self.skeleton = skeleton
        self.operators = tuple(operators)
        body = Body(skeleton)
        count = len(body.limbs)
        self._parents = skeleton.parents
        self._moving = np.ones((count, 1), np.float32)
        self._moving[list(body.trunk)] = 0
        groups = np.array(body.length_groups)
        changes = int(groups.max()) + 1
        self._changing = np.ones(changes, np.float32)
        self._changing[list(body.fixed_lengths)] = 0
        self._of_limbs = np.eye(changes, dtype=np.float32)[groups].T
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
        """Begins with small changes of bodies that stand upright where people are.

        As it is drawn, it begins with bodies turned head over heels and within a metre
        of the camera, which discriminators learn to tell before it learns from them;
        that takes a large data set to get over. Bodies that were all in one place
        would be told as soon, so they are as spread as people are. They face all ways:
        those that began alike would stay so.

        Args:
            roots: `[N, 3]`, metres: the roots of N people, in the camera's frame.
        """
        kernel, bias = self.angle_net.last.kernel, self.angle_net.last.bias
        kernel.assign(kernel * _GENTLY)
        bias.assign(ops.zeros_like(bias))
        _spread(self.rotation_net.last, np.zeros(3), np.array(_VIEWS))
        # t is (a, b, c^2).
        places = np.stack([*roots[:, :2].T, np.sqrt(np.maximum(roots[:, 2], 0))], -1)
        _spread(self.translation_net.last, places.mean(axis=0), places.std(axis=0))

    def call(self, positions, noise, training=None) -> Augmented:
        """
        Args:
            positions: float32 `[B, J, 3]`, metres, in the camera's frame.
            noise: float32 `[B, 4, NOISE]`, standard normal.
            training: whether batch normalisation uses the batch's statistics.
        """
        root_index = self.skeleton.root
        root = positions[:, root_index : root_index + 1]
        limbs = limb_vectors(positions, self._parents)
        directions, lengths = limb_directions(limbs), limb_lengths(limbs)
        pose = ops.reshape(positions - root, (-1, 3 * self.skeleton.num_joints))

        def ask(net, which, *further):
            inputs = ops.concatenate([pose, *further, noise[:, which]], axis=-1)
            return net(inputs, training=training)

        added = ops.zeros_like(directions)
        turned = directions
        if "bone_angle" in self.operators:
            added = ops.reshape(ask(self.angle_net, 0), ops.shape(directions))
            added = added * self._moving
            turned = limb_directions(directions + added)
        changes = ops.zeros_like(positions[:, 0, :1]) * self._changing
        if "bone_length" in self.operators:
            changes = ask(self.length_net, 1, lengths) * self._changing
            changes = _LONGEST * ops.tanh(changes)
        stretch = 1 + ops.matmul(changes, self._of_limbs)
        at = root[:, 0]
        posed = positions_from_limbs(turned * lengths[..., None], at, self._parents)
        stretched_limbs = turned * (lengths * stretch)[..., None]
        stretched = positions_from_limbs(stretched_limbs, at, self._parents)
        if "rigid" in self.operators:
            turn = _HALF_TURN * ops.tanh(ask(self.rotation_net, 2))
            rotation = rotation_matrices(turn)
            rotated = ops.matmul(stretched - root, ops.swapaxes(rotation, -1, -2))
            move = ask(self.translation_net, 3)
            move = ops.concatenate([move[:, :2], ops.square(move[:, 2:])], axis=-1)
            placed = rotated + move[:, None]
        else:
            rotation = rotation_matrices(ops.zeros_like(at))
            placed = stretched
        change = 1 - ops.sum(turned * directions, axis=-1)
        return Augmented(posed, stretched, placed, added, changes, change, rotation)

    def get_config(self) -> dict[str, Any]:
        return {
            "skeleton": self.skeleton.to_dict(),
            "operators": list(self.operators),
            "dtype": self.dtype_policy.name,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects=None) -> "Augmentor":
        skeleton = Skeleton.from_dict(config["skeleton"])
        return cls(**{**config, "skeleton": skeleton})
