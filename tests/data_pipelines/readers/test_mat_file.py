"""MATLAB files are read, or refused in one line that names file and variable."""

import numpy as np
import pytest
import scipy.io

from data_pipelines.readers.mat_file import mat_numbers, read_mat
from tfpose.errors import InputError


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "labels.mat"
    content = {
        "joints": np.arange(42, dtype=np.uint8).reshape(3, 14, 1),
        "release": {"name": "x", "point": np.zeros((0, 0))},
        "words": np.array(["a", "b"], object),
    }
    scipy.io.savemat(path, content, do_compression=True)
    return path


def test_numbers_and_structs(path):
    content = read_mat(path, ["joints", "release"], structs=True)
    joints = mat_numbers(content, "joints", (3, 14, None), str(path))
    assert joints.dtype == np.float64 and joints.shape == (3, 14, 1)
    assert joints[2, 13, 0] == 41
    assert content["release"]["name"] == "x" and content["release"]["point"].size == 0


def test_what_is_absent_or_has_another_form(path):
    with pytest.raises(InputError, match="labels.mat: no variable 'joint', found joi"):
        read_mat(path, ["joint"])
    content = read_mat(path, ["joints", "words"])
    for name, shape, message in (
        ("joints", (14, 3, None), r"'joints' is uint8 \[3, 14.*numbers \[14, 3, N\]"),
        ("words", (1, 2), "'words' is object"),
    ):
        with pytest.raises(InputError, match=f"labels.mat: {message}"):
            mat_numbers(content, name, shape, str(path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: b"", "not readable as a MATLAB file"),
        (lambda data: b"{}\n" * 99, "not readable as a MATLAB file"),
        (lambda data: data[:200], "not readable as a MATLAB file"),
        (lambda data: b"\x89HDF\r\n\x1a\n" + data, r"version 7.3 \(HDF5\), expected"),
        (None, "not readable: No such file"),
    ],
)
def test_bad_files_are_refused_in_one_line(path, change, message):
    data = path.read_bytes()
    path.unlink()
    if change is not None:
        path.write_bytes(change(data))
    with pytest.raises(InputError, match=f"labels.mat: .*{message}") as caught:
        read_mat(path, ["joints"])
    assert "\n" not in str(caught.value)


def test_every_damage_is_an_input_error(path):
    """In a compressed file, as MATLAB has written them since version 7."""
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(data)
        damaged[rng.integers(128, len(data))] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            content = read_mat(path, ["joints"])
            mat_numbers(content, "joints", (3, 14, None), str(path))
        except InputError:
            pass
