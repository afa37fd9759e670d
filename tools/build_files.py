"""Writes the BUILD files: a target per module and test, whose deps are its imports.

    python -m tools.build_files            write what differs
    python -m tools.build_files --check    only tell what differs; exit code 1

Wheels come from the environment, so targets name the project's own modules only. What
imports do not say (files that a module reads, tags) stands in the tables below.
"""

import argparse
import ast
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.source_tree import (
    LIBRARY,
    ROOT,
    has_main,
    imported_names,
    is_test,
    list_modules,
    module_paths,
    parse,
)

__all__ = ["build_files", "main"]

_RULES = "@rules_python//python:defs.bzl"
_TEST_RULE = "//tests:pose_test.bzl"
# Groups of files that are no modules: folder, then name to patterns in the folder.
_FILE_GROUPS = {
    "export/serving": {"compose": ["compose.yaml"]},
    "export/web": {"page": ["page/*"]},
    "tfpose/weights": {"shipped_nets": ["*.keras", "*.md"]},
}
# Files that a module reads, as labels.
_DATA = {
    "export/web/server.py": ["//export/web:page"],
    "tests/export/test_savedmodel.py": ["//export/serving:compose"],
    "tests/test_install.py": ["//tfpose:__main__"],
    "tfpose/weights/shipped.py": ["//tfpose/weights:shipped_nets"],
}
_TAGS = {
    # They read sources and docs themselves, which Bazel does not know of: always run.
    "tests/test_install.py": ["external", "local"],
    "tests/test_project_rules.py": ["external", "local"],
    "tests/test_snippets.py": ["external", "local"],
}
_EXPORTED = {"tests": ["run_pytest.py"]}


def build_files() -> dict[str, str]:
    """What each BUILD file must hold, by its path from the root."""
    folders: dict[str, list[str]] = {}
    for path in list_modules():
        folders.setdefault(Path(path).parent.as_posix(), []).append(path)
    return {f"{folder}/BUILD": _text(folder, folders[folder]) for folder in folders}


def _text(folder: str, paths: list[str]) -> str:
    # The package's own target comes first.
    paths = sorted(paths, key=lambda path: (Path(path).stem != "__init__", path))
    rules = {_rule(path) for path in paths}
    parts = []
    python = sorted(rules - {"pose_test"})
    loads = [f'load("{_RULES}", {_quoted(python)})'] if python else []
    if "pose_test" in rules:
        loads.append(f'load("{_TEST_RULE}", "pose_test")')
    parts.append("\n".join(loads))
    parts.append('package(default_visibility = ["//visibility:public"])')
    if folder in _EXPORTED:
        parts.append(f"exports_files([{_quoted(_EXPORTED[folder])}])")
    parts += [_target(path) for path in paths]
    parts += [_alias(folder, package) for package in _programs_below(folder)]
    for name, patterns in _FILE_GROUPS.get(folder, {}).items():
        files = [
            file.relative_to(ROOT / folder).as_posix()
            for pattern in patterns
            for file in (ROOT / folder).glob(pattern)
        ]
        lines = [f'    name = "{name}",', _list("srcs", sorted(files))]
        parts.append("filegroup(\n" + "\n".join(lines) + "\n)")
    return "\n\n".join(parts) + "\n"


def _target(path: str) -> str:
    name, rule = _target_of(path)[1], _rule(path)
    lines = [f'    name = "{name}",']
    if rule != "pose_test":
        lines.append(_list("srcs", [Path(path).name]))
    package = Path(path).parent.as_posix()
    data = {_shortened(label, package) for label in _DATA.get(path, [])}
    deps = _deps(path)
    data |= _programs_started(path) - deps
    if data:
        lines.append(_list("data", _sorted(data)))
    if path in _TAGS:
        lines.append(_list("tags", _TAGS[path]))
    if deps:
        lines.append(_list("deps", _sorted(deps)))
    return f"{rule}(\n" + "\n".join(lines) + "\n)"


def _rule(path: str) -> str:
    if is_test(path):
        return "pose_test"
    return "py_binary" if has_main(path) else "py_library"


def _programs_below(folder: str) -> list[str]:
    """Packages right below that are programs, as `python -m` runs them."""
    depth = len(Path(folder).parts) + 1
    return [
        Path(path).parent.name
        for path in list_modules()
        if path.startswith(f"{folder}/")
        and path.endswith("/__main__.py")
        and len(Path(path).parent.parts) == depth
    ]


def _alias(folder: str, package: str) -> str:
    lines = [
        f'    name = "{package}",',
        f'    actual = "//{folder}/{package}:__main__",',
    ]
    return "alias(\n" + "\n".join(lines) + "\n)"


def _deps(path: str) -> set[str]:
    """Labels of what a module imports; of a test also the conftests above it."""
    package = Path(path).parent.as_posix()
    wanted = {name for _, name in imported_names(path) if name in module_paths()}
    if is_test(path):
        folders = [part.as_posix() for part in Path(path).parents]
        conftests = {f"{folder}.conftest".replace("/", ".") for folder in folders}
        wanted |= conftests & set(module_paths())
        # pose_test itself adds the one of tests/; Bazel takes no label twice.
        wanted -= {"tests.conftest"}
    return {_label(name, package) for name in wanted}


def _programs_started(path: str) -> set[str]:
    """Labels of the programs that a test starts: modules it names in strings.

    A name without a dot counts only where it follows `-m`: `["-m", "tfpose"]`.
    """
    if not is_test(path):
        return set()
    started = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Constant) and "." in str(node.value):
            started.add(str(node.value))
        elif isinstance(node, ast.List | ast.Tuple | ast.Call):
            items = node.args if isinstance(node, ast.Call) else node.elts
            values = [getattr(item, "value", None) for item in items]
            if "-m" in values[:-1]:
                started.add(str(values[values.index("-m") + 1]))
    known = module_paths()
    names = {
        f"{name}.__main__" if f"{name}.__main__" in known else name
        for name in started & set(known)
        if name.split(".")[0] in LIBRARY
    }
    return {_label(name, Path(path).parent.as_posix()) for name in names}


def _target_of(path: str) -> tuple[str, str]:
    """(folder, name): a package's target has its folder's name."""
    folder = Path(path).parent
    stem = Path(path).stem
    return folder.as_posix(), folder.name if stem == "__init__" else stem


def _label(module: str, package: str) -> str:
    folder, name = _target_of(module_paths()[module])
    if folder == package:
        return f":{name}"
    return f"//{folder}" if name == Path(folder).name else f"//{folder}:{name}"


def _shortened(label: str, package: str) -> str:
    return label.removeprefix(f"//{package}") if f"//{package}:" in label else label


def _sorted(labels: set[str]) -> list[str]:
    """As buildifier sorts them: this package's first, then by folder."""
    return sorted(
        labels, key=lambda label: (label[0] != ":", label.replace(":", ".").split("."))
    )


def _list(name: str, values: Sequence[str]) -> str:
    if len(values) == 1:
        return f'    {name} = ["{values[0]}"],'
    inside = "".join(f'        "{value}",\n' for value in values)
    return f"    {name} = [\n{inside}    ],"


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _differing() -> Iterator[tuple[Path, str | None]]:
    """BUILD files that are not as they must be; None for one too many."""
    wanted = build_files()
    for name, text in wanted.items():
        path = ROOT / name
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            yield path, text
    for folder in {name.split("/")[0] for name in wanted}:
        for path in (ROOT / folder).rglob("BUILD"):
            if path.relative_to(ROOT).as_posix() not in wanted:
                yield path, None


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.build_files", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args(arguments).check
    changed = False
    for path, text in _differing():
        changed = True
        place = path.relative_to(ROOT)
        if check:
            print(f"{place}: is not what the imports say; run make build-files")
        elif text is None:
            path.unlink()
            print(f"{place}: removed")
        else:
            path.write_text(text, encoding="utf-8")
            print(f"{place}: written")
    return int(check and changed)


if __name__ == "__main__":
    sys.exit(main())
