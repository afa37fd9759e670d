"""A line that is rewritten in place."""

import sys

__all__ = ["TerminalLine"]


class TerminalLine:
    """The last line of stdout, if that is a terminal; else lines, one after another.

    Attributes:
        terminal: whether it is one.
    """

    def __init__(self) -> None:
        self.terminal = sys.stdout.isatty()
        self._width = 0

    def write(self, line: str) -> None:
        """Puts `line` in place of what is there."""
        if self.terminal:
            sys.stdout.write("\r" + line.ljust(self._width))
            self._width = len(line)
        else:
            sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def clear(self) -> None:
        """Leaves a terminal's line empty for what others print."""
        if self._width:
            sys.stdout.write("\r" + " " * self._width + "\r")
            sys.stdout.flush()
            self._width = 0
