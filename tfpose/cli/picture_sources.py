"""The photos and videos that a command is given, with people's boxes."""

import dataclasses
import pathlib
import urllib.parse
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from absl import logging

from data_pipelines.images import decode_image
from data_pipelines.live import Webcam, newest_frames
from data_pipelines.readers.box_file import BoxFile
from data_pipelines.video import VideoFrame, VideoReader, is_address
from tfpose.cli.file_kinds import file_kind, has_more_frames, may_be_video
from tfpose.cli.output_names import output_names
from tfpose.errors import InputError

__all__ = ["PictureSource", "find_sources"]

_MOST_NAMED = 5


@dataclasses.dataclass(frozen=True)
class PictureSource:
    """A photo, a video, a camera or a stream.

    Attributes:
        path: the file, the address without its password, or the camera.
        name: for what is made of it; no other source has the same.
        reader: None for a photo.
        boxes: `[P, 4]` x, y, w, h px, the people; of a video also by frame number; None
            if nobody said where people are.
    """

    path: str
    name: str
    reader: VideoReader | Webcam | None
    boxes: np.ndarray | dict[int, np.ndarray] | None

    @property
    def live(self) -> bool:
        """Whether it shows what happens now, without an end."""
        return self.reader is not None and self.reader.live

    def pictures(self) -> Iterator[tuple[np.ndarray, VideoFrame | None]]:
        """The photo, or the frames: uint8 `[H, W, 3]` RGB; if live, the newest ones.

        Raises:
            InputError: it cannot be read, or not to its end; names it.
        """
        if self.reader is not None:
            for frame in newest_frames(self.reader) if self.live else self.reader:
                yield frame.image, frame
            return
        try:
            data = pathlib.Path(self.path).read_bytes()
        except OSError as error:
            raise InputError(f"{self.path}: not readable: {error.strerror}") from None
        if has_more_frames(data):
            logging.warning("%s: its first frame alone is looked at", self.path)
        yield decode_image(data, name=self.path), None

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
        paths: photos, videos, or folders of them; addresses of videos and streams;
            numbers of cameras, from 0.
        box: `x,y,w,h` of the one person in all pictures.
        box_file: JSON file of people's boxes, see `data_pipelines.readers.box_file`.

    Raises:
        InputError: nothing there or nothing usable, a bad box, or a bad box file.
    """
    if box is not None and box_file:
        raise InputError("box and boxes are both given, expected one of them")
    everywhere = None if box is None else _box(box)
    remote = [path for path in paths if is_address(path) or _is_camera(path)]
    if remote and box_file:
        raise InputError(f"{box_file}: boxes are for files, not for {remote[0]}")
    files = _files(path for path in paths if path not in remote)
    kinds = {file: file_kind(file) for file in files}
    videos = [file for file in files if kinds[file] != "photo"]
    photos = [file for file in files if file not in videos]
    table = BoxFile(box_file, photos, videos) if box_file else None
    sources, failures = [], []
    names = output_names([*(file.stem for file in files), *map(_remote_name, remote)])
    places: list[str | pathlib.Path] = [*files, *remote]
    for path, name in zip(places, names, strict=True):
        reader: VideoReader | Webcam | None
        boxes: np.ndarray | dict[int, np.ndarray] | None = everywhere
        try:
            if isinstance(path, str):
                camera = _is_camera(path)
                reader = Webcam(int(path)) if camera else VideoReader(path)
                shown = reader.path
            else:
                video, shown = path in videos, str(path)
                if table is not None:
                    boxes = table.of_video(path) if video else table.of_photo(path)
                if not kinds[path] and not may_be_video(path):
                    raise InputError(f"{path}: neither a photo nor a video")
                reader = VideoReader(path) if video else None
        except InputError as error:
            failures.append(str(error))
        else:
            sources.append(PictureSource(shown, name, reader, boxes))
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


def _is_camera(path: str) -> bool:
    return path.isdecimal() and not pathlib.Path(path).exists()


def _remote_name(path: str) -> str:
    """A file's name for a camera or an address."""
    if _is_camera(path):
        return f"camera{path}"
    parts = urllib.parse.urlsplit(path)
    return pathlib.PurePosixPath(parts.path).stem or parts.hostname or "stream"


def _box(text: str) -> np.ndarray:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 4:
        raise InputError(f"box: expected x,y,w,h in pixels, got {text!r}")
    return np.array([values])
