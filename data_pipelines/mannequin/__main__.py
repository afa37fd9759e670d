"""Draws a mannequin dataset: `python -m data_pipelines.mannequin --out=DIR`."""

import argparse
import re
from collections.abc import Sequence

from data_pipelines.mannequin.scenarios import SCENARIOS
from data_pipelines.mannequin.write import write_dataset
from tfpose.command_line import CommandParser, run_command
from tfpose.errors import InputError

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Draws what the arguments ask for; exit code 2 and one line for bad input."""
    run_command(_parser(), _run, arguments)


def _run(chosen: argparse.Namespace) -> None:
    write_dataset(
        chosen.out,
        chosen.scenario,
        chosen.count,
        chosen.seed,
        _pair("image_size", chosen.image_size, "x"),
        _pair("people", chosen.people, "-"),
        chosen.split,
        chosen.workers,
    )


def _pair(name: str, text: str, separator: str) -> tuple[int, int]:
    found = re.fullmatch(rf"(\d+)(?:{separator}(\d+))?", text)
    if not found:
        raise InputError(
            f"--{name}: found {text!r}, expected one number, or two with {separator!r} "
            "between them"
        )
    return int(found[1]), int(found[2] or found[1])


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="python -m data_pipelines.mannequin",
        description="Draws a COCO-format dataset of mannequins.",
    )
    parser.add_argument("--out", required=True, help="folder of the dataset")
    parser.add_argument("--count", type=int, default=1000, help="number of pictures")
    parser.add_argument(
        "--scenario", default="studio", help=f"one of {', '.join(SCENARIOS)}"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="other seeds draw other people"
    )
    parser.add_argument(
        "--people", default="1", help="people in a picture, such as 2 or 1-5"
    )
    parser.add_argument(
        "--image_size", default="256x192", help="height x width in pixels"
    )
    parser.add_argument("--split", default="train", help="name of the json")
    parser.add_argument("--workers", type=int, help="processes; default: one per core")
    return parser


if __name__ == "__main__":
    main()
