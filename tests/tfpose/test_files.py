"""Files are whole or not there, on a full disk as well."""

import contextlib
import os
import resource
import signal

import numpy as np
import pytest

from data_pipelines.images import decode_image
from tfpose.errors import InputError
from tfpose.files import new_folder, usable_folder, write_picture, write_whole


@contextlib.contextmanager
def little_disk():
    """No file may grow beyond 4 KiB inside; that of pytest's own output neither, so
    nothing else may happen there.
    """
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def _refusal(write) -> str:
    """The message of a write that does not fit."""
    with little_disk():
        try:
            write()
        except InputError as error:
            return str(error)
    return pytest.fail("nothing was refused")


def test_full_disk_keeps_the_old_file(tmp_path):
    path = tmp_path / "state.npz"
    write_whole(path, lambda aside: aside.write_bytes(b"old"))
    refusal = _refusal(
        lambda: write_whole(path, lambda aside: aside.write_bytes(bytes(8192)))
    )
    assert "state.npz: cannot be written: " in refusal and "\n" not in refusal
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["state.npz"]


def test_full_disk_refuses_arrays_and_pictures(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (90, 90, 3), dtype=np.uint8)
    picture = tmp_path / "picture.png"
    assert "cannot be written" in _refusal(lambda: write_picture(picture, noise))

    def write(aside):
        with open(aside, "wb") as file:
            np.savez(file, noise=noise, more=noise)

    state = tmp_path / "state.npz"
    assert "cannot be written" in _refusal(lambda: write_whole(state, write))
    assert os.listdir(tmp_path) == []


def test_results_go_into_an_empty_folder(tmp_path):
    out = tmp_path / "poses"
    assert new_folder(out) == out and not out.exists()
    out.mkdir()
    assert new_folder(f"{out}/") == out
    (out / "poses.json").write_text("{}")
    assert new_folder(f"{out}/") == tmp_path / "poses2"
    (tmp_path / "poses2").write_text("a file")
    with pytest.raises(InputError, match="poses2: cannot be written: File exists"):
        usable_folder(new_folder(out))


def test_a_picture_is_what_its_name_says(tmp_path):
    picture = np.full((8, 8, 3), (200, 30, 30), np.uint8)
    for name, start in (("a.png", b"\x89PNG"), ("a.jpg", b"\xff\xd8\xff")):
        write_picture(tmp_path / name, picture)
        data = (tmp_path / name).read_bytes()
        assert data.startswith(start)
        assert np.abs(decode_image(data).astype(int) - picture).max() < 6
