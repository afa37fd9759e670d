"""Files are whole or not there, on a full disk as well."""

import os
import resource
import signal

import numpy as np
import pytest

from tfpose.errors import InputError
from tfpose.files import write_picture, write_whole


@pytest.fixture
def little_disk():
    """No file may grow beyond 4 KiB while this is in use."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


def test_full_disk_keeps_the_old_file(tmp_path, little_disk):
    path = tmp_path / "state.npz"
    write_whole(path, lambda aside: aside.write_bytes(b"old"))
    with pytest.raises(InputError, match="state.npz: cannot be written: ") as refusal:
        write_whole(path, lambda aside: aside.write_bytes(bytes(8192)))
    assert "\n" not in str(refusal.value)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["state.npz"]


def test_full_disk_refuses_arrays_and_pictures(tmp_path, little_disk, capfd):
    noise = np.random.default_rng(0).integers(0, 255, (90, 90, 3), dtype=np.uint8)
    with pytest.raises(InputError, match="cannot be written"):
        write_picture(tmp_path / "picture.png", noise)

    def write(aside):
        with open(aside, "wb") as file:
            np.savez(file, noise=noise, more=noise)

    with pytest.raises(InputError, match="cannot be written"):
        write_whole(tmp_path / "state.npz", write)
    assert os.listdir(tmp_path) == []
    assert capfd.readouterr().err == ""
