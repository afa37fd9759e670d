"""Programs whose output nobody reads to its end, or whose terminal lacks letters."""

import os
import subprocess
import sys

import pytest

from tfpose.command_line import run_command

PROGRAM = f"""
import argparse, pathlib, sys
from {run_command.__module__} import run_command

def run(chosen):
    for row in range(20_000):
        print("ключица", row, flush=row % 100 == 0)
    print("проверка", file=sys.stderr)
    pathlib.Path(chosen.out).write_text("done")

parser = argparse.ArgumentParser()
parser.add_argument("out")
run_command(parser, run)
"""


@pytest.fixture
def program(tmp_path):
    """Starts the program, with a command line for where its output goes."""
    (tmp_path / "program.py").write_text(PROGRAM)

    def start(shell, **environment):
        done = subprocess.run(
            f"{sys.executable} program.py out {shell}",
            shell=True,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | environment,
            capture_output=True,
            check=False,
        )
        return done, (tmp_path / "out").read_text()

    return start


def test_a_closed_pipe_stops_no_work(program):
    done, written = program("| head -n 1")
    assert done.stdout.decode() == "ключица 0\n" and written == "done"
    assert done.stderr.decode() == "проверка\n"


def test_an_ascii_terminal_gets_escapes(program):
    done, written = program("| tail -n 1", PYTHONIOENCODING="ascii")
    name = "ключица".encode("ascii", "backslashreplace")
    assert done.stdout == name + b" 19999\n" and written == "done"
    assert done.stderr == "проверка".encode("ascii", "backslashreplace") + b"\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_line(tmp_path):
    text = PROGRAM.replace("20_000", "1").replace("flush=row % 100 == 0", "end=''")
    (tmp_path / "program.py").write_text(text)
    done = subprocess.run(
        f"{sys.executable} program.py out > /dev/full",
        shell=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[1:] == ["error: [Errno 28] No space left on device"]
