"""What pip installs: the licence, the command `tfpose`, the extras."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=;!]", line)[0].strip().lower() for line in requirements}


def test_the_licence_is_apaches():
    assert PROJECT["license"] == "Apache-2.0"
    (name,) = PROJECT["license-files"]
    text = (ROOT / name).read_text()
    assert "Apache License\n                           Version 2.0" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_command_does_not_wait_for_keras():
    """As the script that pip makes of it."""
    module, function = PROJECT["scripts"]["tfpose"].split(":")
    script = f"""
import sys
sys.argv = ["/usr/bin/tfpose", "--help"]
from {module} import {function}
try:
    {function}()
finally:
    print("keras" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("usage: tfpose ")
    assert done.stdout.endswith("False\n")


def test_extras_are_tested_as_pinned():
    pinned = _names((ROOT / "requirements.txt").read_text().splitlines())
    extras = PROJECT["optional-dependencies"]
    assert _names(PROJECT["dependencies"]) <= pinned
    assert _names([*extras["cpu"], *extras["export"]]) <= pinned
