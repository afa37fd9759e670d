"""3D poses as motion: each person's, at a constant rate, for BVH and TRC files."""

import dataclasses
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from data_pipelines.mocap.bvh_writer import write_bvh
from data_pipelines.mocap.trc_writer import write_trc
from tfpose.cli.output_names import image_file, names_of_images
from tfpose.cli.person_streams import frame_seconds, person_streams
from tfpose.skeletons import Skeleton

__all__ = ["PersonClip", "person_clips"]

# From x right, y down, z away from the camera to y up, z towards it.
_UPRIGHT = np.array([1.0, -1.0, -1.0])
# Of a photo, and of a video of one frame.
_RATE_OF_ONE = 1.0


@dataclasses.dataclass(frozen=True, eq=False)
class PersonClip:
    """One person of a photo or video.

    Attributes:
        name: for a file.
        rate: frames per second, the video's mean.
        positions: `[T, J, 3]`, metres, x right, y up, z towards the camera; in between
            where the person was not seen.
        seen: bool `[T]`.
    """

    name: str
    rate: float
    positions: np.ndarray
    seen: np.ndarray

    def write(self, folder: pathlib.Path, form: str, skeleton: Skeleton) -> None:
        """Writes a "bvh" or "trc" file.

        Raises:
            InputError: the limbs do not reach every joint, or the file cannot be
                written.
        """
        path = folder / f"{self.name}.{form}"
        if form == "bvh":
            write_bvh(path, self.positions, self.rate, skeleton)
        else:
            seen = np.where(self.seen[:, None, None], self.positions, np.nan)
            write_trc(path, seen, self.rate, skeleton)


def person_clips(
    images: Sequence[dict[str, Any]],
    people: Sequence[Sequence[dict[str, Any]]],
    keypoints: Sequence[np.ndarray],
    positions: Sequence[np.ndarray],
    skeleton: Skeleton,
) -> Iterator[PersonClip]:
    """The people of all photos and videos, one after the other.

    People of a video are known by their `track_id`, see `person_streams`; where others
    have one, who has none is left out. Their names end in that number, or in one that
    counts.

    Args:
        images: records of I images, in order.
        people: records of the P people of each.
        keypoints: of each image `[P, J, 2]`, pixels.
        positions: of each image `[P, J, 3]`, metres, x right, y down, z away from the
            camera.
        skeleton: the joints.
    """
    streams = person_streams(images, people, keypoints, skeleton)
    ends = np.cumsum([len(records) for records in people])
    by_file: dict[str, list[int]] = {}
    for row, image in enumerate(images):
        by_file.setdefault(image_file(image), []).append(row)
    names = names_of_images(images)
    for file, rows in by_file.items():
        times = np.array([frame_seconds(images[row]) for row in rows])
        found: dict[int, list[tuple[int, np.ndarray]]] = {}
        numbers: dict[int, int] = {}
        for place, row in enumerate(rows):
            here = streams[ends[row] - len(people[row]) : ends[row]]
            for stream, record, body in zip(
                here, people[row], positions[row], strict=True
            ):
                found.setdefault(stream, []).append((place, body))
                if record.get("track_id") is not None:
                    numbers[stream] = record["track_id"]
        if not numbers:
            numbers = {stream: count for count, stream in enumerate(found, 1)}
        for stream, number in numbers.items():
            yield _clip(f"{names[file]}_person{number}", times, found[stream])


def _clip(
    name: str, times: np.ndarray, found: Sequence[tuple[int, np.ndarray]]
) -> PersonClip:
    """A clip of a person's poses, each with its place among the frames' times."""
    places = np.array([place for place, _ in found])
    bodies = np.array([body for _, body in found]) * _UPRIGHT
    span = times[-1] - times[0]
    rate = (len(times) - 1) / span if span > 0 else _RATE_OF_ONE
    own = times[places]
    count = round((own[-1] - own[0]) * rate) + 1
    moments = own[0] + np.arange(count) / rate
    columns = bodies.reshape(len(bodies), -1).T
    between = np.array([np.interp(moments, own, column) for column in columns])
    present = np.zeros(len(times))
    present[places] = 1
    return PersonClip(
        name,
        rate,
        between.T.reshape(count, *bodies.shape[1:]),
        # Of the frame that is nearest in time.
        np.interp(moments, times, present) > 0.5,
    )
