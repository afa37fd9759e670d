"""One line that says how much of a job is done and how long the rest will take."""

import collections
import datetime
import time

from tfpose.terminal_line import TerminalLine

__all__ = ["Progress"]

_SECONDS_ON_TERMINAL = 0.2
_SECONDS_IN_LOG = 15.0
_SECONDS_OF_SPEED = 30.0


class Progress:
    """Rewrites its line on a terminal; in a log, prints one now and then.

    The speed is that of the last half minute, so that loading and compiling, which come
    once, are soon out of it.
    """

    def __init__(self, total: int):
        """
        Args:
            total: things to do; 0 if nobody knows, then no time left is shown.
        """
        self._total = total
        self._line = TerminalLine()
        on_terminal = self._line.terminal
        self._pause = _SECONDS_ON_TERMINAL if on_terminal else _SECONDS_IN_LOG
        self._recent: collections.deque[tuple[float, int]] = collections.deque()
        self._shown = time.monotonic()

    def report(self, done: int, name: str) -> None:
        """Counts `done` of all things, the last one of them called `name`."""
        now = time.monotonic()
        self._recent.append((now, done))
        while now - self._recent[0][0] > _SECONDS_OF_SPEED and len(self._recent) > 2:
            self._recent.popleft()
        if now - self._shown < self._pause:
            return
        self._shown = now
        line = f"{done}/{self._total or '?'}  {name}"
        start, before = self._recent[0]
        if done > before and now > start:
            speed = (done - before) / (now - start)
            line += f"  {speed:.3g} a second"
            if self._total:
                rest = round(max(self._total - done, 0) / speed)
                line += f"  {datetime.timedelta(seconds=rest)} left"
        self._line.write(line)

    def clear(self) -> None:
        """Leaves the terminal's line empty for what others print."""
        self._line.clear()
