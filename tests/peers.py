"""Original implementations, imported from checkouts for tests of agreement with them.

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
import pytest

__all__ = ["import_alone", "peer_folder"]

# Names that NumPy has dropped since the originals were written.
_DROPPED = {"float": float, "int": int, "bool": bool}


def peer_folder(name: str) -> Path:
    """The checkout of one original below TFPOSE_PEERS; skips the test without it."""
    root = os.environ.get("TFPOSE_PEERS")
    if not root:
        pytest.skip("TFPOSE_PEERS names no folder with the originals' checkouts")
    folder = Path(root) / name
    if not folder.is_dir():
        pytest.skip(f"{folder}: no checkout of {name}")
    pytest.importorskip("torch", reason="the originals need PyTorch")
    return folder


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

    before = alike()
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
        for name in alike():
            del sys.modules[name]
        sys.modules.update(before)
