"""Heatmap nets as functions from photo files and boxes to keypoints, for servers.

What cannot be used, a broken file or an impossible box, is flagged in its own row and
does not fail the batch that a server has put it into.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from export.model import ExportedModel, Signature, Tensors
from export.pose_net import pose_metadata
from export.serving.cutting import cut_rows, example_photo, require, warp_photo
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

_EXAMPLE_BOX = (200, 40, 200, 400)
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
        example={**example_photo(), "boxes": np.array([_EXAMPLE_BOX], np.float32)},
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
        columns = (files, boxes, scales, shifts)
        return cut_rows(self._cut_one, columns, self.input_size)

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
        require(tf.reduce_all(tf.abs(box) < _FAR) & tf.reduce_all(box[2:] > 0), "box")
        photo = read_photo(file)
        size = tf.cast(tf.shape(photo)[:2], tf.float32)
        touches = tf.reduce_all(high > 0) & tf.reduce_all(low < size[::-1])
        require(touches, "box")
        pixels = warp_photo(photo, scale, shift, self.input_size, self.antialias)
        return place, pixels, size
