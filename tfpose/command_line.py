"""What all command-line programs do alike: paths, bad input, Ctrl-C."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from tfpose.errors import InputError
from tfpose.streams import harden_streams

__all__ = ["CommandParser", "run_command"]


class CommandParser(argparse.ArgumentParser):
    """Argument parser that raises InputError with one line for bad arguments."""

    def error(self, message: str) -> NoReturn:
        """Raises InputError."""
        raise InputError(f"{message} (see --help)")


def run_command(
    parser: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace], None],
    arguments: Sequence[str] | None = None,
) -> None:
    """Parses the arguments and runs a command with them.

    Exits with code 2 and one line for bad input or a file that cannot be read or
    written, and with code 130 after Ctrl-C. Any other exception is a bug and keeps its
    traceback.

    Args:
        parser: the program's parser.
        run: function of the parsed arguments.
        arguments: defaults to those of the process.
    """
    # `bazel run` starts programs in its own folder, but paths are relative to the
    # user's.
    os.chdir(os.environ.get("BUILD_WORKING_DIRECTORY", "."))
    harden_streams()
    logging.basicConfig(format="%(message)s")
    try:
        run(parser.parse_args(arguments))
        sys.stdout.flush()
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
