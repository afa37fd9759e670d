"""Written videos: what browsers play, times, sound, odd sizes, full disks."""

import itertools
import os
import resource

import av
import numpy as np
import pytest

from data_pipelines import video_writer
from data_pipelines.video import VideoReader
from data_pipelines.video_writer import VideoWriter
from tfpose.errors import InputError

RATE = 44100


@pytest.fixture
def real(shared_data):
    return shared_data / "video" / "one_person.mp4"


def _streams(path):
    """Of each stream its kind, codec and length in seconds."""
    with av.open(str(path)) as container:
        return {
            stream.type: (
                stream.codec_context.name,
                float(stream.duration * stream.time_base),
            )
            for stream in container.streams
        }


def _tone(path, codec, start=0.0):
    """A second of grey video that begins at `start`, with a tone from 0 to 1.5 s."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream(codec, rate=RATE, layout="mono")
        grey = np.full((48, 64, 3), 90, np.uint8)
        for index in range(25):
            frame = av.VideoFrame.from_ndarray(grey)
            frame.pts = index + round(25 * start)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        wave = 8000 * np.sin(2 * np.pi * 440 * np.arange(1.5 * RATE) / RATE)
        whole = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None], layout="mono")
        whole.sample_rate, whole.pts = RATE, 0
        codec = sound.codec_context
        parts = av.AudioResampler(
            codec.format, codec.layout, RATE, codec.frame_size or 1024
        )
        for part in (*parts.resample(whole), *parts.resample(None)):
            container.mux(sound.encode(part))
        container.mux(sound.encode(None))


def _copy(source, target):
    reader = VideoReader(source)
    writer = VideoWriter(target, reader.fps, sound_of=source)
    for frame in reader:
        writer.write(frame.image, frame.seconds)
    writer.close()
    assert writer.without_sound == ""


def test_what_is_written_is_read_and_plays_anywhere(real, tmp_path) -> None:
    source = VideoReader(real)
    path = tmp_path / "deep" / "copy.mp4"
    writer = VideoWriter(path, source.fps, sound_of=real)
    frames = list(itertools.islice(source, 12))
    for frame in frames:
        writer.write(frame.image[:480, :320], frame.seconds)
    assert not path.exists()
    writer.close()
    assert os.listdir(tmp_path / "deep") == ["copy.mp4"]
    copies = list(VideoReader(path))
    assert len(copies) == 12
    for copy, frame in zip(copies, frames, strict=True):
        assert np.abs(copy.image.astype(int) - frame.image[:480, :320]).mean() < 4
        assert copy.seconds == pytest.approx(frame.seconds, abs=1e-4)
    streams = _streams(path)
    assert streams["video"] == ("h264", pytest.approx(0.2))
    # The sound ends with the pictures.
    assert streams["audio"] == ("aac", pytest.approx(0.2, abs=0.03))
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
    # The index comes before the data: a page need not load all to begin.
    assert path.read_bytes().index(b"moov") < path.read_bytes().index(b"mdat")


@pytest.mark.parametrize("name", ["vfr.mp4", "nodefdur_vfr.mkv", "slow_0.1fps.mkv"])
def test_frames_keep_their_times(shared_data, name, tmp_path) -> None:
    source = shared_data / "cases" / "video" / name
    _copy(source, tmp_path / "copy.mp4")
    before = [frame.seconds for frame in VideoReader(source)]
    after = [frame.seconds for frame in VideoReader(tmp_path / "copy.mp4")]
    assert after == pytest.approx(before, abs=1e-4)
    last = before[-1] + (before[-1] - before[-2])
    assert _streams(tmp_path / "copy.mp4")["video"][1] == pytest.approx(last, abs=0.01)


@pytest.mark.parametrize("codec", ["aac", "libmp3lame", "pcm_s16le", "flac"])
def test_sound_is_kept_in_step(codec, tmp_path) -> None:
    """The picture begins half a second after the sound, whose end is heard."""
    source, target = tmp_path / "a.mkv", tmp_path / "b.mp4"
    _tone(source, codec, start=0.5)
    _copy(source, target)
    kept = {"libmp3lame": "mp3float"}.get(codec, "aac")
    name, length = _streams(target)["audio"]
    assert name == kept and length == pytest.approx(1.0, abs=0.07)
    with av.open(str(target)) as container:
        frames = container.decode(container.streams.audio[0])
        wave = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    # The tone's loudness is what it was: 8000 of 32768.
    assert np.abs(wave[2000:20000]).max() == pytest.approx(8000 / 32768, rel=0.2)


def test_pictures_go_on_where_the_sound_breaks_off(real, tmp_path) -> None:
    (tmp_path / "cut.mp4").write_bytes(real.read_bytes()[:100000])
    writer = VideoWriter(tmp_path / "out.mp4", sound_of=tmp_path / "cut.mp4")
    for index in range(60):
        writer.write(np.zeros((32, 32, 3), np.uint8), index / 30)
    writer.close()
    assert VideoReader(tmp_path / "out.mp4").announced == 60
    writer = VideoWriter(tmp_path / "out.mp4", sound_of=tmp_path / "none.mp4")
    writer.write(np.zeros((32, 32, 3), np.uint8), 0)
    writer.close()
    assert "none.mp4: no such file" in writer.without_sound


def test_odd_sizes_and_times_that_stand_still(tmp_path) -> None:
    writer = VideoWriter(tmp_path / "odd.mp4")
    rng = np.random.default_rng(0)
    first = np.repeat(rng.integers(0, 255, (51, 33, 1), np.uint8), 3, axis=2)
    for seconds in (0, 0.1, 0.1, 0.05):
        writer.write(first, seconds)
    writer.write(np.full((102, 66, 3), 200, np.uint8), 0.5)
    writer.close()
    frames = list(VideoReader(tmp_path / "odd.mp4"))
    assert [frame.image.shape for frame in frames] == [(52, 34, 3)] * 5
    # Nothing is left out: the last row and column are there twice.
    seen = frames[0].image.astype(int)
    assert np.abs(seen[:51, :33] - first).mean() < 20
    assert np.abs(seen[51, :33] - first[50]).mean() < 20
    assert frames[4].image.mean() == pytest.approx(200, abs=3)
    assert frames[4].seconds == pytest.approx(0.5)


def test_a_full_disk_is_noticed(tmp_path) -> None:
    rng = np.random.default_rng(0)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    writer = VideoWriter(tmp_path / "lost.mp4")
    resource.setrlimit(resource.RLIMIT_FSIZE, (20000, limits[1]))
    try:
        with pytest.raises(InputError, match="lost.mp4: cannot be written: File too l"):
            for index in range(60):
                image = rng.integers(0, 255, (64, 64, 3), np.uint8)
                writer.write(image, index / 30)
            writer.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    writer.close()
    assert os.listdir(tmp_path) == []


def test_what_cannot_be_written_is_refused(tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    writer = VideoWriter(tmp_path / "file" / "a.mp4")
    with pytest.raises(InputError, match="a.mp4: cannot be written: File exists"):
        writer.write(np.zeros((32, 32, 3), np.uint8), 0)
    writer.close()


def test_an_ffmpeg_without_the_encoder_is_named(tmp_path, monkeypatch) -> None:
    """As one without the parts that are under the GPL."""
    monkeypatch.setattr(video_writer, "_CODEC", "libabsent")
    writer = VideoWriter(tmp_path / "a.mp4")
    with pytest.raises(InputError, match="a.mp4: .* PyAV brings has no libabsent"):
        writer.write(np.zeros((8, 8, 3), np.uint8), 0)
    assert os.listdir(tmp_path) == []
