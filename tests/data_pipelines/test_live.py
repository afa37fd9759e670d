"""Cameras, and keeping up with what is live."""

import time

import numpy as np
import pytest

from data_pipelines import live
from data_pipelines.live import Webcam, newest_frames
from data_pipelines.video import VideoFrame
from tfpose.errors import InputError


class Camera:
    """Stands for OpenCV's: three blue pictures, 50 ms apart, then it is unplugged."""

    opened = 0

    def __init__(self, number):
        self.number, self.left = number, 3
        Camera.opened += self.isOpened()

    def isOpened(self):
        return self.number == 1

    def get(self, _):
        return 20.0

    def read(self):
        time.sleep(0.05)
        self.left -= 1
        image = np.zeros((4, 6, 3), np.uint8)
        image[..., 0] = 255
        return self.left >= 0, image

    def release(self):
        Camera.opened -= self.isOpened()


def test_a_camera_gives_frames_with_the_time_that_passed(monkeypatch) -> None:
    monkeypatch.setattr(live.cv2, "VideoCapture", Camera)
    with pytest.raises(InputError, match="camera 0: cannot be opened"):
        Webcam(0)
    camera = Webcam(1)
    assert camera.live and camera.fps == 20 and Camera.opened == 0
    frames = []
    with pytest.raises(InputError, match="camera 1: gives no more pictures"):
        for frame in camera:
            frames.append(frame)
    assert [frame.index for frame in frames] == [0, 1, 2] and Camera.opened == 0
    assert frames[0].seconds == 0 and 0.04 < frames[1].seconds < 1
    # RGB, not OpenCV's order.
    assert frames[0].image[0, 0].tolist() == [0, 0, 255]


def test_there_is_no_such_camera(capfd) -> None:
    with pytest.raises(InputError, match="camera 98: cannot be opened; there is none"):
        Webcam(98)
    assert capfd.readouterr().err == ""


def _frames(count, released):
    try:
        for index in range(count):
            yield VideoFrame(index, index / 100, np.zeros((1, 1, 3), np.uint8))
            time.sleep(0.01)
    finally:
        released.append(True)


def test_who_is_slow_gets_the_newest_frame() -> None:
    released: list[bool] = []
    seen = []
    for frame in newest_frames(_frames(40, released)):
        seen.append(frame.index)
        time.sleep(0.1)
    # Every tenth or so; the last one is not lost.
    assert len(seen) < 15 and seen[-1] == 39 and seen == sorted(set(seen))
    assert released


def test_who_leaves_frees_the_camera() -> None:
    released: list[bool] = []
    frames = newest_frames(_frames(1000, released))
    next(frames)
    frames.close()
    time.sleep(0.05)
    assert released


def test_what_goes_wrong_there_is_raised_here() -> None:
    def broken():
        yield from _frames(1, [])
        raise InputError("camera 1: gives no more pictures")

    with pytest.raises(InputError, match="no more pictures"):
        list(newest_frames(broken()))
