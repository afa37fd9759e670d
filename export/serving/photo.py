"""Photo files to upright pixels inside a TensorFlow graph."""

import tensorflow as tf

__all__ = ["MAX_PIXELS", "read_photo"]

MAX_PIXELS = 100_000_000
"""A file that says it has more is refused before memory is taken for it."""

_PNG = b"\x89PNG\r\n\x1a\n"
# Where EXIF lies in photos of phones and cameras.
_HEAD = 1 << 16


def read_photo(file: tf.Tensor) -> tf.Tensor:
    """RGB pixels of a whole JPEG or PNG file, turned upright by its EXIF orientation.

    As `data_pipelines.images.decode_image` does, to a grey level here and there.

    Args:
        file: string scalar.

    Returns:
        uint8 `[h, w, 3]`.

    Raises:
        tf.errors.InvalidArgumentError: when run: no such file, a truncated one, or one
            of more than `MAX_PIXELS`.
    """
    is_jpeg = tf.strings.substr(file, 0, 2) == b"\xff\xd8"
    photo = tf.cond(is_jpeg, lambda: _jpeg(file), lambda: _png(file))
    orientation = _orientation(file, is_jpeg)
    return tf.cond(orientation > 1, lambda: _upright(photo, orientation), lambda: photo)


def _jpeg(file: tf.Tensor) -> tf.Tensor:
    shape = tf.image.extract_jpeg_shape(file)
    with tf.control_dependencies([_check_size(shape[0], shape[1])]):
        # The accurate transform is what everybody else's decoder has by default.
        return tf.io.decode_jpeg(file, channels=3, dct_method="INTEGER_ACCURATE")


def _png(file: tf.Tensor) -> tf.Tensor:
    is_png = tf.debugging.Assert(tf.strings.substr(file, 0, 8) == _PNG, ["no photo"])
    with tf.control_dependencies([is_png]):
        header = tf.cast(
            tf.io.decode_raw(tf.strings.substr(file, 16, 8), tf.uint8), tf.int32
        )
    sides = tf.reduce_sum(tf.reshape(header, [2, 4]) * [1 << 24, 1 << 16, 1 << 8, 1], 1)
    with tf.control_dependencies([_check_size(sides[0], sides[1])]):
        return tf.io.decode_png(file, channels=3)


def _check_size(height: tf.Tensor, width: tf.Tensor) -> tf.Operation:
    pixels = tf.cast(height, tf.int64) * tf.cast(width, tf.int64)
    return tf.debugging.Assert(
        (pixels > 0) & (pixels <= MAX_PIXELS), ["number of pixels"]
    )


def _orientation(file: tf.Tensor, is_jpeg: tf.Tensor) -> tf.Tensor:
    """EXIF tag 0x0112 of the first image directory: int32, 1..8; 1 without it."""
    head = tf.io.decode_raw(tf.strings.substr(file, 0, _HEAD), tf.uint8)
    # So that there is something wherever a broken directory points to.
    head = tf.cast(tf.pad(head, [[0, 16]]), tf.int32)
    # A JPEG's EXIF begins so; a PNG's is a chunk of that name.
    start = tf.where(
        is_jpeg, _first(head, b"\xff\xd8\xff", b"Exif\0\0"), _first(head, _PNG, b"eXIf")
    )
    return tf.cond(start > 0, lambda: _tag(head, start), lambda: tf.constant(1))


def _first(head: tf.Tensor, before: bytes, mark: bytes) -> tf.Tensor:
    """Where the first `mark` after `before` bytes ends; 0 where there is none."""
    places = tf.shape(head)[0] - len(mark)
    found = tf.range(places) >= len(before)
    for offset, byte in enumerate(mark):
        found &= head[offset : offset + places] == byte
    where = tf.where(found)[:, 0]
    ends = tf.concat([tf.cast(where, tf.int32) + len(mark), [0]], axis=0)
    return ends[0]


def _tag(head: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
    last = tf.shape(head)[0] - 1
    little = head[start] == ord("I")

    def number(places: tf.Tensor, size: int) -> tf.Tensor:
        """Unsigned, of `size` bytes from each of `places` on."""
        steps = tf.range(size)
        steps = tf.where(little, steps[::-1], steps)
        # Two bytes of a number of four are enough: the head is no longer.
        near = tf.clip_by_value(places[:, None] + steps[-2:], 0, last)
        bytes_ = tf.gather(head, near)
        return bytes_[:, 0] * 256 + bytes_[:, 1]

    directory = start + number(start[None] + 4, 4)
    count = number(directory, 2)[0]
    entries = directory + 2 + 12 * tf.range(tf.minimum(count, _HEAD // 12))
    values = tf.boolean_mask(number(entries + 8, 2), number(entries, 2) == 0x0112)
    value = tf.concat([values, [1]], axis=0)[0]
    return tf.where((value >= 1) & (value <= 8), value, 1)


def _upright(photo: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns a stored photo upright (EXIF 2.32, tag Orientation)."""
    photo = tf.cond(
        orientation >= 5, lambda: tf.transpose(photo, [1, 0, 2]), lambda: photo
    )
    down = tf.reduce_any(orientation == [3, 4, 7, 8])
    across = tf.reduce_any(orientation == [2, 3, 6, 7])
    photo = tf.cond(down, lambda: photo[::-1], lambda: photo)
    return tf.cond(across, lambda: photo[:, ::-1], lambda: photo)
