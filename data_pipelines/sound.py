"""The sound of a video, for another one."""

import contextlib
from collections.abc import Iterator

import av
import av.container

from data_pipelines.video import open_video
from tfpose.errors import InputError

__all__ = ["Sound"]

# What every player plays in an MP4 goes over as it is; the rest is encoded again.
_COPIED = {"aac", "mp3", "mp3float"}
_LARGEST_RATE = 48000


class Sound:
    """The first sound track of a video, as packets for an MP4.

    Time 0 is the video's first frame: what was heard before it is left out.
    """

    def __init__(self, path: str, target: av.container.OutputContainer):
        """
        Args:
            path: the video; need not have any sound.
            target: gets a stream for it. No packet may have been written to it.
        """
        self.problem = ""
        """Why the sound, or its rest, is not there."""
        self._source: av.container.InputContainer | None = None
        self._made: Iterator[av.Packet] = iter(())
        self._waiting: av.Packet | None = None
        try:
            start = _first_frame(path)
            source = open_video(path)
        except InputError as error:
            self.problem = str(error)
            return
        if not source.streams.audio:
            source.close()
            return
        self._source, track = source, source.streams.audio[0]
        try:
            if track.codec_context.name in _COPIED:
                copy = target.add_stream_from_template(track)
                self._made = _copied(source, track, copy, start)
            else:
                rate = min(track.codec_context.sample_rate, _LARGEST_RATE)
                layout = "mono" if track.codec_context.channels == 1 else "stereo"
                encoder = target.add_stream("aac", rate=rate, layout=layout)
                self._made = _encoded(source, track, encoder, start)
        except (OSError, ValueError, av.error.FFmpegError) as error:
            self.problem = f"its sound cannot be kept: {error}"

    def packets(self, until: float) -> Iterator[av.Packet]:
        """The next packets, of times before `until`, seconds."""
        try:
            while True:
                packet, self._waiting = self._waiting, None
                packet = packet or next(self._made, None)
                if packet is None:
                    return
                if float(packet.pts * packet.time_base) >= until:
                    self._waiting = packet
                    return
                yield packet
        except (OSError, ValueError, av.error.FFmpegError) as error:
            self._made = iter(())
            reason = getattr(error, "strerror", None) or str(error)
            self.problem = f"its sound breaks off: {reason}"

    def close(self) -> None:
        """Closes the source."""
        if self._source is not None:
            self._source.close()


def _first_frame(path: str) -> float:
    """Time of the video's first frame by the file's clock, seconds."""
    with open_video(path) as container:
        with contextlib.suppress(av.error.FFmpegError):
            for frame in container.decode(container.streams.video[0]):
                return frame.time or 0.0
    return 0.0


def _copied(
    source: av.container.InputContainer,
    track: av.AudioStream,
    target: av.AudioStream,
    start: float,
) -> Iterator[av.Packet]:
    for packet in source.demux(track):
        if packet.pts is None or packet.dts is None:
            continue
        offset = round(start / packet.time_base)
        packet.pts, packet.dts = packet.pts - offset, packet.dts - offset
        if packet.dts >= 0:
            packet.stream = target
            yield packet


def _encoded(
    source: av.container.InputContainer,
    track: av.AudioStream,
    target: av.AudioStream,
    start: float,
) -> Iterator[av.Packet]:
    codec = target.codec_context
    resampler = av.AudioResampler(codec.format, codec.layout, codec.sample_rate)
    for decoded in source.decode(track):
        decoded.pts -= round(start / decoded.time_base)
        if decoded.pts < 0:
            continue
        for frame in resampler.resample(decoded):
            yield from target.encode(frame)
    for frame in resampler.resample(None):
        yield from target.encode(frame)
    yield from target.encode(None)
