"""Pictures and videos of people in 2D and 3D."""

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from data_pipelines.images import decode_image
from data_pipelines.video_writer import VideoWriter
from tfpose.cli.output_names import image_file
from tfpose.cli.person_streams import frame_seconds
from tfpose.drawing import draw_pose, grid
from tfpose.drawing_3d import draw_positions
from tfpose.errors import InputError
from tfpose.files import write_picture
from tfpose.skeletons import Skeleton

__all__ = ["LiftedPictures"]

_TILE = 240
_SHOWN = 4  # People of one picture.
_ANGLES = (0.0, 70.0)


class LiftedPictures:
    """A picture of each photo, and one video of all frames of a video.

    Attributes:
        failures: a line for each picture or video that could not be written.
    """

    def __init__(self, folder: pathlib.Path, names: Mapping[str, str]):
        """
        Args:
            folder: for the pictures and videos.
            names: see `names_of_images`.
        """
        self.failures: list[str] = []
        self._folder = folder
        self._names = names
        self._unwritable: set[str] = set()
        self._writer: VideoWriter | None = None
        self._video: str = ""

    def add(
        self,
        image: dict[str, Any],
        people: Sequence[dict[str, Any]],
        keypoints: np.ndarray,
        positions: np.ndarray,
        skeleton: Skeleton,
    ) -> None:
        """Draws the people of an image; what cannot be written is in `failures`.

        Args:
            image: its record: `file_name`, `height`, `width`, of a video's frame
                `frame_index` and `seconds`.
            people: records of P people, which name their `uncertain` joints.
            keypoints: `[P, J, 2]`, pixels.
            positions: `[P, J, 3]`, metres.
            skeleton: of both.
        """
        file = image_file(image)
        is_frame = "frame_index" in image
        if file in self._unwritable or not (len(keypoints) or is_frame):
            return
        photo = None if is_frame else _photo(file)
        drawn = _draw(image, photo, people, keypoints, positions, skeleton)
        try:
            if is_frame:
                self._add_frame(file, drawn, frame_seconds(image))
            else:
                write_picture(self._folder / f"{self._names[file]}_3d.png", drawn)
        except InputError as error:
            self._unwritable.add(file)
            self.failures.append(str(error))

    def _add_frame(self, file: str, drawn: np.ndarray, seconds: float) -> None:
        if self._writer is None or self._video != file:
            self.close()
            self._video = file
            # Its sound is there, if the video still is.
            self._writer = VideoWriter(
                self._folder / f"{self._names[file]}_3d.mp4",
                sound_of=file if os.path.isfile(file) else None,
            )
        self._writer.write(drawn, seconds)

    def close(self) -> None:
        """Ends the video that is being written."""
        writer, self._writer = self._writer, None
        try:
            if writer is not None:
                writer.close()
        except InputError as error:
            self.failures.append(str(error))


def _photo(name: str) -> np.ndarray | None:
    """The photo, if it still is where the file says."""
    if not os.path.isfile(name):
        return None
    try:
        return decode_image(pathlib.Path(name).read_bytes(), name=name)
    except (InputError, OSError):
        return None


def _draw(
    image: dict[str, Any],
    photo: np.ndarray | None,
    people: Sequence[dict[str, Any]],
    keypoints: np.ndarray,
    positions: np.ndarray,
    skeleton: Skeleton,
) -> np.ndarray:
    """A row for each of the first people: the 2D pose and the body from two sides."""
    if photo is None:
        photo = np.full((image["height"], image["width"], 3), 250, np.uint8)
    tiles = []
    # Of a video every frame must be of one size.
    count = 1 if "frame_index" in image else min(_SHOWN, len(keypoints))
    for person in range(count):
        scale = _TILE / max(photo.shape[:2])
        small = cv2.resize(
            photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
        )
        if person >= len(people):
            empty = np.full((_TILE, _TILE, 3), 250, np.uint8)
            tiles += [small, *(empty for _ in _ANGLES)]
            continue
        uncertain = people[person].get("uncertain", ())
        points = (keypoints[person] + 0.5) * scale - 0.5
        tiles.append(draw_pose(small, points, skeleton, uncertain))
        for angle in _ANGLES:
            body = positions[person]
            tiles.append(
                draw_positions(body, skeleton, angle, _TILE, uncertain=uncertain)
            )
    titles = ["2D", "3D", "3D, from the side"] * count
    return grid(tiles, columns=3, titles=titles)
