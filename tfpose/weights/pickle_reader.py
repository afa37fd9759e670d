"""A safe reader of pickles: it calls only the functions that its caller allows.

A pickle is a program for a small stack machine that may call any function by name.
Python's reader imports that function and calls it. This machine builds plain
containers, numbers and strings, calls only allowed functions, and puts an `Inert` in
place of everything else.
"""

import mmap
import pickletools
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, cast

__all__ = ["BrokenPickle", "Inert", "read_pickle"]

# Exceptions that Python raises for damaged or invalid programs.
_BROKEN = (ValueError, LookupError, TypeError, AttributeError, OverflowError)

_MARK = object()


class BrokenPickle(ValueError):
    """The data is not a pickle, or the pickle is damaged, incomplete or invalid."""


class Inert:
    """Placeholder for a class or function of a pickle, or for an object made by it.

    Attributes:
        name: dotted name of the class or function, such as `os.system`.
        called: whether the pickle calls it: then this stands for an object.
    """

    def __init__(self, name: str, called: bool = False) -> None:
        self.name = name
        self.called = called

    def __repr__(self) -> str:
        return f"{self.name}(...)" if self.called else self.name


def read_pickle(
    file: BinaryIO | mmap.mmap,
    functions: Mapping[str, Callable[..., Any]],
    persistent: Callable[[Any], Any],
    set_state: Callable[[Any, Any], None] = lambda thing, state: None,
) -> Any:
    """Reads the pickle at a file's position; the position is then after the pickle.

    Args:
        file: the file.
        functions: the functions that may be called, by their dotted names in the
            pickle. Their arguments come from the pickle, so they must check them.
        persistent: function from the pickle's name of an object that is stored outside
            of it (usually a tuple) to that object.
        set_state: function of an object and the state that the pickle sets, both
            unchecked; may change the object. By default states are ignored.

    Returns:
        Python's plain types, `Inert`, and what `functions` and `persistent` return.

    Raises:
        BrokenPickle: see its docstring; also where `functions`, `persistent` or
            `set_state` raise one of Python's errors about values.
    """
    machine = _Machine(functions, persistent, set_state)
    try:
        for opcode, argument, _ in pickletools.genops(cast(BinaryIO, file)):
            if opcode.name == "STOP":
                return machine.pop()
            machine.run(opcode.name, argument)
    except _BROKEN as error:
        raise BrokenPickle(str(error).partition("\n")[0]) from None
    raise BrokenPickle("ends early")


class _Machine:
    """The stack machine; its instructions are explained in `pickletools`."""

    def __init__(
        self,
        functions: Mapping[str, Callable[..., Any]],
        persistent: Callable[[Any], Any],
        set_state: Callable[[Any, Any], None],
    ) -> None:
        self.functions = functions
        self.persistent = persistent
        self.set_state = set_state
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, name: str, argument: Any) -> None:
        if name in _LITERALS:
            value = _CONSTANTS[name]() if name in _CONSTANTS else argument
            self.stack.append(value)
        elif name in _IGNORED:
            pass
        elif name in _INSTRUCTIONS:
            _INSTRUCTIONS[name](self, argument)
        else:
            raise ValueError(f"instruction {name} is not one of a checkpoint's")

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise ValueError("mark where a value should be")
        return value

    def pop_to_mark(self) -> list[Any]:
        for index in range(len(self.stack) - 1, -1, -1):
            if self.stack[index] is _MARK:
                values = self.stack[index + 1 :]
                del self.stack[index:]
                return values
        raise ValueError("values without their mark")

    def push_tuple(self, count: int) -> None:
        values = [self.pop() for _ in range(count)]
        self.stack.append(tuple(reversed(values)))

    def push_dict(self) -> None:
        values = self.pop_to_mark()
        self.stack.append({})
        self.set_items(values)

    def store(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def extend(self, values: list[Any]) -> None:
        """Appends to the list, or adds to the set, on the stack."""
        target = self.stack[-1]
        if isinstance(target, list):
            target.extend(values)
        elif isinstance(target, set):
            target.update(map(_checked_key, values))
        elif not isinstance(target, Inert):
            raise TypeError(f"{type(target).__name__} cannot be extended")

    def set_items(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, dict):
            keys = map(_checked_key, values[::2])
            target.update(zip(keys, values[1::2], strict=True))
        elif not isinstance(target, Inert):
            raise TypeError(f"{type(target).__name__} has no items to set")

    def call(self, function: Any, arguments: Any) -> None:
        known = self.functions.get(function.name) if _is_name(function) else None
        if known is not None and isinstance(arguments, tuple):
            self.stack.append(known(*arguments))
        else:
            self.stack.append(Inert(getattr(function, "name", "nameless"), called=True))

    def reduce(self) -> None:
        arguments = self.pop()
        self.call(self.pop(), arguments)

    def new_with_keywords(self) -> None:
        self.pop()
        self.reduce()

    def object_of_marked(self) -> None:
        function, *arguments = self.pop_to_mark()
        self.call(function, tuple(arguments))

    def stack_global(self) -> None:
        name = self.pop()
        self.stack.append(Inert(f"{self.pop()}.{name}"))

    def build(self) -> None:
        state = self.pop()
        self.set_state(self.stack[-1], state)

    def persist(self, name: Any) -> None:
        self.stack.append(self.persistent(name))


def _checked_key(key: Any) -> Any:
    """Checks a key of a dict or item of a set, which may be a tuple but not nested.

    Hashing deeply nested tuples overflows Python's stack.
    """
    parts = key if isinstance(key, tuple) else (key,)
    if any(isinstance(part, tuple | frozenset) for part in parts):
        raise TypeError("tuple in a tuple as a key")
    return key


def _is_name(value: Any) -> bool:
    return isinstance(value, Inert) and not value.called


# Instructions that push a constant, or the argument that follows them.
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
    "MARK": lambda: _MARK,
}
_LITERALS = {
    *_CONSTANTS,
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "FLOAT", "BINFLOAT"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
}
_IGNORED = {"PROTO", "FRAME"}
_INSTRUCTIONS: dict[str, Callable[[_Machine, Any], Any]] = {
    "POP": lambda m, _: m.stack.pop(),
    "POP_MARK": lambda m, _: m.pop_to_mark(),
    "DUP": lambda m, _: m.stack.append(m.stack[-1]),
    "TUPLE": lambda m, _: m.stack.append(tuple(m.pop_to_mark())),
    "TUPLE1": lambda m, _: m.push_tuple(1),
    "TUPLE2": lambda m, _: m.push_tuple(2),
    "TUPLE3": lambda m, _: m.push_tuple(3),
    "LIST": lambda m, _: m.stack.append(m.pop_to_mark()),
    "DICT": lambda m, _: m.push_dict(),
    "FROZENSET": lambda m, _: m.stack.append(
        frozenset(map(_checked_key, m.pop_to_mark()))
    ),
    "APPEND": lambda m, _: m.extend([m.pop()]),
    "APPENDS": lambda m, _: m.extend(m.pop_to_mark()),
    "ADDITEMS": lambda m, _: m.extend(m.pop_to_mark()),
    "SETITEM": lambda m, _: m.set_items([m.pop(), m.pop()][::-1]),
    "SETITEMS": lambda m, _: m.set_items(m.pop_to_mark()),
    "GET": lambda m, index: m.stack.append(m.memo[index]),
    "BINGET": lambda m, index: m.stack.append(m.memo[index]),
    "LONG_BINGET": lambda m, index: m.stack.append(m.memo[index]),
    "PUT": lambda m, index: m.store(index),
    "BINPUT": lambda m, index: m.store(index),
    "LONG_BINPUT": lambda m, index: m.store(index),
    "MEMOIZE": lambda m, _: m.store(len(m.memo)),
    # The argument is "module name".
    "GLOBAL": lambda m, name: m.stack.append(Inert(name.replace(" ", "."))),
    "STACK_GLOBAL": lambda m, _: m.stack_global(),
    "EXT1": lambda m, code: m.stack.append(Inert(f"extension.{code}")),
    "EXT2": lambda m, code: m.stack.append(Inert(f"extension.{code}")),
    "EXT4": lambda m, code: m.stack.append(Inert(f"extension.{code}")),
    "REDUCE": lambda m, _: m.reduce(),
    "NEWOBJ": lambda m, _: m.reduce(),
    "NEWOBJ_EX": lambda m, _: m.new_with_keywords(),
    "OBJ": lambda m, _: m.object_of_marked(),
    "INST": lambda m, name: m.call(
        Inert(name.replace(" ", ".")), tuple(m.pop_to_mark())
    ),
    # Python's reader sets attributes, or calls the object's __setstate__.
    "BUILD": lambda m, _: m.build(),
    "PERSID": lambda m, name: m.persist(name),
    "BINPERSID": lambda m, _: m.persist(m.pop()),
}
