"""What the trainers' `main` functions share: flags, messages, exit codes."""

import logging
import os
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from absl import app, flags
from absl import logging as absl_logging

from tfpose.errors import InputError
from tfpose.streams import harden_streams
from trainers.engine.config import RunConfig, config_from_flags, define_flags
from trainers.engine.loop import train
from trainers.engine.stopping import Interrupted
from trainers.engine.task import Task
from trainers.engine.workdir import Workdir

__all__ = ["run_main"]

flags.disclaim_key_flags()

_BAD_INPUT_EXIT_CODE = 2
_INTERRUPTED_EXIT_CODE = 130


def run_main(
    config_class: type[RunConfig],
    presets: Mapping[str, RunConfig],
    make_task: Callable[[Any, Workdir], Task],
) -> None:
    """A trainer's `main`: flags, one clear line for bad input, exit codes.

    Exit code 0: done; 2: bad input; 130: interrupted, the same command goes on.
    """
    # `bazel run` starts programs in its own folder; paths are the user's.
    os.chdir(os.environ.get("BUILD_WORKING_DIRECTORY", "."))
    harden_streams()
    define_flags(config_class, presets)

    def main(argv: list[str]) -> None:
        # What TensorFlow does itself is of no interest while it works.
        logging.getLogger("tensorflow").setLevel(logging.WARNING)
        absl_logging.get_absl_handler().setFormatter(logging.Formatter("%(message)s"))
        try:
            if len(argv) > 1:
                raise InputError(
                    f"unexpected argument {argv[1]!r}; options start with --"
                )
            train(config_from_flags(config_class, presets), make_task)
        except InputError as error:
            _refuse(str(error))
        except Interrupted as stop:
            print(f"{stop}; the same command goes on from there", flush=True)
            sys.exit(_INTERRUPTED_EXIT_CODE)

    app.run(main, flags_parser=_parse)


def _parse(argv: list[str]) -> list[str]:
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        # absl words it as `flag --epochs=x: could not ...`, on lines of its own.
        message = re.sub(r"^flag --(\w+)=", r"\1: got ", " ".join(str(error).split()))
        _refuse(f"{message} (--help lists all options)")


def _refuse(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(_BAD_INPUT_EXIT_CODE)
