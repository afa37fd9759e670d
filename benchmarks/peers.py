"""Original implementations, imported from checkouts to be compared with.

They are called `utils`, `core`, `dataset`, all alike, and import what is not needed
here and may be absent, so each is imported apart from the others and from the rest.
What is timed lives in a process of its own: two frameworks' threads would meet in one.
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

__all__ = ["Side", "import_alone", "take_turns"]

# Names that NumPy has dropped since the originals were written.
_DROPPED = {"float": float, "int": int, "bool": bool}


@contextlib.contextmanager
def import_alone(
    folder: Path,
    names: Sequence[str],
    absent: Mapping[str, Mapping[str, Any]] | None = None,
) -> Iterator[list[types.ModuleType]]:
    """Modules of one folder; as long as the block lasts, nobody else sees them.

    Args:
        folder: the root of their imports. Packages' own `__init__` is not run.
        names: the modules.
        absent: modules that they import, and the attributes to give empty ones.
    """
    absent = absent or {}
    packages = {
        ".".join(name.split(".")[:depth])
        for name in names
        for depth in range(1, name.count(".") + 1)
    }
    roots = {name.split(".")[0] for name in [*names, *absent]}

    def alike() -> dict[str, types.ModuleType]:
        return {k: v for k, v in sys.modules.items() if k.split(".")[0] in roots}

    place = os.path.join(os.path.abspath(folder), "")

    def of_the_folder() -> set[str]:
        files = {k: getattr(v, "__file__", None) or "" for k, v in sys.modules.items()}
        return {k for k, v in files.items() if v.startswith(place)}

    known, before = of_the_folder(), alike()
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
        # Among them what the modules import of their own folder without being named.
        for name in alike().keys() | (of_the_folder() - known):
            del sys.modules[name]
        sys.modules.update(before)


class Side:
    """One of those that are compared, in a process of its own."""

    def __init__(self, build: Callable[..., dict[str, Callable]], *arguments: Any):
        """
        Args:
            build: a module's own function. Makes, of the arguments, what can be asked
                for: by name, functions of a size that return what is called (and
                timed).
            arguments: what can be pickled.

        Raises:
            InputError: `build` did.
        """
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        process = context.Process(
            target=_serve, args=(build, theirs, *arguments), daemon=True
        )
        process.start()
        theirs.close()
        problem = self._connection.recv()
        if problem is not None:
            raise InputError(problem)

    def value(self, name: str, size: int) -> Any:
        """What the call of this name and size returns."""
        self._connection.send((name, size, 0))
        return self._connection.recv()

    def seconds(self, name: str, size: int, calls: int) -> float:
        """Mean of so many calls, after one that is not timed if it is the first."""
        self._connection.send((name, size, calls))
        return self._connection.recv()

    def stop(self) -> None:
        """Ends the process."""
        self._connection.send(None)


def _serve(build, connection, *arguments) -> None:
    try:
        makers = build(*arguments)
    except InputError as error:
        connection.send(str(error))
        return
    connection.send(None)
    made: dict[tuple[str, int], Callable[[], Any]] = {}
    while (request := connection.recv()) is not None:
        name, size, calls = request
        if (name, size) not in made:
            made[name, size] = makers[name](size)
            if calls:
                made[name, size]()
        call = made[name, size]
        if not calls:
            connection.send(call())
            continue
        start = time.perf_counter()
        for _ in range(calls):
            call()
        connection.send((time.perf_counter() - start) / calls)


def take_turns(
    sides: Sequence[Side], name: str, size: int, calls: int, rounds: int
) -> list[list[float]]:
    """Seconds per call of each side in each round; a first round warms up."""
    seconds: list[list[float]] = [[] for _ in sides]
    for round_number in range(rounds + 1):
        for side, values in zip(sides, seconds, strict=True):
            value = side.seconds(name, size, calls)
            if round_number:
                values.append(value)
            time.sleep(0.5)  # Threads of the one that waits go to sleep.
    return seconds
