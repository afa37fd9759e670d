"""The rules of the house that a program can read: imports, BUILD files, names.

Nothing is imported or built here: modules and BUILD files (Starlark parses as
Python) are read as syntax trees.
"""

import ast
import functools
import os
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

# Through the link that a Bazel sandbox has in place of this file, to the sources.
ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ("tfpose", "data_pipelines", "trainers", "export", "benchmarks")
FOLDERS = (*LIBRARY, "tests")
MAY_IMPORT = {
    "tfpose": {"tfpose"},
    "data_pipelines": {"tfpose", "data_pipelines"},
    "trainers": {"tfpose", "data_pipelines", "trainers"},
    "export": {"tfpose", "data_pipelines", "export"},
    "benchmarks": {"tfpose", "data_pipelines", "trainers", "export", "benchmarks"},
    "tests": set(FOLDERS),
}
FRONT_DOOR = ("tfpose/cli/", "tfpose/__main__.py")
PAPER_ROOMS = {"hsjp", "logocap", "metta", "poseaug", "iso"}
# What stands on all of tfpose, so on the papers' rooms too.
ABOVE_THE_ROOMS = {"__init__.py", "metrics", "weights"}
# Import names of what requirements.txt calls by another name.
DISTRIBUTIONS = {
    "absl": "absl-py",
    "ai_edge_litert": "ai-edge-litert",
    "ai_edge_quantizer": "ai-edge-quantizer",
    "cv2": "opencv-python-headless",
    "google": "protobuf",
    "grpc": "grpcio",
    "PIL": "pillow",
    "tensorflow_serving": "tensorflow-serving-api",
}
REQUIREMENTS = ("requirements.txt", "requirements-no-deps.txt")


def list_modules() -> list[str]:
    """Paths of the house's modules from the root, as `tfpose/hsjp/loss.py`."""
    return sorted(
        path.relative_to(ROOT).as_posix()
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
    )


@functools.cache
def parse(path: str) -> ast.Module:
    """The syntax tree of a module or BUILD file."""
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), filename=path)


def module_name(path: str) -> str:
    """`tfpose/hsjp/loss.py` -> `tfpose.hsjp.loss`; a package has its folder's."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


@functools.cache
def module_names() -> dict[str, str]:
    """Path of every module of the house by its dotted name."""
    return {module_name(path): path for path in list_modules()}


def all_imports(path: str) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything imported, inside functions as well.

    `from a import b` is `a.b` where that is a module of the house, else `a`.
    """
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno} is a relative import"
            assert node.module
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield node.lineno, whole if whole in module_names() else node.module


def label_of(module: str, package: str) -> str:
    """The label by which a BUILD file in folder `package` names a module's target."""
    folder, name = target_of(module)
    if folder == package:
        return f":{name}"
    return f"//{folder}" if name == Path(folder).name else f"//{folder}:{name}"


def target_of(module: str) -> tuple[str, str]:
    """(folder, target name) of a module: a package's target has its folder's name."""
    path = Path(module_names()[module])
    folder = path.parent
    return folder.as_posix(), folder.name if path.stem == "__init__" else path.stem


def expected_deps(path: str) -> set[str]:
    """Labels that the module's target must have as `deps`."""
    package = Path(path).parent.as_posix()
    wanted = {name for _, name in all_imports(path) if name in module_names()}
    if is_test(path):
        folders = [part.as_posix() for part in Path(path).parents]
        # pose_test itself adds the one of tests/.
        conftests = {f"{folder}.conftest".replace("/", ".") for folder in folders}
        wanted |= (conftests - {"tests.conftest"}) & set(module_names())
    return {label_of(name, package) for name in wanted}


def expected_data(path: str) -> set[str]:
    """Labels of the programs that a test starts: modules it names in strings.

    A name without a dot counts only where it follows `-m`: `["-m", "tfpose"]`.
    """
    if not is_test(path):
        return set()
    started = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Constant) and "." in str(node.value):
            started.add(node.value)
        elif isinstance(node, ast.List | ast.Tuple | ast.Call):
            items = node.args if isinstance(node, ast.Call) else node.elts
            values = [getattr(item, "value", None) for item in items]
            if "-m" in values[:-1]:
                started.add(values[values.index("-m") + 1])
    names = {
        f"{name}.__main__" if f"{name}.__main__" in module_names() else name
        for name in started & set(module_names())
        if name.split(".")[0] in LIBRARY
    }
    return {label_of(name, Path(path).parent.as_posix()) for name in names}


def expected_rule(path: str) -> str:
    """The rule that a module's target is made with."""
    if is_test(path):
        return "pose_test"
    return "py_binary" if has_main(path) else "py_library"


def is_test(path: str) -> bool:
    """Whether pytest collects tests from the file."""
    return path.startswith("tests/") and Path(path).name.startswith("test_")


def has_main(path: str) -> bool:
    """Whether the module is a program."""
    return Path(path).name == "__main__.py" or any(
        isinstance(node, ast.If) and "__main__" in ast.dump(node.test)
        for node in parse(path).body
    )


@functools.cache
def read_build(path: str) -> dict[str, dict[str, object]]:
    """Targets of a BUILD file by name: rule, deps, data, srcs."""
    targets = {}
    for node in parse(path).body:
        if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
            continue
        call = node.value
        given = {item.arg: item.value for item in call.keywords}
        if "name" in given and isinstance(call.func, ast.Name):
            targets[ast.literal_eval(given["name"])] = {
                "rule": call.func.id,
                **{
                    key: set(ast.literal_eval(given[key])) if key in given else set()
                    for key in ("srcs", "deps", "data")
                },
            }
    return targets


def check_target(path: str) -> Iterator[str]:
    """Lines that tell how the BUILD file must change for one module."""
    folder, name = target_of(module_name(path))
    build = f"{folder}/BUILD"
    targets = read_build(build) if (ROOT / build).is_file() else {}
    rule = expected_rule(path)
    deps, data = expected_deps(path), expected_data(path)
    if name not in targets:
        yield f"{build}: add {rule} {name!r} with deps = {sorted(deps)}" + (
            f", data = {sorted(data)}" if data else ""
        )
        return
    target = targets[name]
    if target["rule"] != rule:
        yield f"{build}: make {name!r} a {rule}, not a {target['rule']}"
    if rule != "pose_test" and target["srcs"] != {Path(path).name}:
        yield f"{build}: {name!r} must have srcs = [{Path(path).name!r}]"
    for label in sorted(deps - target["deps"]):
        yield f"{build}: {name!r} lacks dep {label!r}"
    for label in sorted(target["deps"] - deps):
        yield f"{build}: {name!r} has dep {label!r}, which {path} does not import"
    for label in sorted(data - target["data"] - target["deps"]):
        yield f"{build}: {name!r} lacks data {label!r}, a program that it starts"


def check_import(path: str, line: int, name: str) -> Iterator[str]:
    """Lines that tell what is wrong with one import."""
    top, room = path.split("/")[0], path.split("/")[1]
    root = name.split(".")[0]
    if path.startswith(FRONT_DOOR):
        return
    if root in FOLDERS and root not in MAY_IMPORT[top]:
        yield f"{path}:{line} {top} may not import {name}"
    if top != "tfpose":
        return
    if root == "tensorflow" and Path(path).name != "adapt.py":
        yield f"{path}:{line} imports tensorflow: only tfpose/cli and adapt.py may"
    if f"{name}.".startswith("tfpose.cli."):
        yield f"{path}:{line} imports the front door"
    other = name.split(".")[1] if name.startswith("tfpose.") else ""
    if other in PAPER_ROOMS - {room} and room not in ABOVE_THE_ROOMS:
        yield f"{path}:{line} imports {name}: papers' rooms stand alone"


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
    for node in tree.body:
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


def house_files() -> Iterator[Path]:
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
            for line, name in all_imports(path)
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
        ("export/litert.py", "trainers.x", False),
        ("trainers/engine.py", "data_pipelines.x", True),
        ("trainers/engine.py", "tests.x", False),
    ],
)
def test_import_rules(path: str, name: str, allowed: bool):
    assert (not list(check_import(path, 1, name))) == allowed


def test_build_files_name_what_is_imported():
    problems = [p for path in list_modules() for p in check_target(path)]
    for build in sorted(ROOT.glob("*/**/BUILD")):
        folder = build.parent.relative_to(ROOT).as_posix()
        if folder.split("/")[0] not in FOLDERS:
            continue
        known = {target_of(module) for module in module_names()}
        problems += [
            f"{folder}/BUILD: remove {name!r}: no such module"
            for name, target in read_build(f"{folder}/BUILD").items()
            if target["rule"] != "filegroup" and (folder, name) not in known
        ]
    fail_with(problems)


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
            for line, name in all_imports(path)
            if (root := name.split(".")[0]) not in standard | set(FOLDERS)
            and DISTRIBUTIONS.get(root, root).lower()
            not in required | (theirs if "peer" in path else set())
        ]
    )


def test_no_file_names_a_place_of_one_machine():
    place = re.compile(r"(?<![\w.])/(?:work|root|farm|home|Users)/\w")
    problems = []
    for path in house_files():
        text = path.read_bytes().decode("utf-8", errors="ignore")
        for number, line in enumerate(text.splitlines(), 1):
            if place.search(line):
                where = path.relative_to(ROOT)
                problems.append(f"{where}:{number} names a place: {line.strip()[:80]}")
    fail_with(problems)


@pytest.mark.skipif(os.name != "posix", reason="bash is not there")
def test_ci_script_parses():
    status = os.spawnlp(os.P_WAIT, "bash", "bash", "-n", str(ROOT / ".ci" / "run"))
    assert status == 0
