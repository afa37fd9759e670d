"""From a picture and people's boxes to their keypoints, with a trained heatmap net."""

import collections
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

import numpy as np
from keras import ops

from tfpose.adaptation import AdaptedModel
from tfpose.codecs.flip import flip_images, merge, unflip_heatmaps
from tfpose.codecs.heatmap import DECODE_METHODS, HeatmapCodec
from tfpose.errors import InputError
from tfpose.predictors import People, Picture, Predictor
from tfpose.skeletons import Skeleton
from tfpose.top_down.pose_net import PoseNet
from tfpose.top_down.regions import Regions, averages_pixels

__all__ = ["AdaptingTopDownPredictor", "Compiler", "Locate", "TopDownPredictor"]

Origin = TypeVar("Origin")

Locate = Callable[[Any], tuple[Any, Any]]
"""Crops `[B, H, W, 3]` to keypoints `[B, J, 2]`, pixels of the crop, and scores
`[B, J]`."""

Compiler = Callable[[Locate, tuple[int | None, ...]], Locate]
"""Makes a fast function of a slow one, given the shape of the uint8 crops."""

_REQUIRED = ("skeleton", "sigma", "decoder", "alignment", "flip_shift")


class TopDownPredictor(Predictor):
    """A heatmap net with what is needed to read its heatmaps.

    Takes a box for each person. A person's score is the mean of the joints' scores,
    which are the heights of the heatmaps' peaks.

    Example:
    ```python
    net = keras.saving.load_model("model.keras")
    people = TopDownPredictor(net).predict(photo, boxes)
    ```
    """

    wants_boxes = True

    def __init__(
        self,
        net: PoseNet,
        flip_test: bool = True,
        *,
        alignment: str | None = None,
        decoder: str | None = None,
        flip_shift: int | None = None,
        batch_size: int = 16,
        compiler: Compiler | None = None,
    ) -> None:
        """
        Args:
            net: whose `info` names its `skeleton`, the targets' `sigma` (heatmap
                cells), the `decoder`, the `alignment` and the `flip_shift`, and may
                name the `score_threshold`, and the `blur_kernel` of the decoder, see
                `tfpose.codecs.heatmap.HeatmapCodec`.
            flip_test: average the heatmaps of the image and of its mirror image.
            alignment: one of `tfpose.codecs.alignment.ALIGNMENTS`; the net's own if
                None.
            decoder: one of `DECODE_METHODS`; the net's own if None.
            flip_shift: cells, 0 or 1, see `tfpose.codecs.flip.unflip_heatmaps`; the
                net's own if None.
            batch_size: people per call of the net, of as many pictures as it takes;
                also the most pictures of a stream that are held at a time.
            compiler: what `locate` is compiled with before the second batch; None to
                leave it as it is. One photo needs no compiling, which takes longer
                than the photo; a video does.

        Raises:
            InputError: the net is no pose net, such as one that solves jigsaw
                puzzles, or a choice is impossible.
        """
        info = _info_of(net)
        self.net = net
        self.skeleton = Skeleton.from_dict(info["skeleton"])
        self.alignment = info["alignment"] if alignment is None else alignment
        self.decoder = info["decoder"] if decoder is None else decoder
        self.flip_shift = info["flip_shift"] if flip_shift is None else flip_shift
        self.flip_test = flip_test
        # As `tfpose calibrate` writes it.
        self.read_thresholds(info)
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
        self.batch_size = batch_size
        self._compiler = compiler
        self._compiled: Locate | None = None

    @property
    def antialias(self) -> bool:
        """Whether crops average pixels before a strong shrink."""
        return averages_pixels(self.alignment)

    @property
    def settings(self) -> dict[str, Any]:
        shift = f"yes, shifted by {self.flip_shift}" if self.flip_test else "no"
        return {
            "flip test": shift,
            "alignment": self.alignment,
            "decoder": self.decoder,
            "smoothing kernel": self.codec.blur_kernel_size,
            "pixels averaged before strong shrinks": "yes" if self.antialias else "no",
        }

    def heatmaps(self, images: Any) -> Any:
        """Heatmaps `[B, h, w, J]` of pixels 0..255 `[B, H, W, 3]`, flip-tested."""
        images = ops.cast(images, "float32")
        direct = self.net(images, training=False)
        if not self.flip_test:
            return direct
        mirrored = self.net(flip_images(images), training=False)
        return merge(direct, unflip_heatmaps(mirrored, self.skeleton, self.flip_shift))

    def locate(self, images: Any) -> tuple[Any, Any]:
        """Keypoints `[B, J, 2]` in input pixels and scores `[B, J]` of crops."""
        return self.codec.decode(self.heatmaps(images), self.decoder)

    def predict(self, image: np.ndarray, boxes: np.ndarray | None = None) -> People:
        _, people = next(self.stream([Picture(image, boxes, None)]))
        return people

    def stream(
        self, pictures: Iterable[Picture[Origin]]
    ) -> Iterator[tuple[Picture[Origin], People]]:
        """Each picture, in order, with its people; crops of many pictures make a batch.

        Raises:
            InputError: as of `predict`.
        """
        waiting: collections.deque[_Waiting[Origin]] = collections.deque()
        crops: list[np.ndarray] = []
        places: list[tuple[_Waiting[Origin], int]] = []
        for picture in pictures:
            entry = self._begin(picture)
            waiting.append(entry)
            crops += entry.regions.crop(picture.image)
            places += [(entry, person) for person in range(len(entry.regions))]
            while len(crops) >= self.batch_size:
                self._fill(crops, places, self.batch_size)
            if len(waiting) >= self.batch_size or picture.live:
                self._fill(crops, places, len(crops))
            # What is whole: all before the picture of the first crop that is left.
            while waiting and not (places and places[0][0] is waiting[0]):
                yield waiting.popleft().finish()
        self._fill(crops, places, len(crops))
        for entry in waiting:
            yield entry.finish()

    def _begin(self, picture: Picture[Origin]) -> "_Waiting[Origin]":
        boxes = self.usable_boxes(picture.image, picture.boxes)
        assert boxes is not None
        shape = len(boxes), self.skeleton.num_joints
        return _Waiting(
            picture,
            boxes,
            Regions.of_boxes(boxes, self.net.input_size, self.alignment),
            np.zeros((*shape, 2)),
            np.zeros(shape, np.float32),
        )

    def _locate(self, crops: np.ndarray, sides: np.ndarray) -> tuple[Any, Any]:
        """See `locate`; `sides` `[B]` are the regions' shorter ones in the photo."""
        return (self._compiled or self.locate)(crops)

    def _fill(
        self,
        crops: list[np.ndarray],
        places: list[tuple["_Waiting[Origin]", int]],
        count: int,
    ) -> None:
        """Takes the first `count` crops off the list and writes down what is found."""
        if not count:
            return
        here = places[:count]
        sides = np.array([entry.regions.sizes[row].min() for entry, row in here])
        found = self._locate(np.stack(crops[:count]), sides)
        for (entry, person), keypoints, scores in zip(
            here, *map(ops.convert_to_numpy, found), strict=True
        ):
            entry.keypoints[person], entry.scores[person] = keypoints, scores
        del crops[:count], places[:count]
        if self._compiled is None and self._compiler is not None:
            shape = (None, *self.net.input_size, 3)
            self._compiled = self._compiler(self.locate, shape)


def _info_of(net: PoseNet) -> dict[str, Any]:
    """What a pose net says of itself; InputError if it is none or says too little."""
    info = net.info if isinstance(net, PoseNet) else {}
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
    return info


@dataclasses.dataclass(frozen=True, eq=False)
class _Waiting(Generic[Origin]):
    """A picture whose people are being looked for."""

    picture: Picture[Origin]
    boxes: np.ndarray
    regions: Regions
    keypoints: np.ndarray
    """`[P, J, 2]`, pixels of the crops."""
    scores: np.ndarray

    def finish(self) -> tuple[Picture[Origin], People]:
        keypoints = self.regions.to_picture(self.keypoints)
        means = self.scores.astype(np.float64).mean(axis=1)
        return self.picture, People(keypoints, self.scores, means, self.boxes)


class AdaptingTopDownPredictor(TopDownPredictor):
    """A top-down predictor that adapts to each crop, in order, and has no flip test."""

    def __init__(
        self,
        net: PoseNet,
        adapted: AdaptedModel,
        *,
        alignment: str | None = None,
    ) -> None:
        """
        Args:
            net: see `TopDownPredictor`.
            adapted: takes crops as `image`, returns `keypoints` and `scores`.
            alignment: see `TopDownPredictor`.

        Raises:
            InputError: the net is no pose net, or the alignment is unknown.
        """
        super().__init__(net, flip_test=False, alignment=alignment)
        self._adapted = adapted

    def locate(self, images: Any, sides: np.ndarray | None = None) -> tuple[Any, Any]:
        """Keypoints `[B, J, 2]` in input pixels and scores `[B, J]` of crops.

        Args:
            images: `[B, H, W, 3]`, pixels 0..255.
            sides: `[B]`, the shorter sides of what they show, pixels of the photo. Not
                known if None: then nobody is too small to adapt to.
        """
        samples = [{"image": image[None]} for image in images]
        if sides is not None:
            for sample, side in zip(samples, sides, strict=True):
                sample["side"] = np.array([side], np.float32)
        found = [self._adapted(sample) for sample in samples]
        keypoints, scores = (
            np.concatenate([ops.convert_to_numpy(one[name]) for one in found])
            for name in ("keypoints", "scores")
        )
        return keypoints, scores

    def _locate(self, crops: np.ndarray, sides: np.ndarray) -> tuple[Any, Any]:
        return self.locate(crops, sides)

    def left_out(self) -> str:
        return self._adapted.left_out()
