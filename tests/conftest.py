"""Settings and data that all tests share."""

import collections
import os
from pathlib import Path

# Before TensorFlow is imported: no banner, and the same sums on every machine.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")

import pytest  # noqa: E402

from tests.contract_table import contract_table  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real data sets; tests that need it are skipped without it."""
    folder = Path(os.environ.get("TFPOSE_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"real data is not at {folder} (set TFPOSE_DATA)")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with the most slow tests come first: a long file that starts last would
    run alone, where test files run side by side.
    """
    slow = collections.Counter(
        item.path for item in items if item.get_closest_marker("slow")
    )
    items.sort(key=lambda item: -slow[item.path])


def pytest_terminal_summary(terminalreporter) -> None:
    """Shows the contract of the trainers as a table, if its tests ran."""
    reports = [
        (report.nodeid, outcome)
        for outcome in ("passed", "failed", "error", "skipped")
        for report in terminalreporter.stats.get(outcome, [])
    ]
    lines = contract_table(reports)
    if lines:
        terminalreporter.section("contract of the trainers")
        for line in lines:
            terminalreporter.write_line(line)
