"""Predictors: a picture in, people out. Commands and evaluation see no more of a net.

`tfpose.top_down.predictor` has the first one, which needs a box for each person.
Others find people by themselves.
"""

import abc
import dataclasses
import math
from collections.abc import Iterable, Iterator
from typing import Any, Generic, TypeVar

import numpy as np

from tfpose.errors import InputError
from tfpose.skeletons import Skeleton

__all__ = ["People", "Picture", "Predictor", "absent_threshold", "box_problem"]

Origin = TypeVar("Origin")


@dataclasses.dataclass(frozen=True, eq=False)
class People:
    """P people of one picture.

    Attributes:
        keypoints: float64 `[P, J, 2]` (x, y), pixels of the picture, pixel centres at
            integers.
        joint_scores: float32 `[P, J]`, about 0..1; a joint with 0 or less was not
            found, and its place means nothing.
        person_scores: float64 `[P]`; the larger, the more certain.
        boxes: float64 `[P, 4]` (x, y, w, h), pixels: where each person was looked for
            or, where the predictor finds people by itself, where each is.
    """

    keypoints: np.ndarray
    joint_scores: np.ndarray
    person_scores: np.ndarray
    boxes: np.ndarray

    def __post_init__(self) -> None:
        shape = self.keypoints.shape[:2]
        for name, wanted in (
            ("keypoints", (*shape, 2)),
            ("joint_scores", shape),
            ("person_scores", shape[:1]),
            ("boxes", (*shape[:1], 4)),
        ):
            found = getattr(self, name).shape
            if found != wanted:
                raise ValueError(f"{name} must be {wanted}, received {found}")

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def poses(self) -> np.ndarray:
        """Float64 `[P, J, 3]`: x, y and the joint's score."""
        return np.concatenate([self.keypoints, self.joint_scores[..., None]], axis=-1)

    def select(self, rows: np.ndarray) -> "People":
        """Those of some rows, int or bool."""
        columns = dataclasses.fields(self)
        return People(**{one.name: getattr(self, one.name)[rows] for one in columns})

    def above(self, threshold: float) -> "People":
        """Those who score more."""
        return self.select(self.person_scores > threshold)


@dataclasses.dataclass(frozen=True, eq=False)
class Picture(Generic[Origin]):
    """A photo or frame, and where to look for people in it.

    Attributes:
        image: uint8 `[H, W, 3]` RGB.
        boxes: `[P, 4]` (x, y, w, h), pixels; None if nobody said where people are.
        origin: whatever the caller wants back with the people.
        live: whether somebody waits for it: no further picture is read before.
    """

    image: np.ndarray
    boxes: np.ndarray | None
    origin: Origin
    live: bool = False


class Predictor(abc.ABC):
    """Finds people and their keypoints in a picture.

    Attributes:
        wants_boxes: whether it looks into boxes that somebody else has found. Then it
            returns one person for each box, in their order, and takes a picture
            without boxes for one person who fills it. Otherwise it finds people by
            itself, and boxes are refused.
        skeleton: names the J joints.
        score_threshold: a joint that scores no more is uncertain: hidden, out of the
            picture, or not found.
        person_threshold: whoever scores no more is probably nobody, and is left out
            where people are shown; of boxes, nobody is. Accuracy is measured with
            everybody.
    """

    wants_boxes: bool
    skeleton: Skeleton
    score_threshold: float = 0.2
    person_threshold: float = -math.inf

    @property
    def settings(self) -> dict[str, Any]:
        """What its results depend on beside the weights, by name, for reports."""
        return {}

    def left_out(self) -> str:
        """Whom a predictor that adapts did not adapt to so far, and why; empty for
        nobody.
        """
        return ""

    @abc.abstractmethod
    def predict(self, image: np.ndarray, boxes: np.ndarray | None = None) -> People:
        """The people in one picture.

        Args:
            image: uint8 `[H, W, 3]` RGB.
            boxes: `[P, 4]` (x, y, w, h), pixels, which may reach over the picture's
                edges; see `wants_boxes`.

        Raises:
            InputError: not such an image; a box without a size or outside the image;
                boxes for a predictor that finds people by itself.
        """

    def read_thresholds(self, info: dict[str, Any]) -> None:
        """Takes both thresholds from what a net says of itself, where it names them."""
        self.score_threshold = info.get("score_threshold", self.score_threshold)
        self.person_threshold = info.get("person_threshold", self.person_threshold)

    def stream(
        self, pictures: Iterable[Picture[Origin]]
    ) -> Iterator[tuple[Picture[Origin], People]]:
        """Each picture, in order, with its people.

        A predictor may read some pictures ahead, to work on many people at a time, but
        none after one that is live.

        Raises:
            InputError: as of `predict`.
        """
        for picture in pictures:
            yield picture, self.predict(picture.image, picture.boxes)

    def usable_boxes(
        self, image: np.ndarray, boxes: np.ndarray | None
    ) -> np.ndarray | None:
        """What `predict` was given, checked: the first thing that it calls.

        Returns:
            float64 `[P, 4]` where boxes are wanted, the whole picture's if there are
            none; None where they are not.

        Raises:
            InputError: as of `predict`.
        """
        if image is None:
            raise InputError("image: found None, as of a file that was not read")
        image = np.asarray(image)
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise InputError(
                f"image: expected uint8 [h, w, 3], got {image.dtype} {image.shape}"
            )
        if not self.wants_boxes:
            if boxes is not None:
                raise InputError(
                    "boxes: the model finds people by itself, expected none"
                )
            return None
        if boxes is None:
            boxes = np.array([[0, 0, image.shape[1], image.shape[0]]])
        boxes = np.asarray(boxes, np.float64)
        if boxes.shape == (0,):  # Of an empty list.
            boxes = np.zeros((0, 4))
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise InputError(
                f"boxes: expected [people, 4] of x, y, w, h, got {list(boxes.shape)}"
            )
        for box in boxes:
            problem = box_problem(box, image.shape)
            if problem:
                raise InputError(f"box: {problem}")
        return boxes


def absent_threshold(score_threshold: float) -> float:
    """Whatever joint scores no more is neither drawn nor followed over a video.

    Half the score up to which joints are uncertain, but at most 0.1.
    """
    return min(0.1, score_threshold / 2)


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
