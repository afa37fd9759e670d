"""A lifter and an adapter that are as small as the contract of adaptation allows.

The adapter is complete all the same: gradient steps through the lifter, weights and
momentum in the state, nothing changed in place. Its operators all have a LiteRT
counterpart: `split` in place of slices, whose gradients have none.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from tfpose.adaptation import Adapter, Outputs, Sample, State
from tfpose.lifters.net import LiftingNet
from tfpose.skeletons import Skeleton

__all__ = ["ToyAdapter", "ToyLifter", "make_toy_lifter"]

_MOMENTUM = 0.5


@keras.saving.register_keras_serializable(package="tests")
class ToyLifter(LiftingNet):
    """One hidden layer, leaky ReLU; the last layer's bias is the last weight."""

    def __init__(
        self,
        skeleton: Skeleton,
        dropout: float | None = None,
        info: dict[str, Any] | None = None,
        dtype: Any = None,
        name: str = "toy",
        **kwargs: Any,
    ) -> None:
        joints = skeleton.num_joints
        inputs = keras.Input((joints, 2), name="keypoints", dtype="float32")
        x = keras.layers.Reshape((2 * joints,))(inputs)
        x = keras.layers.Dense(8, name="hidden")(x)
        x = ops.maximum(x, 0.1 * x)
        x = keras.layers.Dense(3 * joints, name="head")(x)
        x = keras.layers.Reshape((joints, 3))(x)
        outputs = x - ops.split(x, joints, axis=1)[skeleton.root]
        policy = keras.dtype_policies.get(dtype or "float32")
        super().__init__(
            inputs, outputs, skeleton, dropout, info, policy, name, **kwargs
        )


def make_toy_lifter(skeleton: Skeleton, seed: int = 0) -> ToyLifter:
    """A lifter with random weights."""
    keras.utils.set_random_seed(seed)
    return ToyLifter(skeleton)


class ToyAdapter(Adapter):
    """Moves the last bias until the body looks like its keypoints, seen from afar.

    Sample: `keypoints` float32 `[B, J, 2]`, normalised. Outputs: `positions` float32
    `[B, J, 3]`, metres. State: `weights`, those of the net, and `velocity` `[3 J]`.
    """

    def __init__(
        self,
        net: LiftingNet,
        online: bool = False,
        steps: int = 3,
        learning_rate: float = 2.0,
    ) -> None:
        """
        Args:
            net: whose last trainable weight is the last layer's bias, such as a
                `ToyLifter`; it is called, not changed.
            online: whether the state goes on from sample to sample.
            steps: gradient steps a sample.
            learning_rate: of gradient descent with momentum.
        """
        self.net = net
        self.online = online
        self._steps = steps
        self._learning_rate = learning_rate
        rows = {id(variable): row for row, variable in enumerate(net.variables)}
        self._trainable = [rows[id(v)] for v in net.trainable_variables]
        self._frozen = [rows[id(v)] for v in net.non_trainable_variables]

    def init(self, weights: Sequence[Any]) -> State:
        tensors = [tf.convert_to_tensor(weight) for weight in weights]
        bias = tensors[self._trainable[-1]]
        return {"weights": tensors, "velocity": tf.zeros_like(bias)}

    def adapt(self, state: State, sample: Sample) -> State:
        weights, velocity = list(state["weights"]), state["velocity"]
        place = self._trainable[-1]
        for _ in range(self._steps):
            with tf.GradientTape() as tape:
                tape.watch(weights[place])
                loss = self._loss(weights, sample["keypoints"])
            velocity = _MOMENTUM * velocity + tape.gradient(loss, weights[place])
            weights[place] = weights[place] - self._learning_rate * velocity
        return {"weights": weights, "velocity": velocity}

    def predict(self, state: State, sample: Sample) -> Outputs:
        return {"positions": self._lift(state["weights"], sample["keypoints"])}

    def _loss(self, weights: Sequence[tf.Tensor], keypoints: tf.Tensor) -> tf.Tensor:
        seen, _ = tf.split(self._lift(weights, keypoints), [2, 1], axis=-1)
        skeleton = self.net.skeleton
        root = tf.split(keypoints, skeleton.num_joints, axis=1)[skeleton.root]
        return tf.reduce_mean(tf.square(seen - (keypoints - root)))

    def _lift(self, weights: Sequence[tf.Tensor], keypoints: tf.Tensor) -> tf.Tensor:
        positions, _ = self.net.stateless_call(
            [weights[row] for row in self._trainable],
            [weights[row] for row in self._frozen],
            keypoints,
            training=False,
        )
        return positions
