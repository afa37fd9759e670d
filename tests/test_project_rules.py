"""Rules of the project that a program can check: imports, BUILD files, names.

Nothing is imported or built here: modules are read as syntax trees.
"""

import ast
import os
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import build_files, source_tree
from tools.source_tree import (
    FOLDERS,
    LIBRARY,
    ROOT,
    imported_names,
    list_modules,
    parse,
)

MAY_IMPORT = {
    "tfpose": {"tfpose"},
    "data_pipelines": {"tfpose", "data_pipelines"},
    "trainers": {"tfpose", "data_pipelines", "trainers"},
    "export": {"tfpose", "data_pipelines", "export"},
    "benchmarks": {"tfpose", "data_pipelines", "trainers", "export", "benchmarks"},
    "tests": set(FOLDERS),
    "tools": {"tools"},
}
# What may import everything.
COMMANDS = ("tfpose/cli/", "tfpose/__main__.py", "tfpose/api.py")
PAPERS = {"hsjp", "logocap", "metta", "poseaug", "iso"}
# What may import the papers' folders.
ABOVE_THE_PAPERS = {"__init__.py", "adapters.py", "metrics", "weights"}
# Tables of data sets, which are for methods to name.
TABLES = {"data_pipelines.readers.datasets", "data_pipelines.lifting.datasets"}
# Import names of what requirements.txt calls by another name.
DISTRIBUTIONS = {
    "absl": "absl-py",
    "ai_edge_litert": "ai-edge-litert",
    "ai_edge_quantizer": "ai-edge-quantizer",
    "cv2": "opencv-python-headless",
    "google": "protobuf",
    "grpc": "grpcio",
    "markdown_it": "markdown-it-py",
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "tensorflow_serving": "tensorflow-serving-api",
}
REQUIREMENTS = ("requirements.txt", "requirements-no-deps.txt")


def check_import(path: str, line: int, name: str) -> Iterator[str]:
    """Lines that tell what is wrong with one import."""
    top, folder = path.split("/")[0], path.split("/")[1]
    root = name.split(".")[0]
    if path.startswith(COMMANDS):
        return
    if root in FOLDERS and root not in MAY_IMPORT[top]:
        yield f"{path}:{line} {top} may not import {name}"
    if path.startswith("tests/") and re.search(r"\.test_\w+$", name):
        yield f"{path}:{line} imports another test"
    if path.startswith("trainers/engine/") and (
        re.fullmatch(r"trainers\.(?!engine\b).*", name) or name in TABLES
    ):
        yield f"{path}:{line} imports {name}: the engine knows no method and no data"
    if top != "tfpose":
        return
    if root == "tensorflow" and Path(path).name != "adapt.py":
        yield f"{path}:{line} imports tensorflow: only tfpose/cli and adapt.py may"
    if f"{name}.".startswith("tfpose.cli."):
        yield f"{path}:{line} imports the commands"
    other = name.split(".")[1] if name.startswith("tfpose.") else ""
    if other in PAPERS - {folder} and folder not in ABOVE_THE_PAPERS:
        yield f"{path}:{line} imports {name}: papers' folders do not import each other"


def check_names(path: str) -> Iterator[str]:
    """Lines that tell which public names of a module lack `__all__` or docstring."""
    tree = parse(path)
    if not ast.get_docstring(tree):
        yield f"{path}: the module has no docstring"
    if Path(path).name in ("__init__.py", "__main__.py") and len(tree.body) <= 1:
        return
    exported = None
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            exported = set(ast.literal_eval(node.value))
    if exported is None:
        if Path(path).name != "__main__.py":
            yield f"{path}: the module defines no __all__"
        return
    bound = set()
    # With what only type checkers import.
    inside = [inner for n in tree.body if isinstance(n, ast.If) for inner in n.body]
    for node in (*tree.body, *inside):
        if isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            bound |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
            public = not node.name.startswith("_")
            if public and node.name not in exported:
                yield f"{path}:{node.lineno} {node.name} is public, not in __all__"
            if public and not ast.get_docstring(node):
                yield f"{path}:{node.lineno} {node.name} has no docstring"
    for name in sorted(exported - bound):
        yield f"{path}: __all__ has {name!r}, which the module does not define"


def text_files() -> Iterator[Path]:
    """Every text file of the project."""
    yield from (p for p in ROOT.iterdir() if p.is_file() and p.name != ".git")
    for folder in (*FOLDERS, "docs", ".ci", "third_party"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def fail_with(problems: list[str]) -> None:
    """Fails with all the problems, one a line, and nothing else."""
    if problems:
        pytest.fail("\n" + "\n".join(problems), pytrace=False)


def test_imports_run_one_way():
    fail_with(
        [
            problem
            for path in list_modules()
            for line, name in imported_names(path)
            for problem in check_import(path, line, name)
        ]
    )


@pytest.mark.parametrize(
    ("path", "name", "allowed"),
    [
        ("tfpose/hsjp/loss.py", "tfpose.codecs.x", True),
        ("tfpose/hsjp/loss.py", "tfpose.iso.x", False),
        ("tfpose/codecs/heatmap.py", "tfpose.hsjp.x", False),
        ("tfpose/weights/presets.py", "tfpose.hsjp.x", True),
        ("tfpose/hsjp/loss.py", "data_pipelines.x", False),
        ("tfpose/hsjp/loss.py", "tfpose.cli.x", False),
        ("tfpose/hsjp/loss.py", "tensorflow", False),
        ("tfpose/iso/adapt.py", "tensorflow", True),
        ("tfpose/cli/predict.py", "export.x", True),
        ("data_pipelines/batches.py", "tensorflow", True),
        ("data_pipelines/batches.py", "trainers.x", False),
        ("export/function.py", "trainers.x", False),
        ("trainers/top_down.py", "data_pipelines.x", True),
        ("trainers/top_down.py", "tests.x", False),
        ("trainers/engine/loop.py", "data_pipelines.batches", True),
        ("trainers/engine/loop.py", "data_pipelines.readers.datasets", False),
        ("trainers/engine/loop.py", "trainers.engine.loop.config", True),
        ("trainers/engine/loop.py", "trainers.top_down", False),
        ("tests/trainers/test_top_down.py", "tests.trainers.engine.test_loop", False),
        ("tests/trainers/test_top_down.py", "tests.trainers.conftest", True),
    ],
)
def test_import_rules(path: str, name: str, allowed: bool):
    assert (not list(check_import(path, 1, name))) == allowed


def test_build_files_are_what_the_imports_say(capsys):
    assert build_files.main(["--check"]) == 0, capsys.readouterr().out


def test_build_files_tell_what_differs(tmp_path, monkeypatch, capsys):
    """And write it: of a project of two modules, one of which imports the other."""
    for name, text in (("a.py", ""), ("b.py", "import tfpose.a\n")):
        path = tmp_path / "tfpose" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    stale = tmp_path / "tfpose" / "gone" / "BUILD"
    stale.parent.mkdir()
    stale.write_text("")
    monkeypatch.setattr(build_files, "ROOT", tmp_path)
    monkeypatch.setattr(source_tree, "ROOT", tmp_path)
    cached = (source_tree.list_modules, source_tree.module_paths, source_tree.parse)
    for function in cached:
        function.cache_clear()
    try:
        assert build_files.main(["--check"]) == 1
        assert "tfpose/BUILD: is not what the imports say" in capsys.readouterr().out
        assert build_files.main([]) == 0
        assert build_files.main(["--check"]) == 0
    finally:
        for function in cached:
            function.cache_clear()
    written = (tmp_path / "tfpose" / "BUILD").read_text()
    assert 'srcs = ["b.py"],\n    deps = [":a"],' in written
    assert not stale.exists()


def test_public_names_are_listed_and_told():
    fail_with(
        [
            problem
            for path in list_modules()
            if path.split("/")[0] in LIBRARY
            for problem in check_names(path)
        ]
    )


def test_third_party_imports_are_required():
    standard = set(sys.stdlib_module_names)
    lines = "".join(
        (ROOT / name).read_text(encoding="utf-8") for name in REQUIREMENTS
    ).splitlines()
    required = {re.split(r"[=\[;]", line)[0].lower() for line in lines}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    # What runs beside the originals' own code, and only that, may need theirs.
    peers = project["project"]["optional-dependencies"]["peers"]
    theirs = {re.split(r"[=<>]", line)[0] for line in peers}
    fail_with(
        [
            f"{path}:{line} imports {name}, which no requirements file names"
            for path in list_modules()
            for line, name in imported_names(path)
            if (root := name.split(".")[0]) not in standard | set(FOLDERS)
            and DISTRIBUTIONS.get(root, root).lower()
            not in required | (theirs if "peer" in path else set())
        ]
    )


def test_no_file_names_a_place_of_one_machine():
    place = re.compile(r"(?<![\w.])/(?:work|root|farm|home|Users)/\w")
    problems = []
    for path in text_files():
        text = path.read_bytes().decode("utf-8", errors="ignore")
        for number, line in enumerate(text.splitlines(), 1):
            if place.search(line):
                where = path.relative_to(ROOT)
                problems.append(f"{where}:{number} names a place: {line.strip()[:80]}")
    fail_with(problems)


def test_the_page_of_users_names_tests_that_are_there():
    page = (ROOT / "docs" / "users.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    rows = [row for row in rows if "| test |" not in row]
    assert len(rows) > 25
    problems = []
    for row in rows:
        named = re.search(r"`(tests/\S+\.py)::(test_\w+)` \|$", row)
        text = (ROOT / named[1]).read_text(encoding="utf-8") if named else ""
        if not named or f"def {named[2]}(" not in text:
            problems.append(f"docs/users.md: no such test: {row}")
    fail_with(problems)


@pytest.mark.skipif(os.name != "posix", reason="bash is not there")
def test_ci_script_parses():
    status = os.spawnlp(os.P_WAIT, "bash", "bash", "-n", str(ROOT / ".ci" / "run"))
    assert status == 0
