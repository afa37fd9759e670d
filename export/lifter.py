"""Lifters as functions from pixels to metres, for anybody's runtime."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from export.model import ExportedModel, Signature, Tensors, exact
from tfpose.errors import InputError
from tfpose.geometry import normalize_keypoints
from tfpose.lifters.pose_lifter import PoseLifter
from tfpose.skeletons import Skeleton, convert_keypoints

__all__ = ["Pixels", "lifter_model"]

# No photo has such coordinates, and their squares are still finite in float32. A
# comparison with it takes the place of `isfinite`, which LiteRT has no operator for.
_FAR = 1e7

# First and last layers of lifters, which see coordinates: pixels of a thousand do not
# fit into 256 steps, nor do millimetres. Not a model of that name in the lifter, behind
# which the name of a layer follows.
_ENDS = ("/(expand|head|input_norm|joints0|root|positions)_(?![0-9]+/[^/;]*_[0-9]+/)",)

_DESCRIBED = {
    "keypoints": "float32 [B, J, 2]: x, y of input_skeleton's joints in pixels, the "
    "middle of the first pixel at 0, 0; NaN if unknown",
    "image_size": "float32 [B, 2]: height, width in pixels",
    "positions": "float32 [B, K, 3]: x right, y down, z forward of skeleton's joints, "
    "metres relative to the root; NaN if not valid",
    "valid": "bool [B]: whether there is a pose",
}


class Pixels:
    """Converts what callers send, pixels, to a lifter's input, and its output back.

    Args:
        target: the lifter's skeleton.
        source: whose joints the callers send. Of joints that the lifter does not need,
            nothing matters.

    Raises:
        InputError: the lifter's joints cannot be made of the source's.
    """

    def __init__(self, target: Skeleton, source: Skeleton) -> None:
        self._rows = _joint_rows(source, target)

    def prepare(self, inputs: Tensors) -> tuple[Tensors, Tensors]:
        """From `keypoints` `[B, J, 2]` and `image_size` `[B, 2]` to a lifter's input.

        Returns:
            `keypoints` by `normalize_keypoints`, and `valid`, bool `[B]`, which rows
            can be used; the others are 0.
        """
        with exact():
            keypoints = _mixed(ops.cast(inputs["keypoints"], "float32"), self._rows)
            size = ops.cast(inputs["image_size"], "float32")
            valid = ops.logical_and(_is_body(keypoints), _is_size(size))
            # In place of what is bad, because NaN times 0 would still be NaN.
            usable = ops.where(valid[:, None, None], keypoints, 0.0)
            image = ops.where(valid[:, None], size, 1.0)
            points = normalize_keypoints(usable, image)
            return {"keypoints": points}, {"valid": valid}

    def finish(self, predictions: Tensors, kept: Tensors) -> Tensors:
        """From a lifter's `positions` to them, NaN where not valid, and `valid`."""
        positions = ops.cast(predictions["positions"], "float32")
        with exact():
            found = ops.all(ops.abs(positions) < _FAR, axis=(1, 2))
            valid = ops.logical_and(kept["valid"], found)
            positions = ops.where(valid[:, None, None], positions, np.nan)
        return {"positions": positions, "valid": valid}


def lifter_model(
    net: keras.Model,
    skeleton: Skeleton | None = None,
    *,
    flip_test: bool = False,
    name: str = "lifter",
) -> ExportedModel:
    """What `PoseLifter` does, from pixels on, with bad input flagged and not raised.

    Its signature is `lift`. Inputs:
        keypoints: float32 `[B, J, 2]` (x, y), pixels, of the joints of `skeleton`. A
            joint that is not known must be NaN.
        image_size: float32 `[B, 2]`, (height, width), pixels.

    Outputs:
        positions: float32 `[B, K, 3]`, metres, of the net's own joints, in the camera's
            frame (x right, y down, z forward), relative to the root.
        valid: bool `[B]`. False, and all of the row's positions NaN, where a keypoint
            that the net needs is not finite or 10 million pixels or more away, where
            all of them are one point, where a side of the image is not above 0, or
            where the answer would not be finite.

    Args:
        net: a `LiftingNet`.
        skeleton: whose joints the callers send, see `Pixels`. Defaults to the net's.
        flip_test: average over the pose and its mirror image, for twice the time.
        name: of the model.

    Raises:
        InputError: `net` is no lifter, or its joints cannot be made of `skeleton`'s.
    """
    lifter = PoseLifter(net, flip_test)
    source = lifter.skeleton if skeleton is None else skeleton
    pixels = Pixels(lifter.skeleton, source)

    def call(inputs: Tensors) -> Tensors:
        sample, kept = pixels.prepare(inputs)
        return pixels.finish({"positions": lifter.lift(sample["keypoints"])}, kept)

    lift = Signature(
        call=call,
        inputs={
            "keypoints": tf.TensorSpec((None, source.num_joints, 2), tf.float32),
            "image_size": tf.TensorSpec((None, 2), tf.float32),
        },
        outputs=("positions", "valid"),
        example=_example(source.num_joints),
        described=_DESCRIBED,
        kept=_ENDS,
        varied=(".*",),
    )
    return ExportedModel(name, {"lift": lift}, _metadata(lifter, source))


def _example(joints: int) -> dict[str, np.ndarray]:
    """Points in a photo, no true body."""
    angles = np.arange(joints)
    points = np.stack([500 + 200 * np.cos(angles), 500 + 300 * np.sin(angles)], -1)
    return {
        "keypoints": points[None].astype(np.float32),
        "image_size": np.array([[1000, 1000]], np.float32),
    }


def _joint_rows(source: Skeleton, target: Skeleton) -> list[list[int]]:
    """Rows of `source` whose mean is each joint of `target`."""
    mix, missing = convert_keypoints(
        np.eye(source.num_joints, dtype=np.float32),
        source,
        target,
        derive_midpoints=True,
    )
    if missing:
        raise InputError(
            f"skeleton {source.name!r}: {', '.join(missing)} cannot be made of its "
            f"joints; expected those of {target.name!r}, which the lifter takes"
        )
    return [np.flatnonzero(weights).tolist() for weights in mix]


def _mixed(keypoints: Any, rows: list[list[int]]) -> Any:
    # Joint by joint: in a product with a matrix, a NaN would reach all of them.
    joints = ops.unstack(keypoints, axis=1)
    return ops.stack([sum(joints[j] for j in row) / len(row) for row in rows], axis=1)


def _is_body(keypoints: Any) -> Any:
    """`[B]`: known, and not all in one point, which is how detectors say nobody."""
    near = ops.all(ops.abs(keypoints) < _FAR, axis=(1, 2))
    extent = ops.max(keypoints, axis=1) - ops.min(keypoints, axis=1)
    return ops.logical_and(near, ops.max(extent, axis=-1) > 0)


def _is_size(size: Any) -> Any:
    return ops.all(ops.logical_and(size > 0, size < _FAR), axis=1)


def _metadata(lifter: PoseLifter, source: Skeleton) -> dict[str, Any]:
    skeleton = lifter.skeleton
    return {
        "task": "lifting",
        "model": lifter.net.name,
        "skeleton": skeleton.to_dict(),
        "input_skeleton": source.to_dict(),
        "root": skeleton.joints[skeleton.root],
        "normalisation": "inside the model: 2x / width - 1, 2y / width - height / "
        "width; of a portrait image about its middle by the height",
        "flip_test": lifter.flip_test,
        "training": {k: v for k, v in lifter.net.info.items() if k != "skeleton"},
    }
