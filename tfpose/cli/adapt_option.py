"""The option `--adapt` of commands."""

import argparse
from collections.abc import Sequence

from tfpose.adapters import adaptation_names, parse_adaptation
from tfpose.errors import InputError

__all__ = ["add_adapt", "check_adapt"]


def add_adapt(command: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """The option, where there is a method to choose."""
    command.set_defaults(adapt="")
    if names:
        command.add_argument(
            "--adapt",
            metavar="METHOD[,OPTION=VALUE...]",
            default="",
            help="adapt the model to each sample, in order, by one of "
            f"{', '.join(names)}; default: no",
        )


def check_adapt(text: str, of_lifters: bool) -> None:
    """Refuses what no method is called, and a method for other nets."""
    if text and parse_adaptation(text).method.of_lifters != of_lifters:
        names = ", ".join(adaptation_names(of_lifters))
        raise InputError(
            f"adapt: {text.split(',')[0]} is for other nets, expected one of {names}"
        )
