"""Layers of lifters, initialised as in PyTorch.

Bodies are `[B, J, C]`: one row per joint, or per part of a body.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tfpose.errors import InputError
from tfpose.geometry import centre_keypoints

__all__ = [
    "Blocks",
    "CentreKeypoints",
    "MaxJoints",
    "MeanJoints",
    "PartitionedGraphConv",
    "PlaceRoot",
    "SelfAttention",
    "SemanticGraphConv",
    "SubtractRoot",
    "he_normal",
    "uniform",
]

_serializable = keras.saving.register_keras_serializable(package="tfpose")


def he_normal() -> keras.initializers.Initializer:
    """PyTorch's `kaiming_normal_`: not truncated, while Keras's HeNormal is."""
    return keras.initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal")


def uniform(limit: float) -> keras.initializers.Initializer:
    """Uniform between minus and plus `limit`."""
    return keras.initializers.RandomUniform(-limit, limit)


@dataclasses.dataclass(frozen=True)
class Blocks:
    """Makes the layers of one lifter, with its dtype policy unless another is given.

    Layers that take keypoints or return positions must be in float32: bfloat16 would
    move them by pixels.
    """

    dtype: keras.DTypePolicy

    def dense(
        self,
        x: Any,
        units: int,
        name: str,
        use_bias: bool = True,
        kernel_initializer: Any = None,
        dtype: Any = None,
    ) -> Any:
        """PyTorch's Linear, or its convolution of width 1.

        By default kernel and bias are initialised uniformly within 1 / sqrt(fan in).
        """
        limit = 1 / math.sqrt(x.shape[-1])
        return keras.layers.Dense(
            units,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer or uniform(limit),
            bias_initializer=uniform(limit),
            name=name,
            dtype=dtype or self.dtype,
        )(x)

    def norm(
        self,
        x: Any,
        name: str,
        epsilon: float = 1e-5,
        gamma: str = "ones",
        dtype: Any = None,
    ) -> Any:
        """Batch normalisation per channel; PyTorch's momentum 0.1 is 0.9 in Keras."""
        return keras.layers.BatchNormalization(
            momentum=0.9,
            epsilon=epsilon,
            gamma_initializer=gamma,
            name=name,
            dtype=dtype or self.dtype,
        )(x)

    def relu(self, x: Any, name: str) -> Any:
        return keras.layers.ReLU(name=name, dtype=self.dtype)(x)

    def drop(self, x: Any, rate: float, name: str) -> Any:
        """Dropout layer, or the input itself for rate 0.

        Raises:
            InputError: the rate is not in [0, 1).
        """
        if not 0 <= rate < 1:
            raise InputError(f"dropout is {rate}; expected a number in [0, 1)")
        if not rate:
            return x
        return keras.layers.Dropout(rate, name=name, dtype=self.dtype)(x)

    def add(self, tensors: Sequence[Any], name: str) -> Any:
        return keras.layers.Add(name=name, dtype=self.dtype)(tensors)

    def keypoints(self, joints: int, root: int, centred: bool) -> tuple[Any, Any]:
        """A lifter's input, `[B, J, 2]`, and what its first layer takes of it.

        Args:
            joints: J.
            root: index of the root.
            centred: whether that is centred on the root and scaled to size 1.
        """
        inputs = keras.Input((joints, 2), name="keypoints", dtype="float32")
        if not centred:
            return inputs, inputs
        return inputs, CentreKeypoints(root, name="centre", dtype="float32")(inputs)

    def reshape(self, x: Any, shape: tuple[int, ...], name: str) -> Any:
        """Reshape in float32, because keypoints or positions are reshaped."""
        return keras.layers.Reshape(shape, name=name, dtype="float32")(x)


class _JointLayer(keras.layers.Layer):
    """A layer without weights that changes the number of rows of `[B, J, C]`."""

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        return (input_shape[0], self.num_rows(input_shape[1]), input_shape[2])

    def num_rows(self, joints: int) -> int:
        return joints


class _RootLayer(_JointLayer):
    """One that has to know the root's index."""

    def __init__(self, root: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.root = root

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "root": self.root}


@_serializable
class CentreKeypoints(_RootLayer):
    """Keypoints `[B, J, 2]` relative to the root and of size 1; see `tfpose.geometry`.

    Args:
        root: int. Index of the root.
    """

    def call(self, x: Any) -> Any:
        return centre_keypoints(x, self.root)


@_serializable
class PlaceRoot(_RootLayer):
    """Inserts a row of zeros for the root: `[B, J - 1, C]` to `[B, J, C]`.

    Args:
        root: int. Index of the new row.
    """

    def call(self, x: Any) -> Any:
        # Not slices, whose gradients LiteRT does not have.
        rows = ops.split(x, x.shape[1], axis=1)
        rows.insert(self.root, ops.zeros_like(rows[0]))
        return ops.concatenate(rows, axis=1)

    def num_rows(self, joints: int) -> int:
        return joints + 1


@_serializable
class SubtractRoot(_RootLayer):
    """Subtracts the root's position from positions `[B, J, C]`.

    Args:
        root: int. Index of the root.
    """

    def call(self, x: Any) -> Any:
        return x - ops.split(x, x.shape[1], axis=1)[self.root]


@_serializable
class MeanJoints(_JointLayer):
    """Each row of the result is the mean of some rows of `[B, J, C]`.

    Args:
        rows: for each row of the result, the indices of the rows to average.
    """

    def __init__(self, rows: Sequence[Sequence[int]], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rows = tuple(tuple(row) for row in rows)

    def call(self, x: Any) -> Any:
        # Slices instead of a gather, whose gradient would be a slow scatter.
        joints = ops.unstack(x, axis=1)
        groups = [[joints[j] for j in row] for row in self.rows]
        return ops.stack(
            [row[0] if len(row) == 1 else sum(row) / len(row) for row in groups], axis=1
        )

    def num_rows(self, joints: int) -> int:
        return len(self.rows)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rows": self.rows}


@_serializable
class MaxJoints(MeanJoints):
    """Each row of the result is the maximum, per channel, of some rows.

    Args:
        rows: for each row of the result, the indices of the rows to compare.
    """

    def call(self, x: Any) -> Any:
        joints = ops.unstack(x, axis=1)
        parts = [ops.stack([joints[j] for j in row], axis=1) for row in self.rows]
        return ops.stack([ops.max(part, axis=1) for part in parts], axis=1)


@_serializable
class SemanticGraphConv(keras.layers.Layer):
    """Zhao et al.'s semantic graph convolution, `[B, J, C]` to `[B, J, units]`.

        (A o I) x W0 + (A o (1 - I)) x W1 + b,  A = softmax over neighbours of e

    with a learned weight e per pair of neighbours, `edges`, in row-major order of the
    matrix of neighbours (each joint is a neighbour of itself); o is the element-wise
    product.

    Args:
        units: int. Channels of the result.
        neighbours: bool `[J, J]`, true where two joints are neighbours and on the
            diagonal.

    Reference: Zhao et al., "Semantic Graph Convolutional Networks for 3D Human Pose
    Regression", CVPR 2019 (arXiv:1904.03345), section 3.
    """

    def __init__(self, units: int, neighbours: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.neighbours = np.asarray(neighbours, bool)
        # Index in `edges` of each element of A; `count` where there is no edge.
        count = int(self.neighbours.sum())
        indices = np.full(self.neighbours.shape, count)
        indices[self.neighbours] = np.arange(count)
        self._edge_indices = indices
        self._num_edges = count

    def build(self, input_shape: Any) -> None:
        channels = input_shape[-1]
        # PyTorch's Xavier treats the third axis as a kernel's size.
        limit = 1.414 * math.sqrt(6 / (self.units * (channels + 2)))
        self.kernel = self.add_weight(
            (2, channels, self.units), uniform(limit), name="kernel"
        )
        self.edges = self.add_weight((self._num_edges,), "ones", name="edges")
        self.bias = self.add_weight(
            (self.units,), uniform(1 / math.sqrt(self.units)), name="bias"
        )

    def call(self, x: Any) -> Any:
        no_edge = ops.full((1,), -1e4, dtype=self.compute_dtype)
        edges = ops.concatenate([ops.cast(self.edges, self.compute_dtype), no_edge])
        weights = ops.softmax(ops.take(edges, self._edge_indices), axis=-1)
        unit = ops.eye(len(self.neighbours), dtype=weights.dtype)
        own = ops.sum(weights * unit, axis=-1, keepdims=True) * x
        others = ops.matmul(weights * (1 - unit), x)
        # Both sums first, so that one product serves W0 and W1.
        kernel = ops.reshape(self.kernel, (-1, self.units))
        both = ops.concatenate([own, others], axis=-1)
        return ops.matmul(both, ops.cast(kernel, both.dtype)) + ops.cast(
            self.bias, both.dtype
        )

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        neighbours = self.neighbours.astype(int).tolist()
        return {**super().get_config(), "units": self.units, "neighbours": neighbours}


@_serializable
class PartitionedGraphConv(keras.layers.Layer):
    """Weighted sum over neighbours of K kinds, with C channels for each kind.

    `[B, J, K * C]` to `[B, J, C]`: row w of the result is the sum over kinds k and rows
    v of A[k, v, w] x[v, k]. After a dense layer this is ST-GCN's graph convolution.

    Args:
        adjacency: A, float `[K, J, J]`.

    Reference: Yan et al., "Spatial Temporal Graph Convolutional Networks for
    Skeleton-Based Action Recognition", AAAI 2018 (arXiv:1801.07455), section 3.
    """

    def __init__(self, adjacency: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.adjacency = np.asarray(adjacency, np.float32)

    def call(self, x: Any) -> Any:
        kinds, joints, _ = self.adjacency.shape
        matrix = self.adjacency.transpose(2, 1, 0).reshape(joints, joints * kinds)
        split = ops.reshape(x, (-1, joints * kinds, x.shape[-1] // kinds))
        return ops.matmul(ops.convert_to_tensor(matrix, split.dtype), split)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        return (*input_shape[:-1], input_shape[-1] // len(self.adjacency))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "adjacency": self.adjacency.tolist()}


@_serializable
class SelfAttention(keras.layers.Layer):
    """softmax(queries keys^T) values, each `[B, J, C]`, without scaling.

    Reference: Wang et al., "Non-local Neural Networks", CVPR 2018 (arXiv:1711.07971),
    embedded Gaussian.
    """

    def call(self, queries: Any, keys: Any, values: Any) -> Any:
        scores = ops.matmul(queries, ops.swapaxes(keys, -1, -2))
        return ops.matmul(ops.softmax(scores, axis=-1), values)

    def compute_output_shape(
        self, queries_shape: Any, keys_shape: Any, values_shape: Any
    ) -> tuple[Any, ...]:
        return values_shape

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype_policy.name}
