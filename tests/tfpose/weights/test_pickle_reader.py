"""Pickles, honest and evil, read without running them."""

import io
import os
import pickle
import subprocess
import threading

import pytest

from tests.tfpose.weights.torch_writer import Call, Name, pickled
from tfpose.weights.pickle_reader import BrokenPickle, Inert, read_pickle

PLAIN = {
    "numbers": [0, -1, 255, 65536, 2**40, -(2**70), 1.5, float("inf"), True, False],
    "text": ["", "a\nb", "\N{SNOWMAN}", "x" * 300],
    "bytes": [b"", b"\x00\xff", b"y" * 300],
    "nested": ({}, [], (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), None),
    (1, "key"): {2: {3: 4}},
}


def read(data: bytes, functions=None, persistent=lambda name: ("stored", name)):
    return read_pickle(io.BytesIO(data), functions or {}, persistent)


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_are_as_python_reads_them(protocol):
    value = PLAIN if protocol > 2 else {k: v for k, v in PLAIN.items() if k != "bytes"}
    assert read(pickle.dumps(value, protocol)) == value
    shared = ["a"]
    first, second = read(pickle.dumps([shared, shared], protocol))
    assert first is second
    if protocol > 3:
        assert read(pickle.dumps([{1, 2}, frozenset({3})], protocol)) == [{1, 2}, {3}]


def test_stored_things_and_allowed_functions():
    data = b"\x80\x02cm\nf\n(K\x07X\x01\x00\x00\x00qQtR."
    assert read(data, {"m.f": lambda *given: given}) == (7, ("stored", "q"))
    assert read(b"Pname\n.") == ("stored", "name")


class Evil:
    """Leaves a mark where Python's own reader would be used."""

    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


class Stateful:
    def __setstate__(self, state):
        raise AssertionError("state was set")


@pytest.mark.parametrize("protocol", range(6))
def test_calls_are_not_made(protocol, tmp_path):
    mark = tmp_path / "mark"
    write = f"open({str(mark)!r}, 'w').close()"
    for function, *arguments in [
        (os.system, f"touch {mark}"),
        (eval, write),
        (exec, write),
        (subprocess.Popen, ["touch", str(mark)]),
        (getattr, "os", "system"),
        (threading.Thread, None, os.mkdir, None, (str(mark),)),
    ]:
        found = read(pickle.dumps([Evil(function, *arguments)], protocol))
        assert isinstance(found[0], Inert) and found[0].called
        assert function.__name__ in repr(found[0])
    assert not mark.exists()


def test_no_instruction_runs_anything(tmp_path):
    mark = str(tmp_path / "mark")
    touch = pickled(f"touch {mark}")[0][2:-1]
    programs = {
        "INST": b"(" + touch + b"iposix\nsystem\n.",
        "OBJ": b"(cposix\nsystem\n" + touch + b"o.",
        "NEWOBJ": b"\x80\x02cposix\nsystem\n" + touch + b"\x85\x81.",
        "NEWOBJ_EX": b"\x80\x04cposix\nsystem\n" + touch + b"\x85}\x92.",
        "STACK_GLOBAL": b"\x80\x04\x8c\x05posix\x8c\x06system\x93" + touch + b"\x85R.",
        "call of a call": b"cbuiltins\ngetattr\n(cos\n\nVsystem\ntR"
        + touch
        + b"\x85R.",
        "EXT1": b"\x80\x02\x82\x01" + touch + b"\x85R.",
        "name that is an instance": b"Vsystem\n" + touch + b"\x85R.",
        "nested name": b"\x80\x04\x8c\x02os\x8c\x0bpath.system\x93" + touch + b"\x85R.",
    }
    for name, program in programs.items():
        assert isinstance(read(program), Inert), name
    assert not os.path.exists(mark)


def test_state_is_dropped():
    function = lambda: [1]  # noqa: E731
    name, state = Name("m", "f"), {"__code__": 1, "__class__": 2}
    for value in (Call(name, (), state), Call(name, (), (None, state))):
        assert read(pickled(value)[0], {"m.f": function}) == [1]
    assert function() == [1]
    made = pickle.dumps(Stateful())[:-1] + b"}X\x01\x00\x00\x00aK\x01sb."
    assert isinstance(read(made), Inert)


def test_cut_anywhere_it_is_broken():
    data = pickle.dumps(PLAIN)
    for end in range(len(data)):
        with pytest.raises(BrokenPickle):
            read(data[:end])


@pytest.mark.parametrize(
    "data",
    [
        b"hello, world",
        b".",
        b"0.",
        b"(.",
        b"K\x01t.",
        b"h\x07.",
        b"}K\x01s.",
        b"](]](ees.",
        b"}(]K\x01u.",
        b"}(K\x01u.",
        b"K\x01K\x02a.",
        b"X\xff\xff\xff\xffshort.",
        b"\x8b\xff\xff\xff\x7f.",
        b"I" + b"9" * 5000 + b"\n.",
        b"\x97.",
        # Tuples in tuples, a hundred thousand deep, as a key.
        b"}()" + b"\x85" * 100_000 + b"K\x01u.",
        b"()" + b"\x85" * 100_000 + b"\x91.",
    ],
)
def test_nonsense_is_broken(data):
    with pytest.raises(BrokenPickle) as error:
        read(data)
    assert "\n" not in str(error.value)
