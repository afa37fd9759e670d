"""Original implementations, imported from checkouts to be compared with.

They are called `utils`, `core`, `dataset`, all alike, and import what is not needed
here and may be absent, so each is imported apart from the others and from the rest.
"""

import contextlib
import importlib
import os
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["import_alone"]

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
