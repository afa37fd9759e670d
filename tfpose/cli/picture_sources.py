"""The photos and videos that a command is given, with people's boxes."""

import dataclasses
import pathlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from absl import logging

from data_pipelines.images import decode_image
from data_pipelines.readers.box_file import BoxFile
from data_pipelines.video import VideoFrame, VideoReader
from tfpose.cli.file_kinds import file_kind, has_more_frames, may_be_video
from tfpose.errors import InputError

__all__ = ["PictureSource", "find_sources"]

_MOST_NAMED = 5


@dataclasses.dataclass(frozen=True)
class PictureSource:
    """A photo or a video.

    Attributes:
        path: the file.
        name: for what is made of it; no other source has the same.
        reader: of a video; None for a photo.
        boxes: `[P, 4]` x, y, w, h px, the people; of a video also by frame number; None
            if nobody said where people are.
    """

    path: pathlib.Path
    name: str
    reader: VideoReader | None
    boxes: np.ndarray | dict[int, np.ndarray] | None

    def pictures(self) -> Iterator[tuple[np.ndarray, VideoFrame | None]]:
        """The photo, or the frames: uint8 `[H, W, 3]` RGB.

        Raises:
            InputError: it cannot be read, or not to its end; names it.
        """
        if self.reader is not None:
            for frame in self.reader:
                yield frame.image, frame
            return
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise InputError(f"{self.path}: not readable: {error.strerror}") from None
        if has_more_frames(data):
            logging.warning("%s: its first frame alone is looked at", self.path)
        yield decode_image(data, name=str(self.path)), None

    def boxes_of(self, frame: VideoFrame | None) -> np.ndarray | None:
        """`[P, 4]`, the boxes in the photo or in a frame; None if none were given."""
        if isinstance(self.boxes, dict):
            assert frame is not None
            return self.boxes.get(frame.index, np.zeros((0, 4)))
        return self.boxes


def find_sources(
    paths: Sequence[str], box: str | None = None, box_file: str = ""
) -> tuple[list[PictureSource], list[str]]:
    """What is at the paths, and a line for each thing that cannot be used.

    Args:
        paths: photos, videos, or folders of them.
        box: `x,y,w,h` of the one person in all pictures.
        box_file: JSON file of people's boxes, see `data_pipelines.readers.box_file`.

    Raises:
        InputError: nothing there or nothing usable, a bad box, or a bad box file.
    """
    if box is not None and box_file:
        raise InputError("box and boxes are both given, expected one of them")
    everywhere = None if box is None else _box(box)
    files = _files(paths)
    kinds = {file: file_kind(file) for file in files}
    videos = [file for file in files if kinds[file] != "photo"]
    photos = [file for file in files if file not in videos]
    table = BoxFile(box_file, photos, videos) if box_file else None
    sources, failures = [], []
    for path, name in _names(files):
        boxes: np.ndarray | dict[int, np.ndarray] | None = everywhere
        video = path in videos
        try:
            if table is not None:
                boxes = table.of_video(path) if video else table.of_photo(path)
            if not kinds[path] and not may_be_video(path):
                raise InputError(f"{path}: neither a photo nor a video")
            reader = VideoReader(path) if video else None
        except InputError as error:
            failures.append(str(error))
        else:
            sources.append(PictureSource(path, name, reader, boxes))
    if not sources:
        more = len(failures) - 1
        others = f" (and {more} more could not be used)" if more else ""
        raise InputError(failures[0] + others)
    return sources, failures


def _files(paths: Iterable[str]) -> list[pathlib.Path]:
    files: list[pathlib.Path] = []
    for path in map(pathlib.Path, paths):
        if path.is_dir():
            found = sorted(p for p in path.iterdir() if not p.name.startswith("."))
            inside = [p for p in found if p.is_file() and file_kind(p)]
            if not inside:
                raise InputError(
                    f"{path}: expected photos or videos in this folder, found none"
                )
            if others := [p.name for p in found if p not in inside]:
                more = ", ..." if len(others) > _MOST_NAMED else ""
                names = ", ".join(others[:_MOST_NAMED]) + more
                logging.warning("%s: not looked at: %s", path, names)
            files += inside
        elif path.is_file():
            files.append(path)
        else:
            raise InputError(f"{path}: no such file or folder")
    # A photo may be named twice, by itself and by its folder.
    return list({file.resolve(): file for file in files}.values())


def _names(files: Sequence[pathlib.Path]) -> list[tuple[pathlib.Path, str]]:
    """Each file with a name for its picture that no other one has."""
    taken: set[str] = set()
    named = []
    for file in files:
        name, number = file.stem, 1
        while name.lower() in taken:
            number += 1
            name = f"{file.stem}_{number}"
        taken.add(name.lower())
        named.append((file, name))
    return named


def _box(text: str) -> np.ndarray:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 4:
        raise InputError(f"box: expected x,y,w,h in pixels, got {text!r}")
    return np.array([values])
