"""Runs pytest on the test file that a Bazel target names (see pose_test.bzl).

Tests marked slow are left out; `bazel test //tests/... --test_arg=-m
--test_arg=slow` runs those instead.
"""

import os
import sys

import pytest

__all__ = ["main"]


def main() -> int:
    """Returns pytest's exit status; no test left after the marks is a success."""
    arguments = ["-m", "not slow", "-p", "no:cacheprovider", *sys.argv[1:]]
    if chosen := os.environ.get("TESTBRIDGE_TEST_ONLY"):
        arguments += ["-k", chosen]
    if report := os.environ.get("XML_OUTPUT_FILE"):
        arguments.append(f"--junitxml={report}")
    if scratch := os.environ.get("TEST_TMPDIR"):
        arguments.append(f"--basetemp={os.path.join(scratch, 'pytest')}")
    status = pytest.main(arguments)
    return 0 if status == pytest.ExitCode.NO_TESTS_COLLECTED else int(status)


if __name__ == "__main__":
    sys.exit(main())
