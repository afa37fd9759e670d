"""A line of the terminal that is overwritten."""

import sys

__all__ = ["TerminalLine"]


class TerminalLine:
    """The last line of stdout; each text replaces the one before.

    If stdout is not a terminal, every text is written on a new line.

    Attributes:
        terminal: whether stdout is a terminal.
    """

    def __init__(self) -> None:
        self.terminal = sys.stdout.isatty()
        self._width = 0

    def write(self, line: str) -> None:
        """Writes `line` over the text before it."""
        if self.terminal:
            sys.stdout.write("\r" + line.ljust(self._width))
            self._width = len(line)
        else:
            sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def clear(self) -> None:
        """Empties a terminal's line, so that other output can follow."""
        if self._width:
            sys.stdout.write("\r" + " " * self._width + "\r")
            sys.stdout.flush()
            self._width = 0
