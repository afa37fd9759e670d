"""A net without boxes as a function from pixels to everybody in them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops

from export.model import EVERYTHING, Arrays, ExportedModel, Signature, Tensors
from tfpose.errors import InputError
from tfpose.logocap.centre_net import CentreNet, Dense, Poses
from tfpose.logocap.predictor import CentrePredictor
from tfpose.logocap.suppression import DISTANCE, SHARE, read_slots

__all__ = [
    "OUTPUTS",
    "find_slots",
    "people_metadata",
    "people_model",
    "people_predictor",
    "read_rows",
]

OUTPUTS = ("keypoints", "heatmaps")
"""What a net can give: everybody's keypoints, or maps that are read outside."""

_DTYPES = ("uint8", "float32")
_MULTIPLE = 32
# Only the layers of the two networks are quantised, but for those that make maps of
# values, those whose taps move, and the norm whose scales are each pose's own.
_KEPT = (
    r"^(?!(.*[/;])?(dense|message_passing)(_\d+)?/)",
    r"/joint\d+_block",
    r"head(_\d+)?/",
    r"/norm1(_\d+)?/",
)
# Parts of the net's info that the metadata has under other names.
_ELSEWHERE = ("skeleton", "score_threshold", "person_threshold", "task")


def people_model(
    net: CentreNet,
    image_size: tuple[int, int] | None = None,
    *,
    slots: int | None = None,
    dtype: str = "uint8",
    flip_test: bool = False,
    name: str = "people",
    outputs: Sequence[str] = ("keypoints",),
) -> ExportedModel:
    """From a picture to everybody's poses, all inside one signature, `find_people`.

    Input `image` `[1, H, W, 3]`: RGB pixels 0..255, the picture as large as it fits,
    in the middle of black (`tfpose.logocap.picture.Placement.into`). Output `poses`
    `[1, S, J, 3]` float32 (x, y in pixels of the input, score of the joint) and
    `scores` `[1, S]` float32 of people, 0 for a slot without one. Poses that lie on
    each other are left to the caller: `tfpose.logocap.suppression.read_slots`.

    With `heatmaps` among the outputs there are two more signatures, so that a phone's
    GPU does what it can: `draw_heatmaps`, from `image` to `heatmaps` `[1, h, w, J + 1]`
    (the last is of people's centres), `offsets` `[1, h, w, 2 * J]` and, of LOGO-CAP,
    `features` `[1, h, w, F]`; and `read_heatmaps`, from these to what `find_people`
    returns.

    Args:
        net: whose `info` has `short_side`, if no size is given.
        image_size: (H, W), multiples of 32. Defaults to a square of the net's short
            side.
        slots: people at most, S. Defaults to the net's; time grows with it.
        dtype: of the pixels, uint8 or float32.
        flip_test: average heatmaps and offsets over picture and mirrored picture.
        name: of the model.
        outputs: some of `OUTPUTS`; of both, `find_people` is the main signature.

    Raises:
        InputError: an impossible choice.
    """
    predictor, size, slots = people_predictor(net, image_size, slots, flip_test)
    if dtype not in _DTYPES:
        raise InputError(f"dtype is {dtype!r}, expected one of {_DTYPES}")
    if not outputs or not set(outputs) <= set(OUTPUTS):
        raise InputError(
            f"output is {','.join(outputs)!r}, expected some of {', '.join(OUTPUTS)}"
        )
    parts = _Parts(predictor, slots)
    image = {"image": tf.TensorSpec([1, *size, 3], dtype)}
    example: dict[str, np.ndarray] = {"image": np.zeros((1, *size, 3), dtype)}
    described = _described(size, dtype)
    given = ("poses", "scores")
    signatures = {}
    if "keypoints" in outputs:
        signatures["find_people"] = Signature(
            parts.find, image, given, example, described, _KEPT, client=read_rows
        )
    if "heatmaps" in outputs:
        maps = parts.map_specs(size)
        nothing = {key: np.zeros(spec.shape, "float32") for key, spec in maps.items()}
        signatures["draw_heatmaps"] = Signature(
            parts.draw, image, tuple(maps), example, described, _KEPT, client=parts.read
        )
        signatures["read_heatmaps"] = Signature(
            parts.adapt, maps, given, nothing, described, (EVERYTHING,)
        )
    metadata = people_metadata(predictor, size, slots, suppression="outside")
    return ExportedModel(name, signatures, metadata)


def people_predictor(
    net: CentreNet,
    image_size: tuple[int, int] | None,
    slots: int | None,
    flip_test: bool,
) -> tuple[CentrePredictor, tuple[int, int], int]:
    """A net's predictor, (height, width) of its input and the most people in it.

    Raises:
        InputError: a size of no multiples of 32, or none where the net names none
            either; more slots than the net has, or none.
    """
    if image_size is None:
        side = net.info.get("short_side")
        if side is None:
            raise InputError(
                "image_size: the model names no short_side, expected height and width"
            )
        image_size = (-(-side // _MULTIPLE) * _MULTIPLE,) * 2
    if min(image_size) < _MULTIPLE or any(side % _MULTIPLE for side in image_size):
        raise InputError(
            f"image_size is {image_size[0]} x {image_size[1]}, expected multiples of "
            f"{_MULTIPLE}"
        )
    if slots is None:
        slots = net.slots
    if not 1 <= slots <= net.slots:
        raise InputError(f"slots is {slots}, expected 1 to {net.slots}, the model's")
    predictor = CentrePredictor(net, flip_test, short_side=min(image_size))
    return predictor, image_size, slots


def find_slots(predictor: CentrePredictor, dense: Dense, slots: int) -> tuple[Any, Any]:
    """Poses `[B, S, J, 3]` and scores `[B, S]` of the S best centres."""
    start = predictor.net.start_poses(dense)
    # The highest centres are first.
    return predictor.adapt(dense, Poses(*(part[:, :slots] for part in start)))


def read_rows(found: Arrays) -> Arrays:
    """`poses` and `scores` of a batch, without poses that lie on each other.

    People come first, slots without one last; their scores and poses are 0.
    """
    poses, scores = (np.zeros_like(found[key]) for key in ("poses", "scores"))
    for row, slots in enumerate(zip(found["poses"], found["scores"], strict=True)):
        kept, kept_scores = read_slots(*slots)
        poses[row, : len(kept)], scores[row, : len(kept)] = kept, kept_scores
    return {"poses": poses, "scores": scores}


class _Parts:
    """The functions behind the signatures."""

    def __init__(self, predictor: CentrePredictor, slots: int) -> None:
        self._predictor, self._slots = predictor, slots

    def find(self, inputs: Tensors) -> Tensors:
        return self._people(self._predictor.dense(inputs["image"]))

    def draw(self, inputs: Tensors) -> Tensors:
        dense = self._predictor.dense(inputs["image"])
        height, width, joints = dense.offsets.shape[1:4]
        # GPUs of phones know no five axes.
        offsets = ops.reshape(dense.offsets, (-1, height, width, 2 * joints))
        maps = dense._replace(offsets=offsets)._asdict()
        return {key: value for key, value in maps.items() if value is not None}

    def adapt(self, inputs: Tensors) -> Tensors:
        height, width, channels = inputs["offsets"].shape[1:]
        shape = (-1, height, width, channels // 2, 2)
        offsets = ops.reshape(inputs["offsets"], shape)
        return self._people(Dense(inputs["heatmaps"], offsets, inputs.get("features")))

    def read(self, maps: Arrays) -> Arrays:
        """What a caller of `draw_heatmaps` gets who calls `read_heatmaps` next."""
        found = self.adapt({key: ops.convert_to_tensor(v) for key, v in maps.items()})
        return read_rows({key: ops.convert_to_numpy(v) for key, v in found.items()})

    def map_specs(self, size: tuple[int, int]) -> dict[str, tf.TensorSpec]:
        net = self._predictor.net
        cells = tuple(side // net.stride for side in size)
        # A net that does not adapt poses has no features.
        return {
            key: tf.TensorSpec([1, *cells, output.shape[-1]], tf.float32)
            for key, output in zip(Dense._fields, net.dense_model.outputs, strict=False)
        }

    def _people(self, dense: Dense) -> Tensors:
        poses, scores = find_slots(self._predictor, dense, self._slots)
        return {"poses": poses, "scores": scores}


def _described(size: tuple[int, int], dtype: str) -> dict[str, str]:
    return {
        "image": f"{dtype} [1, {size[0]}, {size[1]}, 3], RGB pixels 0..255 of a "
        "picture in the middle of black",
        "poses": "float32 [1, S, J, 3], x and y in pixels of the image, the middle of "
        "the first pixel at (0, 0), and the joint's score",
        "scores": "float32 [1, S], about 0..1, of each person; 0: nobody",
        "heatmaps": "float32 [1, h, w, J + 1], of joints and last of people's centres",
        "offsets": "float32 [1, h, w, 2 * J], from joints to centres (x, y), cells",
        "features": "float32 [1, h, w, F], what `read_heatmaps` adapts poses to",
    }


def people_metadata(
    predictor: CentrePredictor,
    size: tuple[int, int],
    slots: int,
    suppression: str,
) -> dict[str, Any]:
    """What users of such a net must know, in whatever form it is exported.

    Args:
        predictor: of the net.
        size: (height, width) of the net's input.
        slots: people at most.
        suppression: where it is done.

    Returns:
        Skeleton, sizes, normalisation, suppression, the scores above which a joint is
        certain and a person probably is one, and training, for JSON.
    """
    info = predictor.net.info
    return {
        "task": "multi_person_pose",
        "skeleton": predictor.skeleton.to_dict(),
        "image_size": list(size),
        "slots": slots,
        "normalisation": {
            "where": "inside the model",
            "mean": list(predictor.net.backbone.image_mean),
            "std": list(predictor.net.backbone.image_std),
            "of": "pixels / 255",
        },
        "suppression": {"where": suppression, "distance": DISTANCE, "share": SHARE},
        "score_threshold": predictor.score_threshold,
        "person_threshold": predictor.person_threshold,
        "flip_test": predictor.flip_test,
        "training": {k: v for k, v in info.items() if k not in _ELSEWHERE},
    }
