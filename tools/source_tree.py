"""The project's modules and what they import, read as syntax trees.

Nothing is imported: a module is parsed, not run.
"""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

__all__ = [
    "FOLDERS",
    "LIBRARY",
    "ROOT",
    "has_main",
    "imported_names",
    "is_test",
    "list_modules",
    "module_name",
    "module_paths",
    "parse",
]

# Through the link that a Bazel sandbox has in place of this file, to the sources.
ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ("tfpose", "data_pipelines", "trainers", "export", "benchmarks")
FOLDERS = (*LIBRARY, "tests", "tools")


@functools.cache
def list_modules() -> tuple[str, ...]:
    """Paths of the project's modules from the root, such as `tfpose/hsjp/loss.py`."""
    return tuple(
        sorted(
            path.relative_to(ROOT).as_posix()
            for folder in FOLDERS
            for path in (ROOT / folder).rglob("*.py")
        )
    )


@functools.cache
def parse(path: str) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), filename=path)


def module_name(path: str) -> str:
    """`tfpose/hsjp/loss.py` -> `tfpose.hsjp.loss`; a package has its folder's name."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@functools.cache
def module_paths() -> dict[str, str]:
    """Path of every module of the project by its dotted name."""
    return {module_name(path): path for path in list_modules()}


def imported_names(path: str) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything imported, inside functions as well.

    `from a import b` is `a.b` where that is a module of the project, else `a`.

    Args:
        path: of a module, from the root.

    Raises:
        ValueError: a relative import; names the line.
    """
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level or not node.module:
                raise ValueError(f"{path}:{node.lineno} is a relative import")
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield node.lineno, whole if whole in module_paths() else node.module


def is_test(path: str) -> bool:
    """Whether pytest collects tests from the file."""
    return path.startswith("tests/") and Path(path).name.startswith("test_")


def has_main(path: str) -> bool:
    """Whether the module is a program."""
    return Path(path).name == "__main__.py" or any(
        isinstance(node, ast.If) and "__main__" in ast.dump(node.test)
        for node in parse(path).body
    )
