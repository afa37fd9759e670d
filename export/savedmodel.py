"""`python -m export.savedmodel`: nets for TF Serving.

`export.serving.saved_model` says what is written.
"""

import argparse
import os
import pathlib
from collections.abc import Sequence

import tfpose  # noqa: F401  # isort: skip  # First: it keeps TensorFlow quiet.

from export.kinds import KINDS, Options, find_kind, read_image_size
from export.serving.batching import LATENCY
from export.serving.saved_model import write_saved_model
from tfpose.command_line import run_command
from tfpose.errors import InputError
from tfpose.weights.keras_file import load_keras

__all__ = ["main"]

_NETS = " or ".join(kind.name for kind in KINDS)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m export.savedmodel")
    add = parser.add_argument
    add("--model", required=True, help=f"a .keras {_NETS}")
    add("--out", required=True, help="the model's folder, such as models/lifter")
    add("--version", type=int, help="number of the version; default: the next one")
    add(
        "--skeleton",
        default="",
        help="whose joints callers send to a lifter; default: its own",
    )
    add(
        "--image_size",
        default="",
        help="HEIGHT,WIDTH that a boxless net sees photos in; default: a square of "
        "its short side",
    )
    add("--slots", type=int, help="people it finds at most; default: the net's")
    add(
        "--adapt",
        default="",
        help="how a net adapts, such as metta, or iso,mode=vanilla,steps=3: a second "
        "signature, adapt_and_locate of a pose net, adapt_and_lift of a lifter",
    )
    add("--flip_test", action="store_true", help="average over the mirror image")
    add(
        "--measure",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="time batches of 1, 2, 4, ... rows here, to choose the server's",
    )
    add(
        "--latency_ms",
        type=float,
        default=LATENCY * 1000,
        help="in which requests shall be answered",
    )
    add("--server_path", default="/models", help="where the server has --out's parent")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command; exit code 2 and one line for bad input."""
    run_command(_parser(), _run, arguments)


def _run(chosen: argparse.Namespace) -> None:
    if not chosen.latency_ms > 0:
        raise InputError(f"latency_ms is {chosen.latency_ms:g}, expected above 0")
    if chosen.version is not None and chosen.version < 0:
        raise InputError(f"version is {chosen.version}, expected 0 or more")
    out = pathlib.Path(os.path.abspath(chosen.out))
    net = load_keras(chosen.model)
    kind = find_kind(net, chosen.model)
    options = Options(
        flip_test=chosen.flip_test,
        skeleton=chosen.skeleton,
        image_size=read_image_size(chosen.image_size),
        slots=chosen.slots,
        adapt=chosen.adapt,
    )
    model = kind.for_servers(net, out.name, kind.checked(options))
    folder = write_saved_model(
        model,
        out,
        version=chosen.version,
        latency=chosen.latency_ms / 1000,
        measure=chosen.measure,
        server_path=chosen.server_path,
    )
    for name, signature in model.signatures.items():
        inputs, outputs = ", ".join(signature.inputs), ", ".join(signature.outputs)
        print(f"{folder}: {name}: {inputs} -> {outputs}")


if __name__ == "__main__":
    main()
