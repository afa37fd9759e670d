"""One line that says how far a run is and how long it will take."""

import contextlib
import time
from collections.abc import Iterator

from tfpose.terminal_line import TerminalLine

__all__ = ["ProgressLine", "clock"]

_SECONDS_ON_TERMINAL = 0.5
_SECONDS_IN_LOG = 15.0


def clock(seconds: float) -> str:
    """`75` as `1:15`, `3675` as `1:01:15`."""
    minutes, rest = divmod(int(round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class ProgressLine:
    """Rewrites its line on a terminal; in a log, prints one now and then.

    The time left counts the evaluations to come, at the last one's length. What is
    done once, compiling the first step and the first evaluation, is left out of both
    rates as far as it can be told apart.
    """

    def __init__(self, total_steps: int, samples_per_step: int, quiet: bool = False):
        """
        Args:
            total_steps: of the whole run.
            samples_per_step: global batch size.
            quiet: print nothing, as workers other than the chief do.
        """
        self._total, self._samples = total_steps, samples_per_step
        self._quiet = quiet
        self._line = TerminalLine()
        on_terminal = self._line.terminal
        self._pause = _SECONDS_ON_TERMINAL if on_terminal else _SECONDS_IN_LOG
        self._shown = time.monotonic()
        self._first_step: int | None = None
        self._resumed = 0.0
        self._stepping = 0.0
        self._evaluation = 0.0

    def stepped(self, step: int) -> None:
        """Counts a finished step; the first of the process only starts the clock."""
        if self._first_step is None:
            self._first_step, self._resumed = step, time.monotonic()

    @contextlib.contextmanager
    def evaluating(self, epoch: str) -> Iterator[None]:
        """Times an evaluation, and says that one is going on."""
        begin = time.monotonic()
        if self._first_step is not None:
            self._stepping += begin - self._resumed
        if self._line.terminal:
            self._print(f"{epoch}  evaluating")
        yield
        self._resumed = time.monotonic()
        self._evaluation = self._resumed - begin

    def due(self) -> bool:
        """Whether enough time has passed since the last line."""
        return time.monotonic() - self._shown >= self._pause

    def show(self, epoch: str, step: int, text: str, evaluations: int) -> None:
        """Shows the state after `step` of all steps, `evaluations` still to come."""
        self._shown = time.monotonic()
        done = step - self._first_step if self._first_step is not None else 0
        speed = left = "?"
        if done:
            seconds = (self._stepping + self._shown - self._resumed) / done
            speed = f"{self._samples / max(seconds, 1e-9):.0f}"
            rest = (self._total - step) * seconds + evaluations * self._evaluation
            left = clock(rest)
        line = f"{epoch}  {step}/{self._total}  {text}  {speed} samples/s  {left} left"
        self._print(line)

    def _print(self, line: str) -> None:
        if not self._quiet:
            self._line.write(line)

    def note(self, line: str) -> None:
        """A line that stays."""
        if self._quiet:
            return
        self.clear()
        print(line, flush=True)

    def clear(self) -> None:
        """Leaves the terminal's line empty for what others print."""
        self._line.clear()
