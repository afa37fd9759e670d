"""Heatmap nets as functions from photo files and boxes to keypoints, for servers.

What cannot be used, a broken file or an impossible box, is flagged in its own row and
does not fail the batch that a server has put it into.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from export.model import ExportedModel, Signature, Tensors
from export.pose_net import pose_metadata
from export.serving.photo import read_photo
from tfpose.codecs.alignment import box_offset, input_middle, region_scales
from tfpose.top_down.crop import BOX_PADDING
from tfpose.top_down.pose_net import PoseNet
from tfpose.top_down.predictor import TopDownPredictor

__all__ = ["Photos", "photo_pose_model"]

_DESCRIBED = {
    "image_bytes": "string [B]: JPEG or PNG files, turned upright by EXIF",
    "boxes": "float32 [B, 4]: x, y, w, h of one person in pixels of the upright photo, "
    "x and y the left and top edge",
    "keypoints": "float32 [B, J, 2]: x, y in pixels of the upright photo, the middle "
    "of the first pixel at 0, 0; NaN if not valid",
    "scores": "float32 [B, J], about 0..1; 0 or less: not found",
    "image_size": "float32 [B, 2]: height, width of the upright photo",
    "valid": "bool [B]: whether photo and box could be used",
}

# No photo has such coordinates.
_FAR = 1e7


def photo_pose_model(
    net: PoseNet, *, flip_test: bool = True, name: str = "pose"
) -> ExportedModel:
    """What `TopDownPredictor` does, from encoded photos on.

    Its signature is `locate`. Inputs:
        image_bytes: string `[B]`, a JPEG or PNG file for each row. Turned upright by
            its EXIF orientation, as `data_pipelines.images.decode_image` does.
        boxes: float32 `[B, 4]`: x, y, w, h of one person in pixels of the upright
            photo; may reach over its edges.

    Outputs:
        keypoints: float32 `[B, J, 2]` (x, y), pixels of the upright photo.
        scores: float32 `[B, J]`, about 0..1; a joint of 0 or less was not found.
        image_size: float32 `[B, 2]`, (height, width) of the upright photo, which a
            lifter asks for.
        valid: bool `[B]`. False, and keypoints and image_size NaN and scores 0, where
            the file is no whole JPEG or PNG, or the box is not finite, has no size or
            does not touch the photo.

    Args:
        net: a pose net, see `TopDownPredictor`.
        flip_test: average over the photo and its mirror image, for twice the time.
        name: of the model.

    Raises:
        InputError: the net is no pose net.
    """
    predictor = TopDownPredictor(net, flip_test)
    photos = Photos(predictor)

    def call(inputs: Tensors) -> Tensors:
        sample, kept = photos.prepare(inputs)
        keypoints, scores = predictor.locate(sample["image"])
        return photos.finish({"keypoints": keypoints, "scores": scores}, kept)

    locate = Signature(
        call=call,
        inputs={
            "image_bytes": tf.TensorSpec([None], tf.string),
            "boxes": tf.TensorSpec([None, 4], tf.float32),
        },
        outputs=("keypoints", "scores", "image_size", "valid"),
        example=_example(),
        described=_DESCRIBED,
    )
    return ExportedModel(name, {"locate": locate}, pose_metadata(predictor))


class Photos:
    """Cuts a net's inputs from what callers send, and brings its keypoints back.

    Args:
        predictor: says how crops are cut.
    """

    def __init__(self, predictor: TopDownPredictor) -> None:
        self._crops = _Crops(
            predictor.net.input_size, predictor.alignment, predictor.antialias
        )

    def prepare(self, inputs: Tensors) -> tuple[Tensors, Tensors]:
        """From `image_bytes` and `boxes` to a net's `image`.

        Returns:
            the images, black where not `valid`; and that, bool `[B]`, with what
            `finish` needs besides.
        """
        scales, shifts = self._crops.maps(inputs["boxes"])
        pixels, sizes, valid = self._crops.cut(
            inputs["image_bytes"], inputs["boxes"], scales, shifts
        )
        kept = {"scales": scales, "shifts": shifts, "sizes": sizes, "valid": valid}
        return {"image": pixels}, kept

    def finish(self, predictions: Tensors, kept: Tensors) -> Tensors:
        """From a net's `keypoints` and `scores` to the outputs of `locate`."""
        valid = kept["valid"]
        found = tf.cast(predictions["keypoints"], tf.float64)
        keypoints = (found - kept["shifts"][:, None]) / kept["scales"][:, None]
        nothing = tf.constant(np.nan, tf.float32)
        scores = tf.cast(predictions["scores"], tf.float32)
        return {
            "keypoints": tf.where(
                valid[:, None, None], tf.cast(keypoints, tf.float32), nothing
            ),
            "scores": tf.where(valid[:, None], scores, 0.0),
            "image_size": tf.where(valid[:, None], kept["sizes"], nothing),
            "valid": valid,
        }


def _example() -> dict[str, np.ndarray]:
    """A JPEG with nobody in it, and a box."""
    down, across = np.mgrid[:480, :640]
    pixels = np.stack([down // 2, across // 3, (down + across) % 256], axis=-1)
    file = tf.io.encode_jpeg(pixels.astype(np.uint8)).numpy()
    return {
        "image_bytes": np.array([file], object),
        "boxes": np.array([[200, 40, 200, 400]], np.float32),
    }


@dataclasses.dataclass(frozen=True)
class _Crops:
    """The net's inputs, cut as `tfpose.top_down.crop` does, in TensorFlow's graph."""

    input_size: tuple[int, int]
    alignment: str
    antialias: bool

    def maps(self, boxes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """`region_matrices` of boxes `[B, 4]`: input = photo * scale + shift.

        Both float64 `[B, 2]`. Of impossible boxes they mean nothing.
        """
        boxes = tf.cast(boxes, tf.float64)
        centres = boxes[:, :2] + boxes[:, 2:] / 2 + box_offset(self.alignment)
        aspect = self.input_size[1] / self.input_size[0]
        width = tf.maximum(boxes[:, 2], boxes[:, 3] * aspect)
        sizes = tf.stack([width, width / aspect], axis=-1) * BOX_PADDING
        # In every alignment a region's size is linear in the inverse of its scale.
        small, large = 1 / region_scales(
            self.alignment, np.array([[100.0] * 2, [200.0] * 2]), self.input_size
        )
        slope = (large - small) / 100
        # udp: y by its own side; else both by the width.
        sides = sizes if self.alignment == "udp" else sizes[:, :1]
        scales = 1 / (slope * (sides - 100) + small)
        middle = input_middle(self.alignment, self.input_size)
        return scales, middle - scales * centres

    def cut(
        self, files: tf.Tensor, boxes: tf.Tensor, scales: tf.Tensor, shifts: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Crops, photos' (height, width), and which rows there are.

        float32 `[B, H, W, 3]` with pixels 0..255, float32 `[B, 2]` and bool `[B]`.
        """
        count = tf.shape(files)[0]
        rows = tf.data.Dataset.from_tensor_slices(
            (tf.range(count), files, boxes, scales, shifts)
        )
        # A row that fails is left out; a whole batch would fail by `tf.map_fn`.
        done = rows.map(self._cut_one, num_parallel_calls=tf.data.AUTOTUNE)
        done = done.ignore_errors()
        # One batch must come, even if all rows fail: the last row of this one goes.
        spare = (count, tf.zeros((*self.input_size, 3)), tf.zeros(2))
        done = done.concatenate(tf.data.Dataset.from_tensors(spare))
        places, pixels, sizes = done.batch(
            tf.cast(count, tf.int64) + 1
        ).get_single_element()
        places = places[:, None]
        crops = tf.scatter_nd(places, pixels, [count + 1, *self.input_size, 3])
        sizes = tf.scatter_nd(places, sizes, [count + 1, 2])
        crops, sizes = crops[:-1], sizes[:-1]
        return crops, sizes, sizes[:, 0] > 0

    def _cut_one(
        self,
        place: tf.Tensor,
        file: tf.Tensor,
        box: tf.Tensor,
        scale: tf.Tensor,
        shift: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """`cut` of one row; an error where file or box cannot be used."""
        low, high = box[:2], box[:2] + box[2:]
        _require(tf.reduce_all(tf.abs(box) < _FAR) & tf.reduce_all(box[2:] > 0), "box")
        photo = read_photo(file)
        size = tf.cast(tf.shape(photo)[:2], tf.float32)
        touches = tf.reduce_all(high > 0) & tf.reduce_all(low < size[::-1])
        _require(touches, "box")
        return place, self._warp(photo, scale, shift), size

    def _warp(self, photo: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
        """`tfpose.top_down.crop.warp` of uint8 `[h, w, 3]`, to float32."""
        factor = tf.constant(1)
        if self.antialias:
            shrink = tf.sqrt(tf.reduce_prod(scale))
            factor = 2 ** tf.math.count_nonzero(
                shrink * tf.constant([2.0, 4.0, 8.0], tf.float64) <= 1, dtype=tf.int32
            )
        photo, first = self._around(photo, factor, scale, shift)
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
            output_shape=self.input_size,
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="CONSTANT",
        )
        return tf.ensure_shape(tf.round(warped[0]), (*self.input_size, 3))

    def _around(
        self, photo: tf.Tensor, factor: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """The part that the net sees, and the (row, column) at which it begins.

        It begins at a whole number of blocks, and has one to spare where there is.
        """
        size = tf.shape(photo)[:2]
        ends = tf.constant([[-1.0, -1.0], self.input_size[::-1]], tf.float64)
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


def _require(condition: tf.Tensor, what: str) -> None:
    tf.debugging.Assert(condition, [what])
