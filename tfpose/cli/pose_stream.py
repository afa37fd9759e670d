"""Poses of people in a stream of pictures, many people at a time."""

import collections
import dataclasses
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

import numpy as np
import tensorflow as tf

from tfpose.top_down.crop import (
    box_regions,
    invert_matrices,
    region_matrices,
    transform_points,
    warp,
)
from tfpose.top_down.estimator import PoseEstimator

__all__ = ["Picture", "PoseStream"]

Origin = TypeVar("Origin")


@dataclasses.dataclass(frozen=True)
class Picture(Generic[Origin]):
    """A photo or frame, and where to look for people in it.

    Attributes:
      image: uint8 `[H, W, 3]` RGB.
      boxes: `[P, 4]` x, y, w, h in pixels, each with a size and touching the image.
      origin: whatever the caller wants back with the poses.
    """

    image: np.ndarray
    boxes: np.ndarray
    origin: Origin


class PoseStream:
    """Finds poses, with a net that is compiled from the second batch on.

    One photo needs no compiling, which takes longer than the photo; a video does.
    """

    def __init__(self, estimator: PoseEstimator, batch_size: int = 16):
        """
        Args:
          estimator: finds the keypoints of a crop.
          batch_size: people per call of the net, of as many pictures as it takes; also
            the most pictures that are held at a time.
        """
        self.estimator = estimator
        self.batch_size = batch_size
        self._locate = estimator.locate

    def run(
        self, pictures: Iterable[Picture[Origin]]
    ) -> Iterator[tuple[Picture[Origin], np.ndarray]]:
        """Each picture, in order, with its poses `[P, J, 3]`: x and y in the picture's
        pixels and the score, for each of its boxes."""
        waiting: collections.deque[tuple[Picture[Origin], np.ndarray]]
        waiting = collections.deque()
        crops: list[np.ndarray] = []
        places: list[tuple[np.ndarray, int, np.ndarray]] = []
        for picture in pictures:
            shape = (len(picture.boxes), self.estimator.skeleton.num_joints, 3)
            poses = np.zeros(shape)
            waiting.append((picture, poses))
            for person, matrix in enumerate(self._matrices(picture.boxes)):
                crops.append(self._crop(picture.image, matrix))
                places.append((poses, person, invert_matrices(matrix)))
            while len(crops) >= self.batch_size:
                self._fill(crops, places, self.batch_size)
            if len(waiting) >= self.batch_size:
                self._fill(crops, places, len(crops))
            # What is whole: all before the picture of the first crop that is left.
            while waiting and not (places and places[0][0] is waiting[0][1]):
                yield waiting.popleft()
        self._fill(crops, places, len(crops))
        yield from waiting

    def _matrices(self, boxes: np.ndarray) -> np.ndarray:
        size, alignment = self.estimator.net.input_size, self.estimator.alignment
        centres, sizes = box_regions(boxes, size, alignment=alignment)
        return region_matrices(centres, sizes, size, alignment=alignment)

    def _crop(self, image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        estimator = self.estimator
        return warp(image, matrix, estimator.net.input_size, estimator.antialias)

    def _fill(
        self,
        crops: list[np.ndarray],
        places: list[tuple[np.ndarray, int, np.ndarray]],
        count: int,
    ) -> None:
        """Takes the first `count` crops off the list and writes their poses down."""
        if not count:
            return
        found = [np.asarray(part) for part in self._locate(np.stack(crops[:count]))]
        for (poses, person, matrix), keypoints, scores in zip(
            places[:count], *found, strict=True
        ):
            poses[person, :, :2] = transform_points(matrix, keypoints)
            poses[person, :, 2] = scores
        del crops[:count], places[:count]
        if self._locate == self.estimator.locate:
            shape = [None, *self.estimator.net.input_size, 3]
            self._locate = tf.function(
                self.estimator.locate,
                input_signature=[tf.TensorSpec(shape, tf.uint8)],
            )
