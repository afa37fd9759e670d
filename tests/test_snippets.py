"""Every snippet of README and docs runs as it stands, or `NOT_RUN` says why it cannot.

A page is run from top to bottom, commands and Python alike, in a folder with the files
that snippets name. Of commands that are not run the options are checked.
"""

import argparse
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from data_pipelines.video import VideoReader
from data_pipelines.video_writer import VideoWriter
from tests.snippets import ROOT, Snippet, commands, snippets
from tests.tiny_logocap import tiny_logocap
from tfpose.lifters.build import build_lifter
from tfpose.skeletons import get_skeleton
from tfpose.top_down.net import build_heatmap_net

# Regular expressions for commands and Python, and why what they match is not run.
NOT_RUN = {
    r"^(make|pip|bazel|export|TFPOSE_DATA=\S+ bazel) ": (
        "sets up a machine; .ci/run does it"
    ),
    r"^npm ": "needs the npm registry; .ci/run does it",
    r"-m trainers\.": "trains for hours; test_contract.py does for seconds",
    r"-m benchmarks\.": "measures for minutes to days",
    r"-m pytest ": "is a test itself",
    r"H36M|\bh36m\b": "needs Human3.6M",
    r"=coco\b": "needs COCO",
    r"mmpose_": "downloads; tests/tfpose/weights/test_published.py downloads from here",
    r"import_weights|(hrnet|logocap|dekr)_w32(_crowdpose)?\.keras": (
        "needs a published checkpoint"
    ),
    r"docker|curl|serving\.client|ServingClient": (
        "needs TF Serving; tests/export/serving has stand-ins"
    ),
    r"export\.web": "serves a page until it is stopped; tests/export/test_web.py",
    r"-m data_pipelines\.mannequin": "draws for minutes",
    r"model=runs/(views|wide|crowds|flow|iso/views_0|lift)": (
        "needs what a benchmark trains"
    ),
    r"data_dir=runs/(crowd_)?photos": (
        "needs photos that a benchmark has labelled by a teacher"
    ),
    r"steps=3|=models/iso|keep_float|crowd_maps": (
        "exports for a minute; tests/export has others"
    ),
    r"runs/metta/|=metta\.keras": "needs two trainings; tests have a net",
    r"predict (0|rtsp:)": "needs a camera; tests/tfpose/cli/test_predict.py has others",
}
# Not run anywhere: no compiler, or only an output that is shown.
OTHER_LANGUAGES = {"swift", "kotlin", "xml", "ruby", "js", "text"}
# Programs whose options argparse reads; absl reads those of trainers and benchmarks.
ARGPARSE = {
    "tfpose",
    "benchmarks.mannequin_speed",
    "benchmarks.video_tracks",
    "data_pipelines.mannequin",
    "data_pipelines.prepare",
    "export.litert",
    "export.savedmodel",
    "export.serving.client",
    "export.web",
}

# A small net is exported in seconds.
_POSE_NET = {
    "task": "top_down",
    "skeleton": get_skeleton("lsp14").to_dict(),
    "sigma": 1.0,
    "decoder": "dark",
    "alignment": "half_pixel",
    "flip_shift": 0,
}

ALL = list(snippets())
PAGES = sorted({snippet.page for snippet in ALL})


def reason(text: str) -> str:
    """Why a command or a Python snippet is not run; empty if it is."""
    return next((why for key, why in NOT_RUN.items() if re.search(key, text)), "")


def program(command: str) -> tuple[str, list[str]]:
    """Module and arguments of a command of ours; no module for others."""
    words = shlex.split(command, comments=True)
    while words and re.match(r"\w+=", words[0]):
        words.pop(0)
    if words[:1] == ["tfpose"]:
        words = ["python", "-m", "tfpose", *words[1:]]
    if words[:2] == ["python", "-m"]:
        return words[2], words[3:]
    return "", words


def run(module: str, arguments: list[str], monkeypatch) -> None:
    """What `python -m MODULE ARGUMENTS` does."""
    monkeypatch.setattr(sys, "argv", ["-m", *arguments])
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as stop:
        assert not stop.code, f"exit code {stop.code}"


def few_people(source: Path, target: Path) -> None:
    """Four photos each to train and to validate, in COCO format."""
    (target / "images").mkdir(parents=True)
    for split in ("train", "val"):
        document = json.loads((source / f"{split}.json").read_text())
        images = document["images"][:4]
        ids = {image["id"] for image in images}
        rows = [row for row in document["annotations"] if row["image_id"] in ids]
        document |= {"images": images, "annotations": rows}
        (target / f"{split}.json").write_text(json.dumps(document))
        for image in images:
            name = image["file_name"]
            (target / "images" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / "images" / name, target / "images" / name)


@pytest.fixture(scope="module")
def files(shared_data, tmp_path_factory) -> Path:
    """A folder with the files that snippets name."""
    folder = tmp_path_factory.mktemp("snippets")
    (folder / "tfpose").symlink_to(ROOT / "tfpose")
    few_people(shared_data / "lspet", folder / "PHOTOS")
    photo = next((folder / "PHOTOS" / "images").rglob("*.jpg"))
    for name in ("photo.jpg", "folder/a.jpg", "photos/a.jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(photo, folder / name)
    writer = VideoWriter(folder / "clip.mp4")
    for frame in VideoReader(shared_data / "video" / "one_person.mp4"):
        writer.write(frame.image, frame.seconds)
        if frame.index == 3:
            break
    writer.close()
    net = build_heatmap_net("hrnet_tiny", (64, 64), 14, info=_POSE_NET)
    for name in ("model", "pose", "a", "b", "runs/pose/model"):
        (folder / f"{name}.keras").parent.mkdir(parents=True, exist_ok=True)
        net.save(folder / f"{name}.keras")
    tiny_logocap(slots=12).save(folder / "logocap.keras")
    lengths = {"mean": [0.3] * 13, "std": [0.05] * 13}
    lifter = build_lifter(
        "martinez_small", get_skeleton("limbs14"), info={"limb_lengths": lengths}
    )
    for name in (
        "lifter",
        "iso",
        "runs/iso/model",
        "runs/poseaug/model",
        "runs/vpose/model",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        lifter.save(folder / f"{name}.keras")
    mocap = shared_data / "mocap"
    for target, clips in {
        "MOCAP": ["cmu_bvh/35_19.bvh", "cmu_bvh/49_05.bvh"],
        "OTHER": [
            *("hdm05/bd/HDM_bd.asf", "hdm05/mm/HDM_mm.asf"),
            "hdm05/bd/HDM_bd_hopBothLegs1hops_005_120.amc",
            "hdm05/mm/HDM_mm_hopBothLegs1hops_031_120.amc",
        ],
    }.items():
        (folder / target).mkdir()
        for clip in clips:
            shutil.copy(mocap / clip, folder / target)
    people = {"image_id": 1, "category_id": 1, "bbox": [10, 10, 90, 190]}
    keypoints = [[20 + 5 * j, 15 + 13 * j, 2] for j in range(14)]
    document = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 200, "width": 110}],
        "annotations": [{"id": 1, "keypoints": sum(keypoints, []), **people}],
        "categories": [
            {"id": 1, "name": "person", "keypoints": get_skeleton("lsp14").joints}
        ],
    }
    (folder / "poses.json").write_text(json.dumps(document))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_a_page_runs(page, files, shared_data, tmp_path, monkeypatch):
    folder = tmp_path / "project"
    shutil.copytree(files, folder, symlinks=True)
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "data").symlink_to(shared_data)
    monkeypatch.chdir(folder)
    names: dict = {}
    for snippet in ALL:
        if snippet.page != page:
            continue
        if snippet.language == "python" and not reason(snippet.text):
            text = "\n" * (snippet.line - 1) + snippet.text
            exec(compile(text, str(ROOT / page), "exec"), names)
        for command in commands(snippet) if snippet.language == "bash" else ():
            if not reason(command):
                print(f"{snippet}: {command}")
                module, arguments = program(command)
                assert module in ARGPARSE, f"{snippet}: {command}: is no such program"
                run(module, arguments, monkeypatch)


class _Understood(BaseException):
    """The parser took all arguments."""


def not_run() -> list[tuple[Snippet, str]]:
    """Commands of ours that are not run, whose options can be checked all the same."""
    return [
        (snippet, command)
        for snippet in ALL
        if snippet.language == "bash"
        for command in commands(snippet)
        if reason(command) and program(command)[0] not in ("", "pytest")
    ]


def test_what_is_not_run_has_options_that_exist(monkeypatch):
    parse = argparse.ArgumentParser.parse_args

    def parse_only(parser, arguments=None, namespace=None):
        parse(parser, arguments, namespace)
        raise _Understood

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_only)
    for snippet, command in not_run():
        module, arguments = program(command)
        if module in ARGPARSE:
            print(f"{snippet}: {command}")
            with pytest.raises(_Understood):
                run(module, arguments, monkeypatch)


# Every program defines its flags anew, in one process.
_CHECK_FLAGS = """
import json, runpy, sys
from absl import app, flags
before = set(flags.FLAGS)
for where, module, arguments in json.load(sys.stdin):
    sys.argv = [module, *arguments, "--only_check_args"]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as stop:
        if stop.code:
            print(where, module, *arguments)
    for name in set(flags.FLAGS) - before:
        delattr(flags.FLAGS, name)
"""


@pytest.mark.slow
def test_trainers_and_benchmarks_that_are_not_run_have_flags_that_exist():
    wanted = [
        (str(snippet), *program(command))
        for snippet, command in not_run()
        if program(command)[0] not in ARGPARSE
    ]
    done = subprocess.run(
        [sys.executable, "-c", _CHECK_FLAGS],
        input=json.dumps(wanted),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr[-3000:]


def test_every_snippet_is_of_a_known_kind():
    for snippet in ALL:
        if snippet.language == "json":
            json.loads(snippet.text)
        elif snippet.language == "python":
            compile(snippet.text, str(snippet), "exec")
        elif snippet.language not in OTHER_LANGUAGES:
            assert snippet.language == "bash", f"{snippet}: {snippet.language}"
            for command in commands(snippet):
                known = program(command)[0] or reason(command)
                assert known, f"{snippet}: {command}"


def test_every_reason_is_needed():
    texts = [s.text for s in ALL if s.language == "python"]
    texts += [c for s in ALL if s.language == "bash" for c in commands(s)]
    first = {next((k for k in NOT_RUN if re.search(k, t)), "") for t in texts}
    assert set(NOT_RUN) == first - {""}


def test_tests_that_docs_name_exist():
    for snippet in ALL:
        for path in re.findall(r"tests/[\w/]+\.py", snippet.text):
            assert (ROOT / path).is_file(), f"{snippet}: {path}"
