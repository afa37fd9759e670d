"""Commands that measure lifters, and their arguments."""

import argparse

from data_pipelines.lifting.datasets import LIFTING_DATASETS, LIFTING_SPLITS
from tfpose.adapters import adaptation_names
from tfpose.cli.adapt_option import add_adapt, check_adapt
from tfpose.cli.adaptation import ANALYSES
from tfpose.errors import InputError
from tfpose.quiet_keras import import_keras

__all__ = ["add_analyse_adaptation", "add_evaluate_3d"]


def add_evaluate_3d(commands: argparse._SubParsersAction) -> None:
    """Adds `evaluate_3d`."""
    command = commands.add_parser("evaluate_3d", help="MPJPE, PCK and AUC of a lifter")
    _add_lifting_data(command)
    add = command.add_argument
    add("--flip_test", action="store_true", help="mean with the mirrored pose's")
    add("--out", default="", help="JSON file for all metrics")
    add(
        "--refine",
        default="",
        help="limbs, symmetry or input: poses made to fit the 2D",
    )
    add("--noise", type=float, default=0.0, help="pixels of noise on the 2D")
    add(
        "--curve", default="", help="PNG of the error along the stream, adapted and not"
    )
    add_adapt(command, adaptation_names(of_lifters=True))
    command.set_defaults(run=_evaluate_3d)


def _add_lifting_data(command: argparse.ArgumentParser) -> None:
    """A lifter, and the poses for it."""
    add = command.add_argument
    add("--model", required=True, help="a .keras lifter")
    add("--dataset", required=True, choices=list(LIFTING_DATASETS))
    add("--data_dir", required=True)
    add("--split", choices=LIFTING_SPLITS, default="test")
    add("--keypoints", default="", help="source of the 2D; default: the data set's")
    add("--subjects", default="", help="people, by commas; default: the split's")
    add("--stride", type=int, default=1, help="every how many frames one is taken")


def _evaluate_3d(chosen: argparse.Namespace) -> None:
    check_adapt(chosen.adapt, of_lifters=True)
    import_keras()
    from tfpose.cli.evaluate_3d import evaluate_3d

    evaluate_3d(
        chosen.model,
        chosen.dataset,
        chosen.data_dir,
        chosen.split,
        chosen.keypoints,
        [name for name in chosen.subjects.split(",") if name],
        chosen.stride,
        chosen.flip_test,
        chosen.out,
        chosen.adapt,
        chosen.refine,
        chosen.noise,
        chosen.curve,
    )


def add_analyse_adaptation(commands: argparse._SubParsersAction) -> None:
    """Adds `analyse_adaptation`."""
    command = commands.add_parser(
        "analyse_adaptation", help="what adaptation changes, and what it costs"
    )
    add = command.add_argument
    told = "; ".join(f"{name}: {text}" for name, text in ANALYSES.items())
    add("what", choices=list(ANALYSES), help=told)
    _add_lifting_data(command)
    add_adapt(command, adaptation_names(of_lifters=True))
    add("--values", default="", help="of steps, rates or noise, by commas")
    add("--source_dataset", choices=["", *LIFTING_DATASETS], default="")
    add("--source_data_dir", default="", help="of datasets: the training data's folder")
    add("--source_split", choices=LIFTING_SPLITS, default="train")
    add("--out", default="analysis", help="folder for the JSON file and the figure")
    command.set_defaults(run=_analyse_adaptation)


def _analyse_adaptation(chosen: argparse.Namespace) -> None:
    check_adapt(chosen.adapt, of_lifters=True)
    try:
        values = [float(text) for text in chosen.values.split(",") if text]
    except ValueError:
        raise InputError(
            f"values: expected numbers by commas, got {chosen.values!r}"
        ) from None
    import_keras()
    from tfpose.cli.analyse_adaptation import analyse_adaptation

    analyse_adaptation(
        chosen.what,
        chosen.model,
        chosen.dataset,
        chosen.data_dir,
        chosen.out,
        split=chosen.split,
        keypoints=chosen.keypoints,
        subjects=[name for name in chosen.subjects.split(",") if name],
        stride=chosen.stride,
        adapt=chosen.adapt or "iso",
        values=values,
        source_dataset=chosen.source_dataset,
        source_data_dir=chosen.source_data_dir,
        source_split=chosen.source_split,
    )
