"""Which poses of photos and videos are one person's, in order."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tfpose.geometry import centre_keypoints

__all__ = ["person_streams"]


def person_streams(
    images: Sequence[dict[str, Any]],
    people: Sequence[Sequence[dict[str, Any]]],
    keypoints: Sequence[np.ndarray],
    root: int,
) -> np.ndarray:
    """A number for each pose, the same for the poses of one person.

    Each person of a photo is alone. Those of a video's frames go by their `track_id`;
    where there is none, to whoever of the frame before looked most alike, wherever in
    the image: the nearest pairs first, a pose for each.

    Args:
        images: records of I images, in order; of a frame `file_name`, the video's, and
            `frame_index`.
        people: records of the P people of each.
        keypoints: of each image `[P, J, 2]`, any unit.
        root: index of the root.

    Returns:
        int `[N]`, of all people of all images, in order.
    """
    numbers: list[int] = []
    tracks: dict[tuple[Any, Any], int] = {}
    last: dict[Any, tuple[list[int], np.ndarray]] = {}
    count = 0
    for image, records, points in zip(images, people, keypoints, strict=True):
        unit = np.asarray(centre_keypoints(points, root))
        video = image.get("file_name") if "frame_index" in image else None
        here: list[int] = []
        matched = {}
        if video is not None and video in last:
            matched = _nearest(unit, *last[video])
        for row, record in enumerate(records):
            number = matched.get(row, count)
            if video is not None and record.get("track_id") is not None:
                number = tracks.setdefault((video, record["track_id"]), count)
            count = max(count, number + 1)
            here.append(number)
        if video is not None and here:
            last[video] = (here, unit)
        numbers += here
    return np.array(numbers, int)


def _nearest(
    unit: np.ndarray, numbers: list[int], before: np.ndarray
) -> dict[int, int]:
    """Numbers of the poses `[P, J, 2]` that have a match before, by row."""
    apart = np.square(unit[:, None] - before[None]).sum(axis=(-2, -1))
    matched: dict[int, int] = {}
    taken: set[int] = set()
    for place in np.argsort(apart, axis=None):
        row, column = divmod(int(place), len(numbers))
        if row not in matched and column not in taken:
            matched[row] = numbers[column]
            taken.add(column)
    return matched
