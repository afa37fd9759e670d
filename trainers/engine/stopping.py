"""Ctrl-C and a polite kill, turned into an orderly end."""

import contextlib
import signal
import threading
import types
from collections.abc import Iterator

__all__ = ["Interrupted", "StopSignals"]


class Interrupted(Exception):
    """The run was asked to stop; the message says which state is saved."""


class StopSignals:
    """Listens to SIGINT and SIGTERM.

    While data are read, a net is built or evaluated, nothing is lost by leaving at
    once, so the signal raises `Interrupted`. Inside `held` it waits until the holder
    has saved its state and asks; a second signal does not wait.
    """

    def __init__(self) -> None:
        self.requested = False
        self.saved_step = 0
        self._holding = False

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Handles both signals until the block ends (in the main thread only)."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, self._handle) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """A block that looks at `requested` itself, between two steps."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False

    def interrupted(self) -> Interrupted:
        """The exception to raise: says what a later start goes on from."""
        if self.saved_step:
            return Interrupted(f"stopped; step {self.saved_step} is saved")
        return Interrupted("stopped before anything was saved")

    def _handle(self, number: int, frame: types.FrameType | None) -> None:
        again, self.requested = self.requested, True
        if again or not self._holding:
            raise self.interrupted()
