"""Standard output and error that neither a reader nor an alphabet can break."""

import io
import os
import sys
from typing import Any, TextIO

__all__ = ["harden_streams"]


def harden_streams() -> None:
    """Makes printing never fail for what is printed, or for who reads it.

    Letters that the terminal's encoding lacks are printed as escapes, and if the reader
    of a pipe has stopped, as `head` does, the program goes on in silence: what it
    works for is in files.
    """
    sys.stdout = _hardened(sys.stdout, sys.__stdout__)
    sys.stderr = _hardened(sys.stderr, sys.__stderr__)


def _hardened(stream: TextIO, first: TextIO | None) -> TextIO:
    # None without a terminal; another object where a test or a program reads along.
    if stream is not first or not isinstance(stream, io.TextIOWrapper):
        return stream
    try:
        raw = _Pipe(os.dup(stream.fileno()), "w")
    except (OSError, ValueError):
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


class _Pipe(io.FileIO):
    """Takes all that is written, whether or not anybody still reads it.

    Any other failure, such as a full disk, is raised once.
    """

    _failed = False

    def write(self, data: Any) -> int:
        if self._failed:
            return len(data)
        try:
            return super().write(data)
        except OSError as error:
            self._failed = True
            if isinstance(error, BrokenPipeError):
                return len(data)
            raise
