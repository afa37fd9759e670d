"""What `from tfpose import ...` gives: people in photos and videos, in three lines."""

import dataclasses
import os
import pathlib
import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from data_pipelines.images import decode_image
from data_pipelines.video import VideoFrame, VideoReader
from tfpose.cli import models
from tfpose.cli.file_kinds import file_kind
from tfpose.errors import InputError
from tfpose.predictors import People, Picture, Predictor, absent_threshold
from tfpose.skeletons import uncertain_joints
from tfpose.tracking import Tracker

__all__ = ["Joint", "Person", "PosePredictor", "load_predictor"]


class Joint(NamedTuple):
    """Where a joint is: x and y in pixels of the photo, pixel centres at integers, and
    its score, about 0 to 1; with 0 or less it was not found.
    """

    x: float
    y: float
    score: float


@dataclasses.dataclass(frozen=True)
class Person:
    """One person of a photo or frame.

    Attributes:
        joints: every joint of the net by name, such as `left_wrist`, in the net's
            order.
        score: how certain the net is of the person; the larger, the more.
        uncertain: names of joints that do not score above the net's `score_threshold`:
            hidden, out of the picture, or not found.
        box: x, y, w, h in pixels: where the person was looked for, or is.
        number: by which the person is known in all frames of a video, from 1; 0 as
            long as they have none, see `tfpose.tracking`, and in photos.
    """

    joints: dict[str, Joint]
    score: float
    uncertain: tuple[str, ...]
    box: tuple[float, float, float, float]
    number: int = 0


class PosePredictor:
    """Finds the people in photos and videos.

    Example:
        >>> from tfpose import load_predictor
        >>> predictor = load_predictor()
        >>> for person in predictor("photo.jpg"):
        ...     print(len(person.joints), 0 < person.joints["left_hip"].score < 1.5)
        17 True
        >>> for frame, people in predictor.video("clip.mp4"):
        ...     print(frame.index, people[0].number)
        ...     break
        0 1
    """

    def __init__(self, predictor: Predictor, in_boxes: Predictor | None = None):
        """
        Args:
            predictor: finds the people.
            in_boxes: finds them where there are boxes; None for the same one.
        """
        self._predictor = predictor
        self._in_boxes = in_boxes or predictor

    @property
    def joint_names(self) -> tuple[str, ...]:
        """The names of the joints that the net finds, in its order."""
        return self._predictor.skeleton.joints

    def __call__(
        self, photo: str | os.PathLike | ArrayLike, boxes: ArrayLike | None = None
    ) -> list[Person]:
        """The people in one photo.

        Args:
            photo: a file, or pixels: uint8 `[H, W, 3]` RGB, or what NumPy makes that
                of, such as a picture of Pillow. OpenCV's order is BGR: turn it round.
            boxes: `[P, 4]` (x, y, w, h), pixels, where people are; refused by a net
                that finds people by itself, such as a named LOGO-CAP. The nets that
                ship do both. Without, a named net that looks into boxes takes one
                person to fill the photo, and warns that it does.

        Raises:
            InputError: no such file, no photo, or boxes that cannot be used.
        """
        predictor = self._chosen(boxes)
        people = predictor.predict(_pixels(photo), _numbers(boxes))
        people = people.above(predictor.person_threshold)
        return _named(people, [0] * len(people), predictor)

    def video(
        self,
        path: str | os.PathLike,
        boxes: ArrayLike | None = None,
        smooth: bool = True,
    ) -> Iterator[tuple[VideoFrame, list[Person]]]:
        """The frames of a video, one after the other, each with its people.

        A frame has its `index` from 0, its time in `seconds` from the start, and its
        pixels, `image`, uint8 `[H, W, 3]` RGB. People keep their `number`.

        Args:
            path: a file that FFmpeg can read.
            boxes: as for a photo, the same in all frames.
            smooth: whether people move smoothly, see `tfpose.tracking`; else each
                frame's pose is as it was found.

        Raises:
            InputError: no such file, no video, one that is damaged (after the frames
                that can be read), or boxes that cannot be used.
        """
        predictor, found = self._chosen(boxes), _numbers(boxes)
        frames = (Picture(frame.image, found, frame) for frame in VideoReader(path))
        threshold = absent_threshold(predictor.score_threshold)
        tracker = Tracker(predictor.skeleton, smooth=smooth, threshold=threshold)
        for picture, people in predictor.stream(frames):
            people = people.above(predictor.person_threshold)
            people, numbers = tracker.update(people, picture.origin.seconds)
            yield picture.origin, _named(people, numbers, predictor)

    def _chosen(self, boxes: ArrayLike | None) -> Predictor:
        if boxes is not None:
            return self._in_boxes
        if self._predictor.wants_boxes:
            warnings.warn(
                "no boxes: one person is taken to fill the picture; if there are "
                "several, or small ones, give boxes, or load a net that finds people "
                "by itself",
                # Of the caller of this object's caller.
                stacklevel=3,
            )
        return self._predictor


def _named(
    people: People, numbers: Sequence[int], predictor: Predictor
) -> list[Person]:
    skeleton = predictor.skeleton
    return [
        Person(
            {
                name: Joint(*joint)
                for name, joint in zip(skeleton.joints, pose.tolist(), strict=True)
            },
            float(score),
            tuple(uncertain_joints(pose, skeleton, predictor.score_threshold)),
            tuple(box.tolist()),
            number,
        )
        for pose, score, box, number in zip(
            people.poses, people.person_scores, people.boxes, numbers, strict=True
        )
    ]


def load_predictor(model: str = "") -> PosePredictor:
    """A pose net, ready to use on photos and videos.

    Args:
        model: a `.keras` file, its http(s) address, or a name that `tfpose presets`
            lists, whose weights are downloaded once; empty for the two small nets that
            ship with the package, one for whole pictures and one for boxes.

    Raises:
        InputError: no such file or name, no pose net, or it cannot be downloaded.
        MissingPart: TensorFlow is not installed.
    """
    if model:
        return PosePredictor(models.load_predictor(model))
    poser = models.load_shipped(boxes=True)
    return PosePredictor(models.with_finder(poser), poser)


def _numbers(boxes: ArrayLike | None) -> np.ndarray | None:
    try:
        return None if boxes is None else np.asarray(boxes, np.float64)
    except (TypeError, ValueError):
        raise InputError(f"boxes: expected numbers, [P, 4], got {boxes!r}") from None


def _pixels(photo: str | os.PathLike | ArrayLike) -> np.ndarray:
    if not isinstance(photo, str | os.PathLike):
        try:
            return np.asarray(photo)
        except ValueError as error:
            raise InputError(f"photo: expected pixels, [h, w, 3]: {error}") from None
    path = pathlib.Path(photo)
    if file_kind(path) == "video":
        raise InputError(f"{path}: a video; expected a photo, see `video()`")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: not readable: {error.strerror}") from None
    return decode_image(data, name=str(path))
