"""Arrays out of pickles: as NumPy reads them, without running anything."""

import io
import os
import pickle
import zipfile

import numpy as np
import pytest

from data_pipelines.lifting.readers.arrays import read_archive, read_array_pickle
from tfpose.errors import InputError
from tfpose.weights.pickle_reader import Inert

NESTED = {
    "S1": {
        "Walking 1": np.arange(24, dtype=np.float32).reshape(2, 4, 3),
        "Eating": [np.ones((2, 3)), np.asfortranarray(np.arange(6).reshape(2, 3))],
        "none": np.zeros((0, 3), ">f4"),
    },
    "swapped": np.array([1.5, -2], ">f8"),
    "flags": np.array([True, False]),
    "names": np.array(["a", "longer"]),
    "number": np.float32(0.25),
    "texts": ("m", "f", b"raw", 3, None),
}


def assert_same(found, expected):
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key, value in expected.items():
            assert_same(found[key], value)
    elif isinstance(expected, list | tuple):
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    else:
        np.testing.assert_array_equal(found, expected)
        if isinstance(expected, np.ndarray):
            # Most protocols bring the bytes into this machine's order.
            found, expected = found.dtype, expected.dtype
            assert found.newbyteorder("=") == expected.newbyteorder("=")


def archive(path, content: bytes):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("positions_3d.npy", content)
    return path


def test_archive_as_numpy_writes_it(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, positions_3d=NESTED, plain=np.eye(3), part=["x"])
    content = read_archive(path)
    assert_same(content["positions_3d"], NESTED)
    np.testing.assert_array_equal(content["plain"], np.eye(3))
    assert list(read_archive(path, ["plain"])) == ["plain"]
    several = np.array([{"a": 1}, np.ones(2)], dtype=object)
    np.savez(path, several=several)
    assert_same(list(read_archive(path)["several"]), list(several))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol(tmp_path, protocol):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps(NESTED, protocol))
    assert_same(read_array_pickle(path), NESTED)


def test_pickle_of_python_2(tmp_path):
    """As Python 2 wrote an array: its bytes are a byte string, its module the old."""
    raw = np.array([[0.5, -1.0]], "<f8").tobytes()
    data = b"".join(
        [
            b"\x80\x02}U\x05transcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n",
            b"K\x00\x85U\x01b\x87R(K\x01K\x01K\x02\x86cnumpy\ndtype\nU\x02f8K\x00K\x01",
            b"\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U",
            bytes([len(raw)]) + raw + b"tbs.",
        ]
    )
    path = tmp_path / "a.pkl"
    path.write_bytes(data)
    expected = pickle.loads(data, encoding="latin1")
    assert_same(read_array_pickle(path), expected)
    np.testing.assert_array_equal(expected["trans"], [[0.5, -1.0]])


class Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_nothing_is_run(tmp_path):
    mark = tmp_path / "mark"
    harmful = np.array([Touch(mark)], dtype=object)
    np.savez(tmp_path / "a.npz", positions_3d=harmful)
    (found,) = read_archive(tmp_path / "a.npz")["positions_3d"]
    assert isinstance(found, Inert) and not mark.exists()
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a": Touch(mark)}))
    assert isinstance(read_array_pickle(tmp_path / "a.pkl")["a"], Inert)
    assert not mark.exists()


def test_state_that_does_not_fit_is_refused(tmp_path):
    good = pickle.dumps(np.arange(4, dtype="<i4"), 2)
    path = tmp_path / "a.pkl"
    for old, new in ((b"K\x04\x85", b"K\x05\x85"), (b"i4", b"i8"), (b"i4", b"O8")):
        assert old in good
        path.write_bytes(good.replace(old, new))
        with pytest.raises(InputError, match="not readable as a pickle"):
            read_array_pickle(path)
    dates = pickle.dumps(np.array(["2020-01-01"], "M8[D]"))
    path.write_bytes(dates)
    with pytest.raises(InputError, match="arrays of 'M8'"):
        read_array_pickle(path)


def test_cut_and_foreign_files(tmp_path):
    whole = io.BytesIO()
    np.save(whole, np.array(NESTED, dtype=object), allow_pickle=True)
    data = whole.getvalue()
    for end in [0, 5, 60, 150, 400, len(data) // 2, len(data) - 1]:
        with pytest.raises(InputError, match=r"a\.npz: not readable as an npz file"):
            read_archive(archive(tmp_path / "a.npz", data[:end]))
        (tmp_path / "a.pkl").write_bytes(pickle.dumps(NESTED)[: min(end, 600)])
        with pytest.raises(InputError, match=r"a\.pkl: not readable as a pickle"):
            read_array_pickle(tmp_path / "a.pkl")
    path = archive(tmp_path / "a.npz", data)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="not readable as an npz file"):
        read_archive(path)
    with pytest.raises(InputError, match="No such file"):
        read_archive(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", part=np.ones(2))
    with pytest.raises(InputError, match="no array 'S', found part"):
        read_archive(tmp_path / "c.npz", ["S"])
