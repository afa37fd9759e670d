"""What a user sees while waiting."""

import pytest

from tfpose.cli.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that is moved by hand."""
    time = [100.0]
    monkeypatch.setattr("tfpose.cli.progress.time.monotonic", lambda: time[0])
    return time


def _run(clock, total, steps, seconds):
    progress = Progress(total)
    for done in range(1, steps + 1):
        clock[0] += 60.0 if done == 1 else seconds
        progress.report(done, "a.mp4")
    progress.clear()


def test_a_log_has_a_line_now_and_then(clock, capsys) -> None:
    _run(clock, 1000, 41, 1.0)
    lines = capsys.readouterr().out.splitlines()
    # The first minute, in which the first one was done, is not in the speed.
    assert lines == [
        "1/1000  a.mp4",
        "16/1000  a.mp4  1 a second  0:16:24 left",
        "31/1000  a.mp4  1 a second  0:16:09 left",
    ]


def test_an_unknown_total_has_no_time_left(clock, capsys) -> None:
    _run(clock, 0, 17, 1.0)
    assert capsys.readouterr().out.splitlines()[-1] == "16/?  a.mp4  1 a second"


def test_what_comes_once_is_soon_out_of_the_speed(clock, capsys) -> None:
    progress = Progress(1000)
    progress.report(1, "a.mp4")
    clock[0] += 100  # Compiling.
    for done in range(2, 51):
        clock[0] += 1
        progress.report(done, "a.mp4")
    lines = capsys.readouterr().out.splitlines()
    assert "0.0099 a second" in lines[0] and "1 a second  0:15:53 left" in lines[-1]


def test_a_terminal_has_one_line(clock, capsys, monkeypatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    _run(clock, 10, 5, 0.5)
    out = capsys.readouterr().out
    assert "\n" not in out and "5/10  a.mp4  2 a second  0:00:02 left" in out
    # The line is wiped at the end.
    assert out.endswith("\r") and not out.split("\r")[-2].strip()
