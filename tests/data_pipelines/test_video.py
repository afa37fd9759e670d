"""Videos: real frames, what is written, rotation, and damaged files."""

import itertools
import os

import numpy as np
import pytest

from data_pipelines.video import VideoReader, VideoWriter
from tfpose.errors import InputError

# The matrix of a track header, turned by a quarter: a, b, u, c, d, v, x, y, w.
QUARTER_TURN = (0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)


@pytest.fixture
def real(shared_data):
    return shared_data / "video" / "one_person.mp4"


def _write(path, count=8, size=(48, 64), fps=30.0):
    """Frames that are bright at the top left and brighter from one to the next."""
    writer = VideoWriter(path, fps)
    for index in range(count):
        image = np.full((*size, 3), 20 + 10 * index, np.uint8)
        image[: size[0] // 2, : size[1] // 2, 0] = 250
        writer.write(image)
    writer.close()
    return path


def test_real_frames_come_one_at_a_time(real) -> None:
    reader = VideoReader(real)
    assert (reader.fps, reader.announced) == (60.0, 100)
    frames = list(itertools.islice(reader, 3))
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert [frame.seconds for frame in frames] == pytest.approx([0, 1 / 60, 2 / 60])
    assert frames[0].image.shape == (1920, 1080, 3)
    # RGB: the mats in front are blue.
    mats = frames[0].image[1850, 300].astype(int)
    assert mats[2] > mats[0] + 30
    # A second reading starts at the start.
    assert np.array_equal(next(iter(reader)).image, frames[0].image)


def test_what_is_written_is_read(real, tmp_path) -> None:
    source = VideoReader(real)
    writer = VideoWriter(tmp_path / "deep" / "copy.mp4", source.fps)
    images = [frame.image[:480, :320] for frame in itertools.islice(source, 5)]
    for image in images:
        writer.write(image)
    assert not (tmp_path / "deep" / "copy.mp4").exists()
    writer.close()
    assert os.listdir(tmp_path / "deep") == ["copy.mp4"]
    copy = VideoReader(tmp_path / "deep" / "copy.mp4")
    frames = list(copy)
    assert (copy.fps, len(frames)) == (60.0, 5)
    for frame, image in zip(frames, images, strict=True):
        assert np.abs(frame.image.astype(int) - image).mean() < 5


@pytest.mark.parametrize("fps", [12.5, 30000 / 1001, 120.0])
def test_odd_sizes_and_speeds(fps, tmp_path) -> None:
    reader = VideoReader(_write(tmp_path / "odd.mp4", size=(51, 33), fps=fps))
    assert reader.fps == pytest.approx(fps, rel=1e-4)
    frames = list(reader)
    assert len(frames) == 8 and frames[0].image.shape == (50, 32, 3)
    assert frames[7].seconds == pytest.approx(7 / fps, abs=2e-3)


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


def test_damaged_files_are_named(real, tmp_path, capfd) -> None:
    path = tmp_path / "bad.mp4"
    with pytest.raises(InputError, match="bad.mp4: no such file"):
        VideoReader(path)
    for content in (b"", b"no video"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="bad.mp4: not a video, or a damaged one"):
            VideoReader(path)
    path.write_bytes(real.read_bytes()[:1000])
    with pytest.raises(InputError, match="bad.mp4: frame 0: not readable"):
        list(VideoReader(path))
    path.write_bytes(real.read_bytes()[:100000])
    seen = []
    with pytest.raises(InputError, match="says it has 100 frames") as error:
        for frame in VideoReader(path):
            seen.append(frame.index)
    # What could be read was.
    assert seen == list(range(len(seen))) and 3 < len(seen) < 60
    assert f"frame {len(seen)}: not readable" in str(error.value)
    # Neither FFmpeg nor OpenCV adds lines of its own.
    assert capfd.readouterr().err == ""


def test_a_full_disk_is_noticed(tmp_path) -> None:
    writer = VideoWriter(tmp_path / "lost.mp4", 30)
    writer.write(np.zeros((32, 32, 3), np.uint8))
    writer._writer.release()

    class Silent:
        """Says nothing when the disk is full, like OpenCV's."""

        def write(self, image):
            pass

        def release(self):
            pass

    writer._writer = Silent()
    writer.write(np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(InputError, match="lost.mp4: cannot be written: only 1 of 2"):
        writer.close()
    assert os.listdir(tmp_path) == []


def test_what_cannot_be_written_is_refused(tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    writer = VideoWriter(tmp_path / "file" / "a.mp4", 30)
    with pytest.raises(InputError, match="a.mp4: cannot be written"):
        writer.write(np.zeros((32, 32, 3), np.uint8))
    writer.close()
    writer = VideoWriter(tmp_path / "b.mp4", 30)
    writer.write(np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(InputError, match="frame 1 is 30 x 32 px, those before it are"):
        writer.write(np.zeros((32, 30, 3), np.uint8))
    writer.close()
    assert VideoReader(tmp_path / "b.mp4").announced == 1
