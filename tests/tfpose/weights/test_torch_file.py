"""Checkpoints in both formats of PyTorch, good and bad, read without PyTorch."""

import io
import os
import pickle
import zipfile

import numpy as np
import pytest

from tests.tfpose.weights.torch_writer import (
    Call,
    Name,
    Tensor,
    legacy_bytes,
    zip_bytes,
)
from tfpose.errors import InputError
from tfpose.weights.torch_file import read_checkpoint

FORMATS = {"zip": zip_bytes, "legacy": legacy_bytes}
ROW = np.arange(24, dtype=np.float32)


@pytest.fixture(params=FORMATS)
def written(request, tmp_path):
    """Writes a value in one of the formats and returns the file's name."""

    def write(value) -> str:
        path = tmp_path / f"{request.param}.pth"
        path.write_bytes(FORMATS[request.param](value))
        return str(path)

    return write


@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "float16", "int64", "int32", "uint8", "bool"]
)
def test_numbers_of_every_type(written, dtype):
    array = np.arange(-3, 3).astype(dtype).reshape(2, 3)
    tensors = read_checkpoint(written({"a": Tensor.of(array)})).tensors
    found = tensors["a"].numbers()
    assert found.dtype == array.dtype and np.array_equal(found, array)
    assert not found.flags.writeable


def test_bfloat16_becomes_float32(written):
    halves = np.array([0x3F80, 0xC000, 0x3F00, 0x7F80], np.uint16)
    tensor = Tensor(halves, (2, 2), (1, 2), kind="BFloat16Storage")
    found = read_checkpoint(written({"a": tensor})).tensors["a"].numbers()
    assert found.dtype == np.float32
    assert np.array_equal(found, [[1, 0.5], [-2, np.inf]])


def test_views_share_a_storage(written):
    views = {
        "whole": Tensor(ROW, (2, 3, 4), (12, 4, 1)),
        "turned": Tensor(ROW, (4, 3, 2), (1, 4, 12)),
        "part": Tensor(ROW, (2, 2), (8, 2), offset=5),
        "repeated": Tensor(ROW, (3, 2), (0, 1), offset=22),
        "one": Tensor(ROW, (), (), offset=23),
        "none": Tensor(ROW, (0, 4), (4, 1)),
    }
    path = written(views)
    found = {k: t.numbers() for k, t in read_checkpoint(path).tensors.items()}
    assert np.array_equal(found["whole"], ROW.reshape(2, 3, 4))
    assert np.array_equal(found["turned"], ROW.reshape(2, 3, 4).T)
    assert np.array_equal(found["part"], [[5, 7], [13, 15]])
    assert np.array_equal(found["repeated"], [[22, 23]] * 3)
    assert found["one"] == 23 and found["none"].shape == (0, 4)
    assert os.path.getsize(path) < 3 * ROW.nbytes + 2500


@pytest.mark.parametrize(
    "value,place",
    [
        ({"w": None}, ""),
        ({"epoch": 3, "model": "x", "state_dict": {"w": None}}, "state_dict"),
        ({"model": {"w": None}, "optimizer": {"state": {0: {"step": 1}}}}, "model"),
        ({"model": {"state_dict": {"w": None}}, "perf": 0.5}, "model.state_dict"),
        ({"best_state_dict": {"w": None}, "state_dict": {}}, "best_state_dict"),
    ],
)
def test_tensors_are_found_where_programs_put_them(written, value, place):
    def put(part):
        if part is None:
            return Tensor.of(ROW)
        if not isinstance(part, dict):
            return part
        ordered = Call(Name("collections", "OrderedDict"), ())
        return {k: put(v) for k, v in part.items()} if part else ordered

    found = read_checkpoint(written(put(value)))
    assert list(found.tensors) == ["w"] and found.location == place


def test_objects_of_other_packages_are_inert(written):
    scalar = Call(Name("numpy.core.multiarray", "scalar"), (Name("numpy", "x"), "raw"))
    config = Call(Name("mmengine.config", "Config"), ({"a": 1},), {"b": [2]})
    found = read_checkpoint(
        written(
            {
                "meta": {"cfg": "codec = 1", "seed": scalar, "config": config},
                "message_hub": {"log": config},
                "state_dict": {"w": Tensor.of(ROW), "strange": config, "number": 3},
            }
        )
    )
    assert list(found.tensors) == ["w"]
    assert found.notes == {"cfg": "codec = 1"}
    assert found.others == {
        "strange": "an object of class mmengine.config.Config",
        "number": "a value of type int",
    }


def test_parameters_and_tensors_with_attributes(written):
    tensor = Tensor.of(ROW)
    hooks = Call(Name("collections", "OrderedDict"), ())
    found = read_checkpoint(
        written(
            {
                "a": Call(
                    Name("torch._utils", "_rebuild_parameter"), (tensor, True, hooks)
                ),
                "b": Call(
                    Name("torch._tensor", "_rebuild_from_type_v2"),
                    (
                        Name("torch._utils", "_rebuild_parameter"),
                        Name("torch.nn.parameter", "Parameter"),
                        (tensor, True, hooks),
                        {"tag": 1},
                    ),
                ),
            }
        )
    )
    for name in "ab":
        assert np.array_equal(found.tensors[name].numbers(), ROW)


def test_evil_files_do_nothing_and_are_refused(written, tmp_path):
    mark = tmp_path / "mark"
    evil = Call(Name("posix", "system"), (f"touch {mark}",), {"x": 1})
    for value, message in [
        (evil, "an object of class posix.system"),
        ({"state_dict": evil}, "a dict of state_dict"),
        (Call(Name("builtins", "eval"), (f"open({str(mark)!r}, 'w')",)), "eval"),
        (Name("posix", "system"), "the name posix.system"),
    ]:
        with pytest.raises(InputError, match=message) as error:
            read_checkpoint(written(value))
        assert "\n" not in str(error.value)
    found = read_checkpoint(written({"w": Tensor.of(ROW), "evil": evil}))
    assert found.others == {"evil": "an object of class posix.system"}
    assert not mark.exists()


@pytest.mark.parametrize(
    "change,message",
    [
        ({"offset": 1}, "larger than its numbers"),
        ({"shape": (2, 3, 2**40), "strides": (0, 0, 1)}, "larger than its numbers"),
        ({"strides": (12, -4, 1)}, "invalid shape or strides"),
        ({"strides": (12, 4)}, "invalid shape or strides"),
        ({"shape": ("2", 3, 4)}, "invalid shape or strides"),
        ({"kind": "QUInt8Storage"}, "unknown type QUInt8Storage"),
        ({"kind": "DoubleStorage"}, "bytes|size|ends|beyond"),
    ],
)
def test_tensors_that_make_no_sense(written, change, message):
    fields = {"storage": ROW, "shape": (2, 3, 4), "strides": (12, 4, 1), **change}
    with pytest.raises(InputError, match=message) as error:
        read_checkpoint(written({"w": Tensor(**fields)}))
    assert "\n" not in str(error.value)


def test_cut_anywhere_a_file_is_refused_in_one_line(written, tmp_path):
    path = written({"state_dict": {"w": Tensor.of(ROW), "v": Tensor.of(ROW[:7])}})
    with open(path, "rb") as file:
        data = file.read()
    cut = tmp_path / "cut.pth"
    for end in range(len(data)):
        cut.write_bytes(data[:end])
        with pytest.raises(InputError, match=r"cut\.pth: ") as error:
            read_checkpoint(cut)
        assert "\n" not in str(error.value)


def keras_like() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("config.json", "{}")
    return buffer.getvalue()


def compressed() -> bytes:
    source = zipfile.ZipFile(io.BytesIO(zip_bytes({"w": Tensor.of(ROW)})))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            archive.writestr(name, source.read(name))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data,message",
    [
        (b"", "empty file"),
        (b"hello", "some other file"),
        (b"\x89PNG\r\n\x1a\n" + b"0" * 300, "some other file"),
        (keras_like(), "a zip archive without a data.pkl"),
        (compressed(), "compressed"),
        (pickle.dumps({"a": 1}, 2), "torch.save did not write"),
        (b"0" * 257 + b"ustar" + b"0" * 250, "PyTorch 0.1"),
        (zip_bytes({"epoch": 3, "model": "x"}), "a dict of epoch, model"),
        (zip_bytes([1, 2]), "a value of type list"),
        (zip_bytes(Tensor.of(ROW)), "a single tensor"),
        (
            zip_bytes(Call(Name("models.pose_hrnet", "PoseHighResolutionNet"), ())),
            "an object of class models.pose_hrnet.PoseHighResolutionNet",
        ),
        (legacy_bytes({"w": 2**2000}), "a dict of w"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, data, message):
    path = tmp_path / "other.pth"
    path.write_bytes(data)
    with pytest.raises(InputError, match=message) as error:
        read_checkpoint(path)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)
    assert "expected" in str(error.value)


@pytest.mark.parametrize("name", ["absent.pth", ""])
def test_no_file(tmp_path, name):
    with pytest.raises(InputError, match="not readable: .*; expected a PyTorch"):
        read_checkpoint(tmp_path / name)


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_as_pytorch_writes_and_reads(tmp_path, new, protocol):
    torch = pytest.importorskip("torch", reason="to be held against PyTorch")
    base = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    tagged = torch.nn.Parameter(base * 3)
    tagged.tag = "x"
    tensors = {
        "plain": base,
        "turned": base.t(),
        "part": base[1:4, 2],
        "expanded": base[:1].expand(3, 5),
        "channels_last": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
        "half": base.half(),
        "bfloat16": base.bfloat16().t(),
        "double": base.double(),
        "counter": torch.tensor(7),
        "flags": torch.tensor([True, False]),
        "empty": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(base * 2),
        "tagged": tagged,
    }
    value = {
        "epoch": 3,
        "state_dict": tensors,
        "optimizer": {"state": {0: {"step": torch.tensor(1.0)}}},
        "meta": {"cfg": "text", "seed": np.float32(2)},
    }
    path = tmp_path / "new.pth"
    torch.save(
        value, path, _use_new_zipfile_serialization=new, pickle_protocol=protocol
    )
    found = read_checkpoint(path)
    assert found.tensors.keys() == tensors.keys() and found.notes == {"cfg": "text"}
    for name, tensor in tensors.items():
        expected = tensor.detach()
        if tensor.dtype == torch.bfloat16:
            expected = expected.float()
        numbers = found.tensors[name].numbers()
        assert numbers.dtype == expected.numpy().dtype
        assert np.array_equal(numbers, expected.numpy()), name


@pytest.mark.parametrize("kind", FORMATS)
def test_the_writer_writes_what_pytorch_reads(tmp_path, kind):
    torch = pytest.importorskip("torch", reason="to be held against PyTorch")
    path = tmp_path / "ours.pth"
    array = ROW.reshape(4, 6)
    path.write_bytes(FORMATS[kind]({"w": Tensor.of(array), "epoch": 3, "x": [1.5]}))
    found = torch.load(path, weights_only=True)
    assert np.array_equal(found["w"].numpy(), array)
    assert found["epoch"] == 3 and found["x"] == [1.5]
