"""Videos, a frame at a time: memory does not grow with their length.

PyAV brings FFmpeg, which reads files and addresses; `webcam` reads cameras.
"""

import contextlib
import dataclasses
import os
import re
from collections.abc import Iterator

import av
import av.container
import numpy as np

from tfpose.errors import InputError

__all__ = ["VIDEO_SUFFIXES", "VideoFrame", "VideoReader", "is_address", "open_video"]

VIDEO_SUFFIXES = frozenset(
    {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"}
)

_USUAL_FPS = 30.0
# Containers without a rate are given 1,000 or 90,000 frames a second.
_LARGEST_FPS = 480.0
_SECONDS_TO_WAIT = 20.0


@dataclasses.dataclass(frozen=True)
class VideoFrame:
    """One frame.

    Attributes:
        index: place in the video, from 0.
        seconds: time since the first frame, by the video's own clock; it only grows.
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
            path: a file or an address that FFmpeg can read.

        Raises:
            InputError: nothing there, or no video in it.
        """
        self.address = os.fspath(path)
        """What was given, with the password that may be in an address."""
        self.path = _without_password(self.address)
        """The same without it, to be shown."""
        with open_video(self.address) as container:
            stream = _video_stream(container, self.path)
            rate = float(stream.average_rate or 0)
            self.fps = rate if 0 < rate <= _LARGEST_FPS else _USUAL_FPS
            """Mean frames per second, as the file says; 30 where it does not."""
            self.announced: int = stream.frames
            """Frames that the file says it has; 0 where it does not say."""
            self._seconds = _announced_seconds(container, stream)
        self.live = is_address(self.path) and not self._seconds
        """Whether it is a stream without an end."""

    def __iter__(self) -> Iterator[VideoFrame]:
        """The frames.

        Raises:
            InputError: no frame can be read, or the file ends more than half a second
                before it said it would: it is damaged. All readable frames come first.
        """
        index, seconds, gap = -1, 0.0, 0.0
        start: float | None = None
        with open_video(self.address) as container:
            stream = _video_stream(container, self.path)
            stream.thread_type = "AUTO"
            for frame in self._decoded(container, stream):
                index += 1
                now = _seconds(frame.pts, stream)
                if start is None:
                    start = now or 0.0
                elif now is None or now - start <= seconds:
                    # No time, or one that lies back: at the usual pace.
                    seconds += 1 / self.fps
                    start = start if now is None else now - seconds
                else:
                    gap, seconds = now - start - seconds, now - start
                yield VideoFrame(index, seconds, _upright(frame))
        if index < 0 or self._seconds - seconds > 0.5 + max(1.5 * gap, 1 / self.fps):
            raise InputError(
                f"{self.path}: frame {index + 1}: not readable, though the video says "
                f"it lasts {self._seconds:.1f} seconds; the file is damaged"
            )

    def _decoded(
        self, container: av.container.InputContainer, stream: av.VideoStream
    ) -> Iterator[av.VideoFrame]:
        """Frames in the order they are shown in, up to the first broken one.

        Before the first one, and in a stream without an end, broken parts are passed
        over: one may come into it at any place.
        """
        begun, problem = False, ""
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
                frames = [] if packet is None else packet.decode()
            except EOFError:
                return
            except av.error.InvalidDataError:
                if begun and not self.live:
                    break
                continue
            except av.error.FFmpegError as error:
                problem = error.strerror
                break
            if packet is None:
                return
            for frame in frames:
                begun = True
                yield frame
        # Frames that came whole, but wait in the decoder.
        with contextlib.suppress(av.error.FFmpegError):
            yield from stream.decode(None)
        if self.live:
            raise InputError(f"{self.path}: the stream broke off: {problem}")


def is_address(path: str) -> bool:
    """Whether it is an address such as `rtsp://...`, not a file."""
    return "://" in path


def open_video(path: str) -> av.container.InputContainer:
    """A file or address, opened by FFmpeg.

    Raises:
        InputError: nothing there, nothing that FFmpeg knows, or no answer.
    """
    try:
        if is_address(path):
            return av.open(path, timeout=_SECONDS_TO_WAIT)
        if not os.path.isfile(path):
            raise InputError(f"{path}: no such file")
        # The protocol is named: a colon in the file's name does not start one.
        return av.open(f"file:{path}", metadata_errors="replace")
    except (OSError, ValueError, av.error.FFmpegError) as error:
        if isinstance(error, InputError):
            raise
        if is_address(path):
            reason = getattr(error, "strerror", None) or str(error)
            shown = _without_password(path)
            raise InputError(f"{shown}: cannot be opened: {reason}") from None
        raise InputError(f"{path}: not a video, or a damaged one") from None


def _without_password(path: str) -> str:
    return re.sub(r"(?<=://)[^/@]*@", "", path)


def _video_stream(container: av.container.InputContainer, path: str) -> av.VideoStream:
    for stream in container.streams.video:
        # The picture on a song's cover is no video.
        if not stream.disposition & av.stream.Disposition.attached_pic:
            return stream
    raise InputError(f"{path}: has no video in it")


def _seconds(ticks: int | None, stream: av.VideoStream) -> float | None:
    if ticks is None or stream.time_base is None:
        return None
    return float(ticks * stream.time_base)


def _announced_seconds(
    container: av.container.InputContainer, stream: av.VideoStream
) -> float:
    """How long the file says that the video lasts; 0 where it does not say."""
    if known := _seconds(stream.duration or None, stream):
        return known
    hours, minutes, seconds = 0.0, 0.0, 0.0
    try:
        text = stream.metadata.get("DURATION", "")
        hours, minutes, seconds = map(float, text.split(":"))
    except ValueError:
        # The container's duration is that of its longest part.
        if container.duration and len(container.streams) == 1:
            seconds = container.duration / av.time_base
    return 3600 * hours + 60 * minutes + seconds


def _upright(frame: av.VideoFrame) -> np.ndarray:
    image = frame.to_ndarray(format="rgb24")
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image
