"""Nets without boxes as functions from photo files to everybody, for servers."""

import tensorflow as tf

from export.model import ExportedModel, Signature, Tensors
from export.people_net import find_slots, people_metadata, people_predictor
from export.serving.cutting import cut_rows, example_photo, warp_photo
from export.serving.photo import read_photo
from tfpose.logocap.centre_net import CentreNet
from tfpose.logocap.suppression import DISTANCE, SHARE

__all__ = ["photo_people_model", "suppress_slots"]

_DESCRIBED = {
    "image_bytes": "string [B]: JPEG or PNG files, turned upright by EXIF",
    "poses": "float32 [B, S, J, 3]: x, y in pixels of the upright photo, the middle of "
    "the first pixel at 0, 0, and the joint's score; NaN if not valid",
    "scores": "float32 [B, S], about 0..1, of each person; 0: nobody in this slot",
    "image_size": "float32 [B, 2]: height, width of the upright photo",
    "valid": "bool [B]: whether the photo could be used",
}


def photo_people_model(
    net: CentreNet,
    image_size: tuple[int, int] | None = None,
    *,
    slots: int | None = None,
    flip_test: bool = True,
    name: str = "people",
) -> ExportedModel:
    """Everybody in photos of any size, seen by the net in an input of one size.

    Its signature is `find_people`. Input `image_bytes`: string `[B]`, a JPEG or PNG
    file for each row, turned upright by its EXIF orientation. Outputs:
        poses: float32 `[B, S, J, 3]` (x, y in pixels of the upright photo, score).
        scores: float32 `[B, S]`; 0 for a slot without a person. Of poses that lie on
            each other all but the best have 0.
        image_size: float32 `[B, 2]`, (height, width) of the upright photo.
        valid: bool `[B]`. False, with poses and image_size NaN and scores 0, where the
            file is no whole JPEG or PNG.

    Args:
        net: whose `info` has `short_side`, if no size is given.
        image_size: (H, W) of the net's input, multiples of 32, in whose middle photos
            lie, as large as they fit. Defaults to a square of the net's short side.
        slots: people at most, S. Defaults to the net's.
        flip_test: average over photo and mirror image, for twice the time.
        name: of the model.

    Raises:
        InputError: an impossible choice.
    """
    predictor, size, slots = people_predictor(net, image_size, slots, flip_test)

    def cut_one(
        place: tf.Tensor, file: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        photo = read_photo(file)
        sides = tf.cast(tf.shape(photo)[:2], tf.float32)
        scale, shift = _placement(sides, size)
        scales = tf.stack([scale, scale])
        return place, warp_photo(photo, scales, shift, size, antialias=False), sides

    def call(inputs: Tensors) -> Tensors:
        pixels, sizes, valid = cut_rows(cut_one, [inputs["image_bytes"]], size)
        poses, scores = find_slots(predictor, predictor.dense(pixels), slots)
        scores = suppress_slots(poses[..., :2], scores)
        scale, shift = _placement(tf.where(valid[:, None], sizes, 1.0), size)
        points = tf.cast(poses[..., :2], tf.float64) - shift[:, None, None]
        points = tf.cast(points / scale[:, None, None, None], tf.float32)
        poses = tf.concat([points, poses[..., 2:]], axis=-1)
        nothing = float("nan")
        return {
            "poses": tf.where(valid[:, None, None, None], poses, nothing),
            "scores": tf.where(valid[:, None], scores, 0.0),
            "image_size": tf.where(valid[:, None], sizes, nothing),
            "valid": valid,
        }

    find = Signature(
        call=call,
        inputs={"image_bytes": tf.TensorSpec([None], tf.string)},
        outputs=("poses", "scores", "image_size", "valid"),
        example=example_photo(),
        described=_DESCRIBED,
    )
    metadata = people_metadata(predictor, size, slots, suppression="inside the model")
    return ExportedModel(name, {"find_people": find}, metadata)


def _placement(
    photo_size: tf.Tensor, size: tuple[int, int]
) -> tuple[tf.Tensor, tf.Tensor]:
    """`Placement.into` of photos' (height, width) `[..., 2]`: scale and shift, float64.

    Input = photo * scale `[...]` + shift `[..., 2]` (x, y).
    """
    sides = tf.cast(photo_size, tf.float64)
    scale = tf.reduce_min(tf.constant(size, tf.float64) / sides, axis=-1)
    middle = tf.floor(sides[..., ::-1] / 2 + 0.5)
    half = tf.constant([size[1] / 2, size[0] / 2], tf.float64)
    return scale, half - scale[..., None] * middle


def suppress_slots(keypoints: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
    """The scores of those that `suppress_near` keeps, 0 for others, in a graph.

    Args:
        keypoints: `[B, S, J, 2]`, any units.
        scores: `[B, S]`; slots with 0 are nobody.

    Returns:
        `[B, S]`.
    """
    points = tf.cast(keypoints, tf.float64)
    spans = tf.reduce_max(points, axis=2) - tf.reduce_min(points, axis=2)
    reach = DISTANCE * tf.norm(spans, axis=-1)[:, :, None, None]
    apart = tf.norm(points[:, :, None] - points[:, None], axis=-1)
    close = tf.reduce_mean(tf.cast(apart < reach, tf.float64), axis=-1)
    filled = scores > 0
    heaps = (close > SHARE + 1e-9) & filled[:, :, None] & filled[:, None]
    gone = tf.zeros_like(filled)
    kept = tf.zeros_like(filled)
    slots = scores.shape[1]
    for slot in range(slots):
        heap = heaps[:, slot]
        best = tf.argmax(tf.where(heap, scores, -1.0), axis=1)
        best = tf.one_hot(best, slots, on_value=True, off_value=False)
        new = tf.reduce_any(heap, axis=1) & ~gone[:, slot]
        new &= ~tf.reduce_any(gone & best, axis=1)
        kept |= new[:, None] & best
        gone |= new[:, None] & heap
    return tf.where(kept, scores, 0.0)
