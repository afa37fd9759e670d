"""Videos that play everywhere: H.264 and AAC in MP4."""

import contextlib
import fractions
import os
import pathlib

import av
import av.container
import cv2
import numpy as np

from data_pipelines.sound import Sound
from tfpose.errors import InputError

__all__ = ["VideoWriter"]

_CODEC = "libx264"
_TICK = fractions.Fraction(1, 90000)
_BT709 = 1
_LIMITED_RANGE = 1
# Without frames that are stored out of order, each has its own time in the file, also
# where the rate changes.
_ENCODER = {"crf": "20", "preset": "veryfast", "bf": "0"}


class VideoWriter:
    """Writes an MP4 file aside and renames it when closed.

    Frames keep their times: the rate may change. The file is larger by a pixel where a
    side is odd, since players want even ones.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        fps: float = 30.0,
        sound_of: str | os.PathLike | None = None,
    ):
        """
        Args:
            path: ends in `.mp4`; its folder is made if need be.
            fps: about how many frames come in a second; times may tell otherwise.
            sound_of: video whose sound is kept; its first frame is the first one here.
        """
        self.path = pathlib.Path(path)
        self.frames = 0
        self.without_sound = ""
        """Why the sound could not be kept; empty where it was, or there is none."""
        self._fps = fps
        self._sound_of = sound_of
        self._sound: Sound | None = None
        self._aside = self.path.with_name(f".{self.path.stem}.part{self.path.suffix}")
        self._container: av.container.OutputContainer | None = None
        self._stream: av.VideoStream | None = None
        self._size = (0, 0)
        self._time = self._gap = 0

    def write(self, image: np.ndarray, seconds: float) -> None:
        """Appends a frame; one of another size than the first is scaled to that.

        Args:
            image: uint8 `[H, W, 3]` RGB.
            seconds: since the first frame; more than those of the frame before.

        Raises:
            InputError: the file cannot be written.
        """
        try:
            if self._container is None:
                self._start(image.shape[1], image.shape[0])
            if image.shape[1::-1] != self._size:
                image = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)
            odd = [(0, side % 2) for side in image.shape[:2]]
            self._encode(np.pad(image, (*odd, (0, 0)), "edge"), seconds)
        except (OSError, ValueError, av.error.FFmpegError) as error:
            raise self._failure(error) from None

    def close(self) -> None:
        """Finishes the file; leaves none where no frame was written.

        Raises:
            InputError: not all could be written: the disk is full.
        """
        if self._container is None or self._stream is None:
            return
        try:
            self._mux(self._stream.encode(None))
            self._mux_sound(float((self._time + self._gap) * _TICK))
            self._container.close()
            os.replace(self._aside, self.path)
        except (OSError, ValueError, av.error.FFmpegError) as error:
            raise self._failure(error) from None
        finally:
            self._container = None
            if self._sound is not None:
                self._sound.close()

    def _start(self, width: int, height: int) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # The index comes first, so that a page can play it while it loads.
        self._container = av.open(
            f"file:{self._aside}", "w", format="mp4", options={"movflags": "faststart"}
        )
        rate = fractions.Fraction(self._fps).limit_denominator(1001)
        stream = self._container.add_stream(_CODEC, rate=rate, options=_ENCODER)
        stream.width, stream.height = width + width % 2, height + height % 2
        stream.pix_fmt = "yuv420p"
        codec = stream.codec_context
        codec.time_base = _TICK
        codec.colorspace = codec.color_primaries = codec.color_trc = _BT709
        codec.color_range = _LIMITED_RANGE
        self._stream, self._size = stream, (width, height)
        self._gap = round(1 / (self._fps * _TICK))
        if self._sound_of is not None:
            self._sound = Sound(os.fspath(self._sound_of), self._container)

    def _encode(self, image: np.ndarray, seconds: float) -> None:
        assert self._container is not None and self._stream is not None
        time = round(seconds / _TICK)
        if self.frames:
            time = max(time, self._time + 1)
            self._gap = time - self._time
        frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
            format="yuv420p", dst_colorspace="ITU709"
        )
        frame.pts, frame.time_base = time, _TICK
        self._mux(self._stream.encode(frame))
        self._time = time
        self.frames += 1
        self._mux_sound(seconds)

    def _mux(self, packets: list[av.Packet]) -> None:
        assert self._container is not None
        for packet in packets:
            # The last one's counts: that frame is shown as long as the one before.
            packet.duration = self._gap
            self._container.mux(packet)

    def _mux_sound(self, until: float) -> None:
        """Sound goes between the frames, so that players need not look for it."""
        assert self._container is not None
        if self._sound is not None:
            for packet in self._sound.packets(until):
                self._container.mux(packet)
            self.without_sound = self._sound.problem

    def _failure(self, error: Exception) -> InputError:
        """What to say, when what was written aside is gone."""
        if self._container is not None:
            with contextlib.suppress(OSError, ValueError, av.error.FFmpegError):
                self._container.close()
        self._container = None
        if self._sound is not None:
            self._sound.close()
        with contextlib.suppress(OSError):
            self._aside.unlink()
        reason = getattr(error, "strerror", None) or str(error)
        if isinstance(error, av.codec.codec.UnknownCodecError):
            reason = f"the FFmpeg that PyAV brings has no {_CODEC}"
        return InputError(f"{self.path}: cannot be written: {reason}")
