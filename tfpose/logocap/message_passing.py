"""Convolutional message passing: joints of a pose tell each other where they are."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from tfpose.logocap.pose_norm import PoseNorm

__all__ = ["AttentiveNorm", "MessagePassing", "torch_uniform"]

_MOMENTUM, _EPSILON = 0.9, 1e-5


def torch_uniform() -> keras.initializers.Initializer:
    """PyTorch's own initialiser of convolutions: uniform within 1 / sqrt(fan in)."""
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")


@keras.saving.register_keras_serializable(package="tfpose")
class AttentiveNorm(keras.layers.Layer):
    """Batch normalisation with a scale and a shift of each sample's own.

    They are a mixture of `affines` learnt ones. What is mixed follows from each
    channel's mean over its deviation in the sample. Takes and returns `[N, h, w, C]`;
    `counted` `[N, h, w]` bool says whose statistics count, all if None.

    Args:
        affines: int. Learnt pairs of scales and shifts.

    Reference: Li et al., "Attentive Normalization", ECCV 2020 (arXiv:1908.01259).
    """

    def __init__(self, affines: int = 20, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.affines = affines
        self.norm = PoseNorm(
            momentum=_MOMENTUM,
            epsilon=_EPSILON,
            center=False,
            scale=False,
            name="norm",
            dtype=self.dtype_policy,
        )
        self.attention = keras.layers.Dense(
            affines,
            activation="hard_sigmoid",
            use_bias=False,
            kernel_initializer=keras.initializers.VarianceScaling(
                2.0, "fan_out", "untruncated_normal"
            ),
            name="attention",
            dtype="float32",
        )

    def build(self, input_shape: Any) -> None:
        channels = input_shape[-1]
        self.norm.build(input_shape)
        self.attention.build((None, channels))
        self.scales = self.add_weight(
            shape=(self.affines, channels),
            initializer=keras.initializers.RandomNormal(1.0, 0.1),
            name="scales",
        )
        self.shifts = self.add_weight(
            shape=(self.affines, channels),
            initializer=keras.initializers.RandomNormal(0.0, 0.1),
            name="shifts",
        )

    def call(self, x: Any, training: Any = None, counted: Any = None) -> Any:
        values = ops.cast(x, "float32")
        mean = ops.mean(values, axis=(1, 2))
        count = x.shape[1] * x.shape[2]
        # PyTorch's variance is over count - 1.
        variance = ops.var(values, axis=(1, 2)) * (count / (count - 1))
        mixture = self.attention(mean * ops.rsqrt(variance + 1e-3))
        scale = ops.cast(mixture @ ops.cast(self.scales, "float32"), x.dtype)
        shift = ops.cast(mixture @ ops.cast(self.shifts, "float32"), x.dtype)
        x = self.norm(x, training=training, mask=counted)
        return x * scale[:, None, None] + shift[:, None, None]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "affines": self.affines}


@keras.saving.register_keras_serializable(package="tfpose")
class MessagePassing(keras.layers.Layer):
    """Features around the joints of poses to their attraction maps.

    Three 3x3 convolutions see all joints of a pose at once, but no other pose; the
    second is followed by `AttentiveNorm`, the others by batch normalisation.

    Args:
        joints: int. J.
        filters: three ints. Channels of the convolutions.
        affines: int. See `AttentiveNorm`.
    """

    def __init__(
        self,
        joints: int,
        filters: Sequence[int] = (512, 256, 128),
        affines: int = 20,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.joints, self.filters, self.affines = joints, tuple(filters), affines
        self.convolutions, self.norms = [], []
        for number, channels in enumerate(self.filters):
            self.convolutions.append(
                keras.layers.Conv2D(
                    channels,
                    3,
                    padding="same",
                    use_bias=False,
                    kernel_initializer=torch_uniform(),
                    name=f"conv{number}",
                    dtype=self.dtype_policy,
                )
            )
            self.norms.append(self._norm(number))
        self.head = keras.layers.Conv2D(
            joints,
            1,
            kernel_initializer=torch_uniform(),
            name="head",
            dtype="float32",
        )

    def _norm(self, number: int) -> keras.layers.Layer:
        name, dtype = f"norm{number}", self.dtype_policy
        if number == 1:
            return AttentiveNorm(self.affines, name=name, dtype=dtype)
        return PoseNorm(momentum=_MOMENTUM, epsilon=_EPSILON, name=name, dtype=dtype)

    def build(self, input_shape: Any) -> None:
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            convolution.build(input_shape)
            input_shape = (*input_shape[:-1], convolution.filters)
            norm.build(input_shape)
        self.head.build(input_shape)

    def call(self, features: Any, training: Any = None, counted: Any = None) -> Any:
        """Attraction maps `[N, k, k, J]` float32, about 0..1, not clipped.

        Args:
            features: `[N, k, k, J * F]` of N poses, the features of a joint together.
            training: whether the norms use the statistics of these poses.
            counted: `[N]` bool: poses whose statistics count; all if None, or if it has
                none.
        """
        x = features
        if counted is not None:
            counted = ops.broadcast_to(counted[:, None, None], ops.shape(x)[:-1])
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = convolution(x)
            if isinstance(norm, AttentiveNorm):
                x = norm(x, training=training, counted=counted)
            else:
                x = norm(x, training=training, mask=counted)
            x = ops.relu(x)
        return self.head(x)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "joints": self.joints,
            "filters": list(self.filters),
            "affines": self.affines,
        }
