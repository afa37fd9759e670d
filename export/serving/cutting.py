"""A net's inputs, cut out of photo files inside a TensorFlow graph, row by row.

A row that cannot be used, such as a broken file, does not fail the others of its batch.
"""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

__all__ = ["cut_rows", "example_photo", "require", "warp_photo"]

CutOne = Callable[..., tuple[tf.Tensor, tf.Tensor, tf.Tensor]]


def cut_rows(
    cut_one: CutOne, columns: Sequence[tf.Tensor], input_size: tuple[int, int]
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Inputs float32 `[B, H, W, 3]`, photos' (height, width) `[B, 2]`, which there are.

    Args:
        cut_one: from a row's number and its part of each column to the number, the
            input `[H, W, 3]` and the photo's (height, width), float32. Where it fails,
            the row is black, its size 0, and it is not there.
        columns: tensors of B rows.
        input_size: H and W.
    """
    count = tf.shape(columns[0])[0]
    rows = tf.data.Dataset.from_tensor_slices((tf.range(count), *columns))
    # A row that fails is left out; a whole batch would fail by `tf.map_fn`.
    done = rows.map(cut_one, num_parallel_calls=tf.data.AUTOTUNE).ignore_errors()
    # One batch must come, even if all rows fail: the last row of this one goes.
    spare = (count, tf.zeros((*input_size, 3)), tf.zeros(2))
    done = done.concatenate(tf.data.Dataset.from_tensors(spare))
    places, pixels, sizes = done.batch(
        tf.cast(count, tf.int64) + 1
    ).get_single_element()
    places = places[:, None]
    crops = tf.scatter_nd(places, pixels, [count + 1, *input_size, 3])
    sizes = tf.scatter_nd(places, sizes, [count + 1, 2])
    crops, sizes = crops[:-1], sizes[:-1]
    return crops, sizes, sizes[:, 0] > 0


def example_photo() -> dict[str, np.ndarray]:
    """`image_bytes` of one row: a JPEG of 480 x 640 with nobody in it."""
    down, across = np.mgrid[:480, :640]
    pixels = np.stack([down // 2, across // 3, (down + across) % 256], axis=-1)
    file = tf.io.encode_jpeg(pixels.astype(np.uint8)).numpy()
    return {"image_bytes": np.array([file], object)}


def require(condition: tf.Tensor, what: str) -> None:
    """Fails the row unless it holds."""
    tf.debugging.Assert(condition, [what])


def warp_photo(
    photo: tf.Tensor,
    scale: tf.Tensor,
    shift: tf.Tensor,
    input_size: tuple[int, int],
    antialias: bool,
) -> tf.Tensor:
    """`tfpose.top_down.crop.warp` of uint8 `[h, w, 3]`, to float32 `[H, W, 3]`.

    Args:
        photo: to be cut from.
        scale: (x, y), float64: input = photo * scale + shift.
        shift: (x, y), float64.
        input_size: H and W.
        antialias: whether blocks of pixels are averaged before a strong shrink.
    """
    factor = tf.constant(1)
    if antialias:
        shrink = tf.sqrt(tf.reduce_prod(scale))
        factor = 2 ** tf.math.count_nonzero(
            shrink * tf.constant([2.0, 4.0, 8.0], tf.float64) <= 1, dtype=tf.int32
        )
    photo, first = _around(photo, factor, scale, shift, input_size)
    photo = tf.cond(
        factor > 1,
        lambda: _block_means(photo, factor),
        lambda: tf.cast(photo, tf.float32),
    )
    # Pixel k is the middle of the blocks' pixels first + factor k, ...
    blocks = tf.cast(factor, tf.float64)
    corner = tf.cast(first[::-1], tf.float64) + (blocks - 1) / 2
    back = 1 / (scale * blocks)
    start = (-shift / scale - corner) / blocks
    zero = tf.zeros((), tf.float64)
    # From the input's pixels to the photo's.
    rows = [back[0], zero, start[0], zero, back[1], start[1], zero, zero]
    warped = tf.raw_ops.ImageProjectiveTransformV3(
        images=photo[None],
        transforms=tf.cast(tf.stack(rows), tf.float32)[None],
        output_shape=input_size,
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    return tf.ensure_shape(tf.round(warped[0]), (*input_size, 3))


def _around(
    photo: tf.Tensor,
    factor: tf.Tensor,
    scale: tf.Tensor,
    shift: tf.Tensor,
    input_size: tuple[int, int],
) -> tuple[tf.Tensor, tf.Tensor]:
    """The part that the net sees, and the (row, column) at which it begins.

    It begins at a whole number of blocks, and has one to spare where there is.
    """
    size = tf.shape(photo)[:2]
    ends = tf.constant([[-1.0, -1.0], input_size[::-1]], tf.float64)
    ends = ((ends - shift) / scale)[:, ::-1]
    ends = tf.cast(tf.clip_by_value(ends, -1e8, 1e8), tf.int32)
    low = tf.clip_by_value(ends[0] // factor - 1, 0, (size - 1) // factor) * factor
    high = tf.minimum((ends[1] // factor + 2) * factor, size)
    high = tf.maximum(high, low + 1)
    return photo[low[0] : high[0], low[1] : high[1]], low


def _block_means(photo: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Rounded means of factor x factor blocks; the last ones repeat the edge."""
    size = tf.shape(photo)[:2]
    count = -(-size // factor)
    for axis in (0, 1):
        places = tf.minimum(tf.range(count[axis] * factor), size[axis] - 1)
        photo = tf.gather(photo, places, axis=axis)
    blocks = tf.reshape(photo, [count[0], factor, count[1], factor, 3])
    means = tf.reduce_mean(tf.cast(blocks, tf.float32), axis=(1, 3))
    # As OpenCV: halves go up for blocks of 2, and to the even number for others.
    return tf.where(factor == 2, tf.floor(means + 0.5), tf.round(means))
