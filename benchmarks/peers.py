"""Imports of original implementations from checkouts, and timing of both sides.

The originals have the same module names (`utils`, `core`, `dataset`) and import
packages that are not needed here and may be missing, so each is imported separately
from the others and from all other modules. Each side is timed in a separate process,
because the threads of two frameworks would disturb each other in one.
"""

import contextlib
import importlib
import multiprocessing
import os
import sys
import time
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfpose.errors import InputError

__all__ = ["Side", "import_alone", "peak_megabytes", "take_turns"]

# Names that NumPy has dropped since the originals were written.
_DROPPED = {"float": float, "int": int, "bool": bool}


@contextlib.contextmanager
def import_alone(
    folder: Path,
    names: Sequence[str],
    absent: Mapping[str, Mapping[str, Any]] | None = None,
) -> Iterator[list[types.ModuleType]]:
    """Imports modules of one folder, which are importable only inside the block.

    Args:
        folder: the root of their imports. The packages' `__init__` is not executed.
        names: names of the modules.
        absent: modules that they import and that are replaced by empty ones, with
            attributes of the empty ones.
    """
    absent = absent or {}
    packages = {
        ".".join(name.split(".")[:depth])
        for name in names
        for depth in range(1, name.count(".") + 1)
    }
    roots = {name.split(".")[0] for name in [*names, *absent]}

    def same_root() -> dict[str, types.ModuleType]:
        return {k: v for k, v in sys.modules.items() if k.split(".")[0] in roots}

    prefix = os.path.join(os.path.abspath(folder), "")

    def in_folder() -> set[str]:
        files = {k: getattr(v, "__file__", None) or "" for k, v in sys.modules.items()}
        return {k for k, v in files.items() if v.startswith(prefix)}

    known, before = in_folder(), same_root()
    for name in before:
        del sys.modules[name]
    for name in packages:
        package = types.ModuleType(name)
        package.__path__ = [str(folder.joinpath(*name.split(".")))]
        sys.modules[name] = package
    for name, attributes in absent.items():
        module = types.ModuleType(name)
        module.__path__ = []
        vars(module).update(attributes)
        sys.modules[name] = module
    dropped = {k: v for k, v in _DROPPED.items() if k not in vars(np)}
    vars(np).update(dropped)
    sys.path.insert(0, str(folder))
    try:
        yield [importlib.import_module(name) for name in names]
    finally:
        sys.path.remove(str(folder))
        for name in dropped:
            delattr(np, name)
        # The modules may import others of their folder that are not in `names`.
        for name in same_root().keys() | (in_folder() - known):
            del sys.modules[name]
        sys.modules.update(before)


class Side:
    """One side of a comparison, in a separate process.

    Args:
        build: a function of a module, called in the process with `arguments`. Returns
            functions by name; each takes a size and returns the function to be called
            and timed.
        arguments: arguments that can be pickled.

    Raises:
        InputError: `build` raised it, or a package is missing.
    """

    def __init__(self, build: Callable[..., dict[str, Callable]], *arguments: Any):
        context = multiprocessing.get_context("spawn")
        self._connection, other_end = context.Pipe()
        process = context.Process(
            target=_serve, args=(build, other_end, *arguments), daemon=True
        )
        process.start()
        other_end.close()
        problem = self._connection.recv()
        if problem is not None:
            raise InputError(problem)

    def value(self, name: str, size: int) -> Any:
        """The result of the function of this name and size."""
        self._connection.send((name, size, 0))
        return self._connection.recv()

    def seconds(self, name: str, size: int, calls: int) -> float:
        """Mean seconds of `calls` calls; the very first call is not timed."""
        self._connection.send((name, size, calls))
        return self._connection.recv()

    def stop(self) -> None:
        """Ends the process."""
        self._connection.send(None)


def _serve(build, connection, *arguments) -> None:
    try:
        factories = build(*arguments)
    except InputError as error:
        connection.send(str(error))
        return
    except ModuleNotFoundError as error:
        connection.send(f"{error}; what peers need: pip install '.[peers]'")
        return
    connection.send(None)
    functions: dict[tuple[str, int], Callable[[], Any]] = {}
    while (request := connection.recv()) is not None:
        name, size, calls = request
        if (name, size) not in functions:
            functions[name, size] = factories[name](size)
            if calls:
                functions[name, size]()
        call = functions[name, size]
        if not calls:
            connection.send(call())
            continue
        start = time.perf_counter()
        for _ in range(calls):
            call()
        connection.send((time.perf_counter() - start) / calls)


def peak_megabytes() -> float:
    """The most memory that this process has had; of Linux.

    `resource.getrusage` would count what the process that started it had by then.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def take_turns(
    sides: Sequence[Side], name: str, size: int, calls: int, rounds: int
) -> list[list[float]]:
    """Seconds per call of each side in each round, after one round of warm-up."""
    seconds: list[list[float]] = [[] for _ in sides]
    for round_number in range(rounds + 1):
        for side, values in zip(sides, seconds, strict=True):
            value = side.seconds(name, size, calls)
            if round_number:
                values.append(value)
            time.sleep(0.5)  # Lets the idle threads of this side go to sleep.
    return seconds
