"""Video files, a frame at a time: memory does not grow with their length."""

import contextlib
import dataclasses
import math
import os
import pathlib
from collections.abc import Iterator

import cv2
import numpy as np

from tfpose.errors import InputError

__all__ = ["VIDEO_SUFFIXES", "VideoFrame", "VideoReader", "VideoWriter"]

VIDEO_SUFFIXES = frozenset(
    {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"}
)

_USUAL_FPS = 25.0
_MOST_FRAMES = 1e8

# What FFmpeg has to say on a broken file is said here, in one line.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


@dataclasses.dataclass(frozen=True)
class VideoFrame:
    """One frame.

    Attributes:
        index: place in the video, from 0.
        seconds: time from the video's start.
        image: uint8 `[H, W, 3]` RGB, upright.
    """

    index: int
    seconds: float
    image: np.ndarray


class VideoReader:
    """The frames of a video, from the first on.

    A rotation that the file asks for, as phones write it, is applied.
    """

    def __init__(self, path: str | os.PathLike):
        """
        Args:
            path: a file that FFmpeg can read.

        Raises:
            InputError: no such file, or no video in it.
        """
        self.path = os.fspath(path)
        capture = self._open()
        self.fps = self._fps(capture)
        """Frames per second; 25 where the file does not say."""
        count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.announced = int(count) if 0 < count < _MOST_FRAMES else 0
        """Frames that the file says it has; 0 where it does not say."""
        capture.release()

    def __iter__(self) -> Iterator[VideoFrame]:
        """The frames.

        Raises:
            InputError: no frame can be read, or the file ends more than half a second
                before it said it would: it is damaged. All readable frames come first.
        """
        capture = self._open()
        index = 0
        try:
            while True:
                there, image = capture.read()
                if not there:
                    break
                seconds = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                if index and not seconds > 0:
                    seconds = index / self.fps
                image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
                yield VideoFrame(index, seconds, image)
                index += 1
        finally:
            capture.release()
        if self.announced - index > self.fps / 2 or not index:
            raise InputError(
                f"{self.path}: frame {index}: not readable, though the video says it "
                f"has {self.announced} frames; the file is damaged"
            )

    def _open(self) -> cv2.VideoCapture:
        if not os.path.isfile(self.path):
            raise InputError(f"{self.path}: no such file")
        logging = cv2.utils.logging
        before = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
        try:
            capture = cv2.VideoCapture(self.path, cv2.CAP_FFMPEG)
        except cv2.error as error:
            raise InputError(f"{self.path}: refused by OpenCV: {error.err}") from None
        finally:
            logging.setLogLevel(before)
        if not capture.isOpened():
            raise InputError(f"{self.path}: not a video, or a damaged one")
        return capture

    @staticmethod
    def _fps(capture: cv2.VideoCapture) -> float:
        fps = capture.get(cv2.CAP_PROP_FPS)
        return fps if math.isfinite(fps) and fps > 0 else _USUAL_FPS


class VideoWriter:
    """Writes an MP4 file aside and renames it when closed.

    MPEG-4 part 2, the one codec that OpenCV's own FFmpeg encodes well everywhere; it
    wants even sizes, so an odd last row or column is left out.
    """

    def __init__(self, path: str | os.PathLike, fps: float):
        """
        Args:
            path: ends in `.mp4`; its folder is made if need be.
            fps: frames per second.
        """
        self.path = pathlib.Path(path)
        self.frames = 0
        self._aside = self.path.with_name(f".{self.path.stem}.part{self.path.suffix}")
        self._fps = fps
        self._size: tuple[int, int] | None = None
        self._writer: cv2.VideoWriter | None = None

    def write(self, image: np.ndarray) -> None:
        """Appends uint8 `[H, W, 3]` RGB, of the same size as the first one.

        Raises:
            InputError: the file cannot be made, or the image is of another size.
        """
        size = (image.shape[1], image.shape[0])
        if self._writer is None or self._size is None:
            self._size, self._writer = size, self._start(size)
        if size != self._size:
            raise InputError(
                f"{self.path}: frame {self.frames} is {size[0]} x {size[1]} px, those "
                f"before it are {self._size[0]} x {self._size[1]}"
            )
        self._writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        self.frames += 1

    def close(self) -> None:
        """Finishes the file; leaves none where no frame was written.

        Raises:
            InputError: what was written is not all there: the disk is full.
        """
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        # OpenCV does not say when it cannot write.
        try:
            found = VideoReader(self._aside).announced
        except InputError:
            found = 0
        if found < self.frames:
            with contextlib.suppress(OSError):
                self._aside.unlink()
            raise InputError(
                f"{self.path}: cannot be written: only {found} of {self.frames} frames "
                "arrived on the disk"
            )
        os.replace(self._aside, self.path)

    def _start(self, size: tuple[int, int]) -> cv2.VideoWriter:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._aside.touch()
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot be written: {error.strerror}"
            ) from None
        codec = cv2.VideoWriter.fourcc(*"mp4v")
        name = os.fspath(self._aside)
        writer = cv2.VideoWriter(name, cv2.CAP_FFMPEG, codec, self._fps, size)
        if not writer.isOpened():
            raise InputError(
                f"{self.path}: cannot be written: OpenCV makes no MP4 of {size[0]} x "
                f"{size[1]} px with {self._fps:g} frames per second"
            )
        return writer
