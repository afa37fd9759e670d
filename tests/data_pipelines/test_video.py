"""Reading videos: real frames, true times, rotation, and damaged files."""

import itertools
import os
import shutil
import sys

import av
import numpy as np
import pytest

from data_pipelines.video import VideoReader
from data_pipelines.video_writer import VideoWriter
from tfpose.errors import InputError

# The matrix of a track header, turned by a quarter: a, b, u, c, d, v, x, y, w.
QUARTER_TURN = (0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)


@pytest.fixture
def real(shared_data):
    return shared_data / "video" / "one_person.mp4"


@pytest.fixture
def cases(shared_data):
    return shared_data / "cases" / "video"


def _write(path, count=8, size=(48, 64)):
    """Frames that are bright at the top left and brighter from one to the next."""
    writer = VideoWriter(path)
    for index in range(count):
        image = np.full((*size, 3), 20 + 10 * index, np.uint8)
        image[: size[0] // 2, : size[1] // 2, 0] = 250
        writer.write(image, index / 30)
    writer.close()
    return path


def test_real_frames_come_one_at_a_time(real) -> None:
    reader = VideoReader(real)
    assert (reader.fps, reader.announced, reader.live) == (60.0, 100, False)
    frames = list(itertools.islice(reader, 3))
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert [frame.seconds for frame in frames] == pytest.approx([0, 1 / 60, 2 / 60])
    assert frames[0].image.shape == (1920, 1080, 3)
    # RGB: the mats in front are blue.
    mats = frames[0].image[1850, 300].astype(int)
    assert mats[2] > mats[0] + 30
    # A second reading starts at the start.
    assert np.array_equal(next(iter(reader)).image, frames[0].image)


@pytest.mark.parametrize(
    "name", ["vfr.mp4", "nodefdur_vfr.mkv", "nodefdur_live_vfr.webm"]
)
def test_times_are_the_files_own(cases, name) -> None:
    """Frames of a phone and of browsers, which come at a changing rate."""
    reader = VideoReader(cases / name)
    seconds = [frame.seconds for frame in reader]
    assert len(seconds) == 40 and reader.fps < 60
    expected = [0, 0.033, 0.1, 0.167, 0.2]
    assert seconds[:5] == pytest.approx(expected, abs=2e-3)
    assert seconds[-2:] == pytest.approx([2.136, 2.152], abs=2e-3)


def test_times_of_a_time_lapse_only_grow(cases) -> None:
    reader = VideoReader(cases / "slow_0.1fps.mkv")
    assert [frame.seconds for frame in reader] == list(range(0, 80, 10))
    assert reader.fps == 0.1


def test_frames_without_times_come_at_the_usual_pace(tmp_path) -> None:
    """A bare H.264 stream, as some cameras write it, has no times."""
    path = tmp_path / "bare.h264"
    with av.open(str(path), "w", format="h264") as container:
        stream = container.add_stream("libx264", rate=20, options={"bf": "0"})
        stream.width = stream.height = 64
        for _ in range(6):
            image = np.zeros((64, 64, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode(None))
    reader = VideoReader(path)
    gaps = np.diff([frame.seconds for frame in reader])
    assert gaps == pytest.approx([1 / reader.fps] * 5)


def test_phones_turn_their_videos(tmp_path) -> None:
    path = _write(tmp_path / "turned.mp4")
    data = bytearray(path.read_bytes())
    start = data.find(b"tkhd") + 44
    matrix = b"".join(n.to_bytes(4, "big", signed=True) for n in QUARTER_TURN)
    data[start : start + 36] = matrix
    path.write_bytes(data)
    image = next(iter(VideoReader(path))).image
    assert image.shape == (64, 48, 3)
    # Turned clockwise, what was at the top left is at the top right.
    assert image[5, 40, 0] > 200 and image[5, 5, 0] < 100


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other rules")
@pytest.mark.parametrize("name", [b"a:b.mp4", b"http:c.mp4", b"\xff\xfe.mp4"])
def test_names_are_only_names(cases, name, tmp_path, monkeypatch) -> None:
    """A colon starts no protocol; a name need not be text."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(cases / "vfr.mp4", os.fsencode(tmp_path) + b"/" + name)
    frames = list(VideoReader(os.fsdecode(name)))
    assert len(frames) == 40
    writer = VideoWriter(os.fsdecode(b"out_" + name), sound_of=os.fsdecode(name))
    writer.write(frames[0].image, 0)
    writer.close()
    assert sorted(os.listdir(os.fsencode(tmp_path))) == sorted([name, b"out_" + name])


def test_a_song_with_a_cover_is_no_video(real, tmp_path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(real)) as source, av.open(str(path), "w") as target:
        track = source.streams.audio[0]
        copy = target.add_stream_from_template(track)
        for packet in source.demux(track):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
    with pytest.raises(InputError, match="song.mp4: has no video in it"):
        VideoReader(path)


def test_damaged_files_are_named(real, tmp_path, capfd) -> None:
    path = tmp_path / "bad.mp4"
    with pytest.raises(InputError, match="bad.mp4: no such file"):
        VideoReader(path)
    for content in (b"", b"no video", real.read_bytes()[:1000]):
        path.write_bytes(content)
        with pytest.raises(InputError, match="bad.mp4: not a video|frame 0: not read"):
            list(VideoReader(path))
    path.write_bytes(real.read_bytes()[:100000])
    seen = []
    with pytest.raises(InputError, match="says it lasts 1.7 seconds") as error:
        for frame in VideoReader(path):
            seen.append(frame.index)
    # What could be read was.
    assert seen == list(range(len(seen))) and 3 < len(seen) < 60
    assert f"frame {len(seen)}: not readable" in str(error.value)
    # FFmpeg adds no lines of its own.
    assert capfd.readouterr().err == ""


def test_passwords_are_not_shown() -> None:
    with pytest.raises(InputError) as error:
        VideoReader("http://me:secret@127.0.0.1:9/live.ts")
    assert "http://127.0.0.1:9/live.ts: cannot be opened" in str(error.value)
    assert "secret" not in str(error.value)
