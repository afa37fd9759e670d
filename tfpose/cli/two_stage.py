"""People found by one net, and their joints by another that looks into boxes."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from tfpose.logocap.suppression import suppress_near
from tfpose.predictors import Origin, People, Picture, Predictor

__all__ = ["TwoStagePredictor"]

# Sides of a box, in those of the joints in it: so much larger are people's true boxes.
_AROUND_JOINTS = 1.25


class TwoStagePredictor(Predictor):
    """Everybody in a picture: found by one predictor, looked at again by another.

    A net that finds everybody at once sees each person as small as they are in the
    whole picture; one that looks into boxes sees each as large as its input. People
    whom the first finds without being sure of them are left out. A person's score is
    that of the second.
    """

    wants_boxes = False

    def __init__(self, finder: Predictor, poser: Predictor) -> None:
        """
        Args:
            finder: finds people by itself.
            poser: looks into boxes, and says which joints are found.
        """
        self._finder, self._poser = finder, poser
        self.skeleton = poser.skeleton
        self.score_threshold = poser.score_threshold

    @property
    def settings(self) -> dict[str, Any]:
        return {
            f"{part}: {name}": value
            for part, predictor in (("people", self._finder), ("joints", self._poser))
            for name, value in predictor.settings.items()
        }

    def predict(self, image: np.ndarray, boxes: np.ndarray | None = None) -> People:
        _, people = next(self.stream([Picture(image, boxes, None)]))
        return people

    def stream(
        self, pictures: Iterable[Picture[Origin]]
    ) -> Iterator[tuple[Picture[Origin], People]]:
        """As of `Predictor`; the poser's batches are of many pictures."""
        for found, people in self._poser.stream(map(self._look, pictures)):
            kept = suppress_near(people.keypoints, people.person_scores)
            yield found.origin, people.select(kept)

    def _look(self, picture: Picture[Origin]) -> Picture[Picture[Origin]]:
        """The picture with a box around each person who is found in it."""
        self.usable_boxes(picture.image, picture.boxes)
        found = self._finder.predict(picture.image)
        boxes = _around(found.above(self._finder.person_threshold), picture.image.shape)
        return Picture(picture.image, boxes, picture, picture.live)


def _around(people: People, shape: tuple[int, ...]) -> np.ndarray:
    """Boxes `[P, 4]` around all joints and somewhat more, as far as they are in the
    picture; of people with a part in it.
    """
    middles = people.boxes[:, :2] + people.boxes[:, 2:] / 2
    reach = _AROUND_JOINTS * people.boxes[:, 2:] / 2
    size = [shape[1], shape[0]]
    low, high = np.clip(middles - reach, 0, size), np.clip(middles + reach, 0, size)
    boxes = np.concatenate([low, high - low], axis=1)
    return boxes[(boxes[:, 2:] >= 1).all(axis=1)]
