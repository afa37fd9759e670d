"""From a photo and people's boxes to their keypoints, with a trained heatmap net."""

import numpy as np
from keras import ops

from tfpose.codecs.flip import flip_images, merge, unflip_heatmaps
from tfpose.codecs.heatmap import DECODE_METHODS, HeatmapCodec
from tfpose.errors import InputError
from tfpose.skeletons import Skeleton
from tfpose.top_down.crop import (
    box_regions,
    invert_matrices,
    region_matrices,
    transform_points,
    warp,
)
from tfpose.top_down.net import HeatmapNet

__all__ = ["PoseEstimator", "box_problem"]

_REQUIRED = ("skeleton", "sigma", "decoder", "alignment", "flip_shift")


class PoseEstimator:
    """A heatmap net with what is needed to read its answers.

    Example:

    ```python
    net = keras.saving.load_model("model.keras")
    keypoints, scores = PoseEstimator(net).estimate(photo, boxes)
    ```
    """

    def __init__(
        self,
        net: HeatmapNet,
        flip_test: bool = True,
        *,
        alignment: str | None = None,
        decoder: str | None = None,
        flip_shift: int | None = None,
    ):
        """
        Args:
          net: whose `info` names its `skeleton`, the targets' `sigma` (heatmap cells),
            the `decoder`, the `alignment` and the `flip_shift`, and may name the
            `blur_kernel` of the decoder, see `tfpose.codecs.heatmap.HeatmapCodec`.
          flip_test: average the heatmaps of the image and of its mirror image.
          alignment: one of `tfpose.codecs.alignment.ALIGNMENTS`; the net's own if None.
          decoder: one of `DECODE_METHODS`; the net's own if None.
          flip_shift: cells, 0 or 1, see `tfpose.codecs.flip.unflip_heatmaps`; the
            net's own if None.

        Raises:
          InputError: the net is no pose net, such as one that solves jigsaw puzzles,
            or a choice is impossible.
        """
        info = net.info if isinstance(net, HeatmapNet) else {}
        missing = [name for name in _REQUIRED if name not in info]
        if {"skeleton", "sigma", "decoder"} & set(missing):
            task = info.get("task", "unknown")
            raise InputError(
                f"model: expected a pose net that names its skeleton, got one of task "
                f"{task!r}; fine-tune it first with trainers.top_down --init_from"
            )
        if missing:
            raise InputError(
                f"model: its info has no {' and no '.join(missing)}; expected a net "
                "that names them, train or import it again"
            )
        self.net = net
        self.skeleton = Skeleton.from_dict(info["skeleton"])
        self.alignment = info["alignment"] if alignment is None else alignment
        self.decoder = info["decoder"] if decoder is None else decoder
        self.flip_shift = info["flip_shift"] if flip_shift is None else flip_shift
        self.flip_test = flip_test
        if self.decoder not in DECODE_METHODS:
            raise InputError(
                f"decoder is {self.decoder!r}, expected one of {DECODE_METHODS}"
            )
        if self.flip_shift not in (0, 1):
            raise InputError(f"flip_shift is {self.flip_shift!r}, expected 0 or 1")
        self.codec = HeatmapCodec(
            net.input_size,
            net.stride,
            info["sigma"],
            self.alignment,
            blur_kernel=info.get("blur_kernel"),
        )

    @property
    def antialias(self) -> bool:
        """Whether crops average pixels before a strong shrink (`half_pixel` only)."""
        return self.alignment == "half_pixel"

    def heatmaps(self, images):
        """Heatmaps `[B, h, w, J]` of pixels 0..255 `[B, H, W, 3]`, flip-tested."""
        images = ops.cast(images, "float32")
        direct = self.net(images, training=False)
        if not self.flip_test:
            return direct
        mirrored = self.net(flip_images(images), training=False)
        return merge(direct, unflip_heatmaps(mirrored, self.skeleton, self.flip_shift))

    def locate(self, images):
        """Keypoints `[B, J, 2]` in input pixels and scores `[B, J]` of crops."""
        return self.codec.decode(self.heatmaps(images), self.decoder)

    def estimate(
        self, image: np.ndarray, boxes: np.ndarray | None = None, batch_size: int = 32
    ) -> tuple[np.ndarray, np.ndarray]:
        """Keypoints of the people in one photo.

        Args:
          image: uint8 `[h, w, 3]` RGB.
          boxes: `[P, 4]` x, y, w, h in pixels, which may reach over the photo's edges;
            without them one person is taken to fill the photo.
          batch_size: people per call of the net.

        Returns:
          keypoints float64 `[P, J, 2]` (x, y) in the photo's pixels, and scores
          float32 `[P, J]`, the heights of the heatmaps' peaks (about 0..1; a joint
          with one of 0 or less was not found, and its place means nothing).

        Raises:
          InputError: not such an image, or a box without a size or outside of it.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise InputError(
                f"image: expected uint8 [h, w, 3], got {image.dtype} {image.shape}"
            )
        if boxes is None:
            boxes = np.array([[0, 0, image.shape[1], image.shape[0]]])
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        _check_boxes(boxes, image.shape)
        joints = self.skeleton.num_joints
        keypoints = np.zeros((len(boxes), joints, 2))
        scores = np.zeros((len(boxes), joints), np.float32)
        size = self.net.input_size
        centres, sizes = box_regions(boxes, size, alignment=self.alignment)
        matrices = region_matrices(centres, sizes, size, alignment=self.alignment)
        for first in range(0, len(boxes), batch_size):
            part = slice(first, first + batch_size)
            crops = np.stack(
                [warp(image, map_, size, self.antialias) for map_ in matrices[part]]
            )
            found, heights = self.locate(crops)
            keypoints[part] = ops.convert_to_numpy(found)
            scores[part] = ops.convert_to_numpy(heights)
        return transform_points(invert_matrices(matrices), keypoints), scores


def box_problem(box: np.ndarray, shape: tuple[int, ...]) -> str:
    """Why nobody can be looked for in a box `[4]` of an image of `shape`, or ""."""
    low, high = box[:2], box[:2] + box[2:]
    if np.isfinite(box).all() and (box[2:] > 0).all():
        if (high > 0).all() and (low < [shape[1], shape[0]]).all():
            return ""
    found = ",".join(f"{value:g}" for value in box)
    return (
        "expected finite x, y, w, h with w and h above 0 that touch the image of "
        f"{shape[1]} x {shape[0]} px, got {found}"
    )


def _check_boxes(boxes: np.ndarray, shape: tuple[int, ...]) -> None:
    for box in boxes:
        problem = box_problem(box, shape)
        if problem:
            raise InputError(f"box: {problem}")
