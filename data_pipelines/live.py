"""Pictures that come now: a webcam, and how to keep up with what is live."""

import threading
import time
from collections.abc import Iterable, Iterator

import cv2

from data_pipelines.video import VideoFrame
from tfpose.errors import InputError

__all__ = ["Webcam", "newest_frames"]


class Webcam:
    """The frames of a camera, as they come, until nobody asks for more."""

    announced = 0
    live = True

    def __init__(self, number: int):
        """
        Args:
            number: of the camera, from 0.

        Raises:
            InputError: there is none, or another program has it.
        """
        self._number = number
        self.path = f"camera {number}"
        capture = self._open()
        rate = capture.get(cv2.CAP_PROP_FPS)
        self.fps = float(rate) if 0 < rate < 1000 else 30.0
        """Frames per second that the camera promises."""
        capture.release()

    def __iter__(self) -> Iterator[VideoFrame]:
        """The frames, with the seconds since the first one by this machine's clock.

        Raises:
            InputError: the camera stops.
        """
        capture = self._open()
        start, index = 0.0, 0
        try:
            while True:
                there, image = capture.read()
                now = time.monotonic()
                if not there:
                    raise InputError(f"{self.path}: gives no more pictures")
                start = start or now
                image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
                yield VideoFrame(index, now - start, image)
                index += 1
        finally:
            capture.release()

    def _open(self) -> cv2.VideoCapture:
        logging = cv2.utils.logging
        before = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
        try:
            capture = cv2.VideoCapture(self._number)
        finally:
            logging.setLogLevel(before)
        if not capture.isOpened():
            raise InputError(
                f"{self.path}: cannot be opened; there is none of this number, or "
                "another program has it"
            )
        return capture


def newest_frames(frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
    """Always the newest frame: those that came while nobody asked are passed over.

    Raises:
        Exception: as of `frames`.
    """
    box = _Box()
    thread = threading.Thread(target=box.fill, args=(frames,), daemon=True)
    thread.start()
    try:
        while (frame := box.take()) is not None:
            yield frame
    finally:
        box.stopped = True
        # The camera is free again when this returns.
        thread.join(timeout=2.0)


class _Box:
    """Holds one frame, between the thread that reads and the one that asks."""

    def __init__(self) -> None:
        self.stopped = False
        self._changed = threading.Condition()
        self._frame: VideoFrame | None = None
        self._ended = False
        self._error: Exception | None = None

    def fill(self, frames: Iterable[VideoFrame]) -> None:
        try:
            for frame in frames:
                with self._changed:
                    self._frame = frame
                    self._changed.notify()
                if self.stopped:
                    break
        except Exception as error:
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify()

    def take(self) -> VideoFrame | None:
        """The newest frame, as soon as there is one; None when none will come."""
        with self._changed:
            self._changed.wait_for(lambda: self._frame or self._ended)
            frame, self._frame = self._frame, None
        if frame is None and self._error is not None:
            raise self._error
        return frame
