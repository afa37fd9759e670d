"""The table of latencies: its metrics, its failures, and a real model in it."""

import json
import math

import pytest

from export.benchmark import main
from export.litert.file import with_metadata
from export.litert.latency import Latency, Setting, latency_table, measure_apart
from tfpose.errors import InputError


@pytest.fixture(scope="module")
def tflite(tiny_model, tiny_file, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "pose.tflite"
    path.write_bytes(with_metadata(tiny_file, tiny_model.metadata))
    return path


ROW = Latency(
    Setting(2, "none"),
    load_ms=12.34,
    first_ms=123.4,
    times_ms=(3.0, 1.0, 2.0, 5.0, 4.0),
    note="a note",
)


def test_figures_of_a_row():
    assert ROW.median_ms == 3
    assert ROW.quantile_ms(0.95) == pytest.approx(4.8)
    row = ROW.to_dict()
    assert row["threads"] == 2 and row["delegate"] == "none"
    assert (row["p25_ms"], row["p75_ms"], row["fastest_ms"]) == (2, 4, 1)
    assert row["times_ms"] == [3, 1, 2, 5, 4]
    assert json.loads(json.dumps(row)) == row
    failed = Latency(Setting(), problem="no GPU")
    assert math.isnan(failed.median_ms)
    assert failed.to_dict() == {
        "threads": 1,
        "delegate": "xnnpack",
        "signature": "",
        "problem": "no GPU",
    }


def test_table_of_rows():
    lines = latency_table([ROW, Latency(Setting(), problem="a | b")]).splitlines()
    assert lines[2] == (
        "| none (a note) | 2 | 3.00 | 2.00 to 4.00 | 4.80 | 1.00 | 123 | 12.3 |"
    )
    assert lines[3] == "| xnnpack | 1 | a / b | | | | | |"
    assert len({line.count("|") for line in lines}) == 1


def test_a_model_is_measured_in_a_process_of_its_own(tflite, tmp_path, capsys):
    report = tmp_path / "report.json"
    main([str(tflite), "--threads=1", "--runs=3", f"--json={report}"])
    shown = capsys.readouterr().out
    assert "skeleton: lsp14, 14 joints" in shown and "version: " in shown
    written = json.loads(report.read_text())
    assert written["metadata"]["task"] == "top_down_pose"
    assert written["machine"]["runtime"].startswith("ai-edge-litert ")
    assert [row["delegate"] for row in written["rows"]] == ["xnnpack", "none"]
    assert {row["signature"] for row in written["rows"]} == {"locate"}
    for row in written["rows"]:
        assert len(row["times_ms"]) == 3 and 0 < row["fastest_ms"] <= row["median_ms"]
        assert f"| {row['delegate']} | 1 | " in shown


def test_a_setting_that_fails_says_why(tflite, tmp_path):
    library = tmp_path / "delegate.so"
    library.write_text("no library")
    row = measure_apart(str(tflite), Setting(1, str(library)), runs=1)
    # A long path is cut short.
    assert row.problem.startswith("OSError: ") and "\n" not in row.problem
    row = measure_apart(str(tflite), Setting(), runs=10**6, seconds=0.01)
    assert row.problem == "took more than 0.01 s"


def test_bad_input_is_told_in_one_line(tflite, tmp_path, capsys):
    with pytest.raises(InputError, match="threads is 0"):
        Setting(0)
    with pytest.raises(InputError, match="delegate 'nnapi' is unknown"):
        Setting(1, "nnapi")
    text = tmp_path / "notes.tflite"
    text.write_text("no model at all")
    model = str(tflite)
    for arguments, message in (
        ([str(text)], "notes.tflite is no .tflite file"),
        ([str(tmp_path / "nothing.tflite")], "nothing.tflite"),
        ([model, "--threads=one"], "--threads is 'one'"),
        ([model, "--delegates=nnapi"], "delegate 'nnapi' is unknown"),
        ([model, "--runs=0"], "--runs is 0"),
        ([model, "--signature=lift"], "--signature is 'lift', expected one of locate"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        lines = capsys.readouterr().err.splitlines()
        assert stop.value.code == 2
        assert (
            len(lines) == 1 and lines[0].startswith("error: ") and message in lines[0]
        )
