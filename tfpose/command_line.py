"""How command-line programs begin and end: paths, bad input, Ctrl-C."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from tfpose.errors import InputError

__all__ = ["CommandParser", "run_command"]


class CommandParser(argparse.ArgumentParser):
    """Refuses bad arguments as `run_command` refuses all bad input: in one line."""

    def error(self, message: str) -> NoReturn:
        """Raises InputError."""
        raise InputError(f"{message} (see --help)")


def run_command(
    parser: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace], None],
    arguments: Sequence[str] | None = None,
) -> None:
    """Parses the arguments and runs what they ask for.

    Exit code 2 and one line for bad input or a file that cannot be read or written,
    130 after Ctrl-C; any other exception is a fault of ours and keeps its traceback.

    Args:
        parser: of the program.
        run: takes what was parsed.
        arguments: defaults to those of the process.
    """
    # `bazel run` starts programs in its own folder; paths are the user's.
    os.chdir(os.environ.get("BUILD_WORKING_DIRECTORY", "."))
    try:
        run(parser.parse_args(arguments))
    except BrokenPipeError:  # Whoever read the output has seen enough, as `head` has.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
