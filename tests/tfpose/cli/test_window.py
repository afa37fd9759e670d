"""The window for what is live, on a screen that exists only in memory."""

import shutil
import subprocess

import numpy as np
import pytest

from tfpose.cli.window import Window


def test_without_a_screen_it_says_so(monkeypatch) -> None:
    pytest.importorskip("tkinter")
    monkeypatch.delenv("DISPLAY", raising=False)
    window = Window("camera 0")
    if not window.missing:
        pytest.skip("this system has a screen without DISPLAY")
    assert "there is no screen" in window.missing
    window.show(np.zeros((4, 4, 3), np.uint8))
    window.close()
    assert not window.closed


def test_pictures_are_on_the_screen(monkeypatch) -> None:
    pytest.importorskip("tkinter")
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed")
    with subprocess.Popen(
        ["Xvfb", "-displayfd", "1", "-screen", "0", "640x480x24"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        monkeypatch.setenv("DISPLAY", f":{server.stdout.readline().strip()}")
        window = Window("camera 0")
        assert window.missing == ""
        # Larger than the screen: every third pixel of it is shown.
        picture = np.zeros((1200, 900, 3), np.uint8)
        picture[:, :, 0] = 200
        window.show(picture)
        photo = window._photo
        assert (photo.width(), photo.height()) == (300, 400)
        assert photo.get(10, 10) == (200, 0, 0)
        assert not window.closed
        window._root.focus_force()
        window._root.update()
        window._root.event_generate("<Escape>")
        window._root.update()
        window.close()
        server.terminate()
    assert window.closed
