"""Which poses of photos and videos are one person's, in order."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfpose.predictors import People
from tfpose.skeletons import Skeleton
from tfpose.tracking import Tracker

__all__ = ["frame_seconds", "person_streams"]

_USUAL_FPS = 25.0


def person_streams(
    images: Sequence[dict[str, Any]],
    people: Sequence[Sequence[dict[str, Any]]],
    keypoints: Sequence[np.ndarray],
    skeleton: Skeleton,
) -> np.ndarray:
    """A number for each pose, the same for the poses of one person.

    Each person of a photo is alone. Those of a video's frames go by their `track_id`;
    in a video without any, by a `Tracker`.

    Args:
        images: records of I images, in order; of a frame `file_name`, the video's, and
            `frame_index`.
        people: records of the P people of each.
        keypoints: of each image `[P, J, 2]`, pixels.
        skeleton: the joints.

    Returns:
        int `[N]`, of all people of all images, in order.
    """
    tracked = {
        image.get("file_name")
        for image, records in zip(images, people, strict=True)
        if any(record.get("track_id") is not None for record in records)
    }
    trackers: dict[Any, Tracker] = {}
    streams: dict[tuple[Any, Any], int] = {}
    numbers: list[int] = []
    for place, image in enumerate(images):
        names: list[Any] = [("alone", place, row) for row in range(len(people[place]))]
        video = image.get("file_name")
        if "frame_index" in image and video in tracked:
            ids = [record.get("track_id") for record in people[place]]
            names = [a if i is None else i for i, a in zip(ids, names, strict=True)]
        elif "frame_index" in image:
            # Each pose goes to a stream, also the first one of a person.
            tracker = trackers.setdefault(
                video, Tracker(skeleton, birth=1, smooth=False)
            )
            found = _people(keypoints[place])
            names = list(tracker.update(found, frame_seconds(image))[1])
        for name in names:
            numbers.append(streams.setdefault((video, name), len(streams)))
    return np.array(numbers, int)


def frame_seconds(image: dict[str, Any]) -> float:
    """The time of a record of a frame, or a usual one if it has none; of a photo 0."""
    return float(image.get("seconds", image.get("frame_index", 0) / _USUAL_FPS))


def _people(keypoints: np.ndarray) -> People:
    count, joints = keypoints.shape[:2]
    return People(
        keypoints, np.ones((count, joints)), np.ones(count), np.zeros((count, 4))
    )
