"""The commands of `python -m tfpose` and their arguments."""

import argparse
import os
import sys
from collections.abc import Sequence

from data_pipelines.datasets import DATASETS, SPLITS
from tfpose.cli.evaluate import evaluate
from tfpose.cli.keypoint_priors import keypoint_priors
from tfpose.cli.predict import predict
from tfpose.errors import InputError

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tfpose")
    commands = parser.add_subparsers(dest="command", required=True)

    command = commands.add_parser("predict", help="find people's keypoints in photos")
    command.add_argument("paths", nargs="+", help="photos, or folders of them")
    command.add_argument("--model", required=True, help="a .keras pose net")
    command.add_argument("--out", default="poses", help="folder for pictures and JSON")
    command.add_argument(
        "--box", help="x,y,w,h of the person in pixels; default: the whole photo"
    )
    command.set_defaults(run=lambda a: predict(a.paths, a.model, a.out, a.box))

    command = commands.add_parser("evaluate", help="PCK and OKS AP of a pose net")
    command.add_argument("--model", required=True, help="a .keras pose net")
    command.add_argument("--dataset", choices=list(DATASETS), default="coco_format")
    command.add_argument("--data_dir", required=True)
    command.add_argument("--split", choices=SPLITS, default="val")
    command.add_argument("--no_flip_test", action="store_true")
    command.add_argument("--out", default="", help="JSON file for the figures")
    command.set_defaults(
        run=lambda a: evaluate(
            a.model, a.dataset, a.data_dir, a.split, not a.no_flip_test, a.out
        )
    )

    command = commands.add_parser(
        "keypoint_priors", help="where in the box each joint lies, in a grid"
    )
    command.add_argument("annotations", help="a COCO-format JSON file")
    command.add_argument("--out", default="keypoint_priors", help="folder for the results")
    command.add_argument("--grid", type=int, default=3, help="cells a side")
    command.set_defaults(run=lambda a: keypoint_priors(a.annotations, a.out, a.grid))
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command; exit code 2 and one line for bad input."""
    os.chdir(os.environ.get("BUILD_WORKING_DIRECTORY", "."))
    chosen = _parser().parse_args(arguments)
    try:
        chosen.run(chosen)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
