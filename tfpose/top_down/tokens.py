"""TokenPose's head: a transformer over patches of a map and a token per keypoint."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tfpose.errors import InputError

__all__ = ["KeypointTokens", "ScaledDotProduct", "SineCode", "TokenHead"]

_TEMPERATURE = 1e4
_EPSILON = 1e-5  # PyTorch's, for layer normalisation.


@dataclasses.dataclass(frozen=True)
class TokenHead:
    """TokenPose's head: a transformer that predicts heatmaps from a map.

    The map is cut into patches. A patch's token is a linear projection of its cells
    plus a fixed sine encoding of its position. Learned tokens, one per keypoint and
    without position, come before the patches. Pre-norm transformer layers follow; the
    encoding is added to the patches again before every layer but the first of a group
    ("sine-full"). A perceptron, shared by all keypoints, predicts a keypoint's heatmap
    from the last state of its token, or from the states after each group.

    Attributes:
        patch_size: (height, width) of a patch, in cells of the map.
        depth: transformer layers of a group.
        heads: attention heads.
        groups: groups of layers; 3 for TokenPose-L, otherwise 1.
        hidden: units of the perceptron's hidden layer; 0 for none, as in L.
        scale_by_head: divide the attention's logits by the square root of a head's
            width, as is usual and as in T, B and L; S divides by the square root of
            `width`.
        width: width of a token.
        expansion: hidden width of the layers' perceptrons, in multiples of `width`.

    Raises:
        InputError: a number is not positive, or `heads` does not divide `width`.

    Reference: Li et al., "TokenPose: Learning Keypoint Tokens for Human Pose
    Estimation", ICCV 2021 (arXiv:2104.03516), and its official code.
    """

    patch_size: tuple[int, int]
    depth: int
    heads: int
    groups: int = 1
    hidden: int = 0
    scale_by_head: bool = True
    width: int = 192
    expansion: int = 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "patch_size", tuple(self.patch_size))
        numbers = (*self.patch_size, self.depth, self.heads, self.groups, self.width)
        if len(self.patch_size) != 2 or min(numbers) < 1 or self.hidden < 0:
            raise InputError(f"{self}: expected positive numbers")
        if self.width % self.heads or self.width % 4:
            raise InputError(
                f"token width is {self.width}, expected a multiple of 4 and of the "
                f"{self.heads} heads"
            )

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "TokenHead":
        """The head whose fields `dataclasses.asdict` returned."""
        return cls(**config)

    @classmethod
    def for_input(
        cls,
        input_size: Sequence[int],
        stride: int,
        patches: int,
        square: bool = False,
        **options: Any,
    ) -> "TokenHead":
        """The head with patches that suit an input; at the authors' sizes, theirs.

        Args:
            input_size: (height, width) of the net's input, pixels.
            stride: stride of the map.
            patches: number of patches along each side of the map; there may be a few
                more.
            square: whether patches are as wide as high.
            options: other attributes of the head.
        """
        high, wide = (max(-(-side // stride) // patches, 1) for side in input_size)
        # The authors' rule for TokenPose-T, S and B: a hidden layer with an eighth of a
        # heatmap's cells, if that is at least the width of two tokens.
        hidden = math.prod(-(-side // 4) for side in input_size) // 8
        if options.get("groups", 1) > 1 or hidden < 2 * cls.width:
            hidden = 0
        return cls((high, high if square else wide), hidden=hidden, **options)

    def grid(self, map_size: Sequence[int]) -> tuple[int, int]:
        """(rows, columns) of patches on a map of (height, width) cells.

        Raises:
            InputError: patches do not fill the map.
        """
        rows, columns = (
            side // patch for side, patch in zip(map_size, self.patch_size, strict=True)
        )
        filled = (rows * self.patch_size[0], columns * self.patch_size[1])
        if filled != tuple(map_size):
            raise InputError(
                f"a map of {map_size[0]}x{map_size[1]} cells cannot be cut into "
                f"patches of {self.patch_size[0]}x{self.patch_size[1]}; expected "
                "another input size"
            )
        return rows, columns

    def cost(
        self, map_shape: Sequence[int], heatmap_cells: int, num_outputs: int
    ) -> tuple[int, int]:
        """Trainable parameters, and multiply-adds for one image with attention's.

        Args:
            map_shape: (height, width, channels) of the map.
            heatmap_cells: cells of one heatmap.
            num_outputs: number of heatmaps.
        """
        patches = math.prod(self.grid(map_shape[:2]))
        tokens, width = patches + num_outputs, self.width
        patch = math.prod(self.patch_size) * map_shape[2]
        layers = self.groups * self.depth
        matrices = (4 + 2 * self.expansion) * width**2
        state = self.groups * width
        # The perceptron's kernels, and its biases and norms.
        if self.hidden:
            kernels = self.hidden * (state + heatmap_cells)
            biases = 2 * state + 3 * self.hidden + heatmap_cells
        else:
            kernels, biases = state * heatmap_cells, 2 * state + heatmap_cells
        parameters = (
            (patch + 1) * width
            + num_outputs * width
            + layers * (matrices + (6 + self.expansion) * width)
            + kernels
            + biases
        )
        multiply_adds = (
            patches * patch * width
            + layers * (tokens * matrices + 2 * tokens**2 * width)
            + num_outputs * kernels
        )
        return parameters, multiply_adds

    def heatmaps(
        self, x: Any, heatmap_size: Sequence[int], num_outputs: int, dtype: Any
    ) -> Any:
        """Heatmaps `[B, h, w, num_outputs]` from a map `[B, H, W, C]`, Keras tensors.

        Layers are named `patch_embedding`, `keypoint_tokens`,
        `tokens_group0_layer0_*`, ..., `tokens_norm` and `head`, which computes in
        float32.
        """
        grid = self.grid(x.shape[1:3])
        x = keras.layers.Conv2D(
            self.width,
            self.patch_size,
            strides=self.patch_size,
            kernel_initializer=_initializer(),
            name="patch_embedding",
            dtype=dtype,
        )(x)
        x = keras.layers.Reshape((-1, self.width), name="patches", dtype=dtype)(x)
        x = SineCode(grid, name="patches_code", dtype=dtype)(x)
        x = KeypointTokens(num_outputs, name="keypoint_tokens", dtype=dtype)(x)
        states = []
        for group in range(self.groups):
            for layer in range(self.depth):
                name = f"tokens_group{group}_layer{layer}"
                if layer:
                    x = SineCode(grid, num_outputs, name=f"{name}_code", dtype=dtype)(x)
                x = self._layer(x, name, dtype)
            states.append(
                keras.layers.Cropping1D(
                    (0, math.prod(grid)), name=f"tokens_group{group}_state", dtype=dtype
                )(x)
            )
        x = states[0]
        if self.groups > 1:
            x = keras.layers.Concatenate(name="tokens_states", dtype=dtype)(states)
        x = _norm(x, "tokens_norm", dtype)
        if self.hidden:
            x = _dense(x, self.hidden, "tokens_hidden", dtype)
            x = _norm(x, "tokens_hidden_norm", dtype)
        x = _dense(x, math.prod(heatmap_size), "head", "float32")
        shape = (num_outputs, *heatmap_size)
        x = keras.layers.Reshape(shape, name="heatmaps_first", dtype="float32")(x)
        return keras.layers.Permute((2, 3, 1), name="heatmaps", dtype="float32")(x)

    def _layer(self, x: Any, name: str, dtype: Any) -> Any:
        """Attention and perceptron, both pre-norm and with a residual connection."""
        y = _norm(x, f"{name}_norm1", dtype)
        y = _dense(y, 3 * self.width, f"{name}_qkv", dtype, use_bias=False)
        scale = (self.width // self.heads if self.scale_by_head else self.width) ** -0.5
        y = ScaledDotProduct(self.heads, scale, name=f"{name}_attention", dtype=dtype)(
            y
        )
        y = _dense(y, self.width, f"{name}_projection", dtype)
        x = keras.layers.Add(name=f"{name}_add1", dtype=dtype)([x, y])
        y = _norm(x, f"{name}_norm2", dtype)
        y = _dense(y, self.expansion * self.width, f"{name}_mlp1", dtype)
        y = keras.layers.Activation("gelu", name=f"{name}_gelu", dtype=dtype)(y)
        y = _dense(y, self.width, f"{name}_mlp2", dtype)
        return keras.layers.Add(name=f"{name}_add2", dtype=dtype)([x, y])


def _initializer() -> keras.initializers.Initializer:
    return keras.initializers.TruncatedNormal(stddev=0.02)


def _dense(x: Any, units: int, name: str, dtype: Any, use_bias: bool = True) -> Any:
    return keras.layers.Dense(
        units,
        use_bias=use_bias,
        kernel_initializer=_initializer(),
        name=name,
        dtype=dtype,
    )(x)


def _norm(x: Any, name: str, dtype: Any) -> Any:
    return keras.layers.LayerNormalization(epsilon=_EPSILON, name=name, dtype=dtype)(x)


@keras.saving.register_keras_serializable(package="tfpose")
class KeypointTokens(keras.layers.Layer):
    """Prepends learned tokens to the patches: `[B, N, D]` to `[B, count + N, D]`.

    Args:
        count: int. Number of keypoints.
    """

    def __init__(self, count: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.count = count

    def build(self, input_shape: Any) -> None:
        self.tokens = self.add_weight(
            name="tokens",
            shape=(self.count, input_shape[-1]),
            initializer=_initializer(),
        )

    def call(self, x: Any) -> Any:
        # Broadcast by a product, because the batch size may be unknown.
        ones = ops.ones_like(x[:, :1, :1])
        return ops.concatenate([ones * self.tokens, x], axis=1)

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        batch, patches, width = input_shape
        return (batch, self.count + patches, width)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "count": self.count}


@keras.saving.register_keras_serializable(package="tfpose")
class SineCode(keras.layers.Layer):
    """Adds a fixed positional encoding of row and column to each patch's token.

    One half of the values are alternating sines and cosines of the row, the other half
    of the column, both counted from 1 and scaled so that the last is at 2 pi (Carion et
    al., "DETR", ECCV 2020).

    Args:
        grid: (rows, columns) of patches.
        first: int. Number of tokens before the patches, which get no encoding.
    """

    def __init__(self, grid: Sequence[int], first: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.grid = tuple(grid)
        self.first = first

    def call(self, x: Any) -> Any:
        encoding = np.pad(self.encoding(x.shape[-1]), ((self.first, 0), (0, 0)))
        return x + ops.cast(encoding[None], x.dtype)

    def encoding(self, width: int) -> np.ndarray:
        """The positional encoding, float32 `[rows * columns, width]`."""
        half = width // 2
        wavelength = _TEMPERATURE ** (2 * (np.arange(half) // 2) / half)
        even = np.arange(half) % 2 == 0
        encodings = []
        for count in self.grid:
            angle = (np.arange(count) + 1) * (2 * np.pi / (count + 1e-6))
            angle = angle[:, None] / wavelength
            encodings.append(np.where(even, np.sin(angle), np.cos(angle)))
        rows, columns = self.grid
        by_row = np.repeat(encodings[0], columns, axis=0)
        by_column = np.tile(encodings[1], (rows, 1))
        return np.concatenate([by_row, by_column], axis=1).astype(np.float32)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "grid": list(self.grid), "first": self.first}


@keras.saving.register_keras_serializable(package="tfpose")
class ScaledDotProduct(keras.layers.Layer):
    """Self-attention of tokens: `[B, N, 3 D]` to `[B, N, D]`.

    The input is the concatenation of queries, keys and values, each of them of `heads`
    parts. The attention weights are computed in float32.

    Args:
        heads: int. Number of attention heads.
        scale: float. Factor on the logits.
    """

    def __init__(self, heads: int, scale: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads = heads
        self.scale = scale

    def call(self, x: Any) -> Any:
        tokens, width = x.shape[1], x.shape[2] // 3

        def split_heads(part: Any) -> Any:
            part = ops.reshape(part, (-1, tokens, self.heads, width // self.heads))
            return ops.transpose(part, (0, 2, 1, 3))

        query, key, value = map(split_heads, ops.split(x, 3, axis=-1))
        logits = ops.matmul(query * self.scale, ops.transpose(key, (0, 1, 3, 2)))
        weights = ops.softmax(ops.cast(logits, "float32"), axis=-1)
        attended = ops.matmul(ops.cast(weights, value.dtype), value)
        attended = ops.transpose(attended, (0, 2, 1, 3))
        return ops.reshape(attended, (-1, tokens, width))

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        return (*input_shape[:-1], input_shape[-1] // 3)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "heads": self.heads, "scale": self.scale}
