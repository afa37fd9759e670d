"""The progress line counts what is left, evaluations included."""

import sys

import pytest

from trainers.engine import progress_line
from trainers.engine.progress_line import ProgressLine, clock


@pytest.fixture
def now(monkeypatch):
    """A clock that the test sets."""
    time = [0.0]
    monkeypatch.setattr(progress_line.time, "monotonic", lambda: time[0])
    return time


def test_clock():
    assert [clock(s) for s in (0, 75, 3675)] == ["0:00", "1:15", "1:01:15"]


def test_time_left_leaves_out_compiling_and_counts_evaluations(now, capsys):
    line = ProgressLine(total_steps=100, samples_per_step=8)
    now[0] = 60.0  # the first step was compiled
    line.stepped(11)
    now[0] = 70.0
    line.show("epoch 2/10", 21, "loss 1", evaluations=9)
    assert capsys.readouterr().out == (
        "epoch 2/10  21/100  loss 1  8 samples/s  1:19 left\n"
    )
    with line.evaluating("epoch 2/10"):
        now[0] = 75.0
    now[0] = 85.0
    line.show("epoch 3/10", 31, "loss 1", evaluations=8)
    # 69 steps of a second each and 8 evaluations of 5 seconds.
    assert capsys.readouterr().out.endswith("8 samples/s  1:49 left\n")


def test_nothing_is_promised_before_a_step_was_timed(now, capsys):
    line = ProgressLine(100, 8)
    line.stepped(1)
    line.show("epoch 1/10", 1, "loss 1", evaluations=10)
    assert capsys.readouterr().out.endswith("? samples/s  ? left\n")


def test_lines_come_now_and_then(now):
    line = ProgressLine(100, 8)
    assert not line.due()
    now[0] = 16.0
    assert line.due()


def test_quiet_line_prints_nothing(now, capsys):
    line = ProgressLine(100, 8, quiet=True)
    line.show("epoch 1/10", 1, "loss 1", evaluations=10)
    line.note("note")
    with line.evaluating("epoch 1/10"):
        pass
    assert capsys.readouterr().out == ""


def test_terminal_line_is_rewritten_and_cleared(now, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    line = ProgressLine(100, 8)
    line.show("epoch 1/10", 1, "a long text", evaluations=1)
    long = capsys.readouterr().out
    assert long.startswith("\r") and "\n" not in long
    line.show("epoch 1/10", 1, "short", evaluations=1)
    assert len(capsys.readouterr().out) == len(long)
    line.note("stays")
    assert capsys.readouterr().out.endswith("\rstays\n")
