"""One line that says how far a run is and how long it will take."""

import sys
import time

__all__ = ["ProgressLine", "clock"]

_SECONDS_ON_TERMINAL = 0.5
_SECONDS_IN_LOG = 15.0


def clock(seconds: float) -> str:
    """`75` as `1:15`, `3675` as `1:01:15`."""
    minutes, rest = divmod(int(round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class ProgressLine:
    """Rewrites its line on a terminal; in a log, prints one now and then."""

    def __init__(self, total_steps: int, first_step: int):
        self._total, self._first = total_steps, first_step
        self._start = time.monotonic()
        self._terminal = sys.stdout.isatty()
        self._pause = _SECONDS_ON_TERMINAL if self._terminal else _SECONDS_IN_LOG
        self._shown = self._start
        self._width = 0

    def due(self) -> bool:
        """Whether enough time has passed since the last line."""
        return time.monotonic() - self._shown >= self._pause

    def show(self, epoch: str, step: int, samples_per_step: int, text: str) -> None:
        """Shows the state after `step` of all steps."""
        self._shown = time.monotonic()
        rate = (step - self._first) / max(self._shown - self._start, 1e-9)
        left = clock((self._total - step) / rate) if rate else "?"
        speed = f"{rate * samples_per_step:.0f} img/s"
        self._print(f"{epoch}  {step}/{self._total}  {text}  {speed}  {left} left")

    def _print(self, line: str) -> None:
        if self._terminal:
            sys.stdout.write("\r" + line.ljust(self._width))
            self._width = len(line)
        else:
            sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def note(self, line: str) -> None:
        """A line that stays."""
        if self._terminal:
            sys.stdout.write("\r" + " " * self._width + "\r")
            self._width = 0
        print(line, flush=True)
