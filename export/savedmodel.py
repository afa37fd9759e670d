"""`python -m export.savedmodel`: nets for TF Serving.

Makes a folder of versions that the stock server loads:

    models/models.config                the models, for --model_config_file
    models/batching_parameters.txt      for --batching_parameters_file
    models/NAME/1/saved_model.pb, ...   one version, with
      batching_params.pbtxt             its own batching
      assets.extra/tfpose.json          joints, units, normalisation, training
      assets.extra/tf_serving_warmup_requests
"""

import argparse
import json
import os
import pathlib
import tempfile
from collections.abc import Mapping, Sequence

import tfpose  # noqa: F401  # isort: skip  # First: it keeps TensorFlow quiet.
import keras
import numpy as np
import tensorflow as tf

from export.function import ExportFunction
from export.lifter import lifter_example, lifter_function
from export.serving.batching import Batching, measure_batches, repeat_rows
from export.serving.messages import (
    SIGNATURE,
    WARMUP_FILE,
    predict_request,
    with_model,
    write_warmup,
)
from export.serving.pose_net import photo_example, photo_pose_function
from tfpose.command_line import run_command
from tfpose.errors import InputError
from tfpose.files import write_whole
from tfpose.lifters.net import LiftingNet
from tfpose.skeletons import get_skeleton
from tfpose.top_down.net import HeatmapNet
from tfpose.weights.keras_file import load_keras

__all__ = ["METADATA_FILE", "main", "served_function", "write_saved_model"]

METADATA_FILE = "assets.extra/tfpose.json"
# Seconds.
_LATENCY = 0.2


def write_saved_model(
    function: ExportFunction,
    example: Mapping[str, np.ndarray],
    out: pathlib.Path,
    *,
    version: int | None = None,
    latency: float = _LATENCY,
    measure: bool = True,
    server_path: str = "/models",
) -> pathlib.Path:
    """Writes a version of a model, and the files beside it that the server reads.

    Written aside and renamed, so that a server that watches the folder loads it whole.

    Args:
        function: with a free batch; its name is of no matter, the model has `out`'s.
        example: a batch of one row, for warm-up and measurement.
        out: the model's folder, such as `models/lifter`.
        version: its number; the next one that is free if None.
        latency: seconds in which requests shall be answered, see `Batching`.
        measure: how long batches take, to choose their size; else cautious sizes.
        server_path: where the server has `out`'s parent folder.

    Returns:
        The version's folder.

    Raises:
        InputError: the version is there, the disk cannot be written to, or the
            function has a fixed batch.
    """
    fixed = [name for name, spec in function.inputs.items() if spec.shape[0]]
    if fixed:
        raise InputError(f"{function.name}: input {fixed[0]!r} has no free batch")
    models = _listed_models(out, server_path)
    try:
        out.mkdir(parents=True, exist_ok=True)
        folder = out / str(_free_version(out) if version is None else version)
        if folder.exists():
            raise InputError(f"{folder}: is there already, expected a new version")
        with tempfile.TemporaryDirectory(prefix=".part", dir=out) as parent:
            aside = pathlib.Path(parent) / "model"
            _save(function, aside)
            batching = Batching({}, latency)
            if measure:
                batching = measure_batches(aside, example, latency)
            (aside / "batching_params.pbtxt").write_text(batching.text())
            _add_extras(function, example, aside, out.name, batching)
            os.rename(aside, folder)
    except OSError as error:
        raise InputError(
            f"{out}: cannot be written: {error.strerror or error}"
        ) from None
    write_whole(out.parent / "models.config", lambda aside: aside.write_text(models))
    write_whole(
        out.parent / "batching_parameters.txt",
        lambda aside: aside.write_text(batching.text()),
    )
    return folder


def _save(function: ExportFunction, folder: pathlib.Path) -> None:
    specs = {
        name: tf.TensorSpec(spec.shape, spec.dtype, name)
        for name, spec in function.inputs.items()
    }
    graph = tf.function(lambda **inputs: function(**inputs), autograph=False)
    concrete = graph.get_concrete_function(**specs)
    module = tf.Module()
    module.weights = concrete.variables
    tf.saved_model.save(module, str(folder), signatures={SIGNATURE: concrete})


def _add_extras(
    function: ExportFunction,
    example: Mapping[str, np.ndarray],
    folder: pathlib.Path,
    name: str,
    batching: Batching,
) -> None:
    requests = [
        predict_request(name, repeat_rows(example, size))
        for size in (2**k for k in range(batching.batch_size.bit_length()))
    ]
    write_warmup(folder / WARMUP_FILE, requests)
    text = json.dumps({**function.metadata, "name": name}, indent=1)
    (folder / METADATA_FILE).write_text(text + "\n")


def _free_version(out: pathlib.Path) -> int:
    numbers = [int(path.name) for path in out.iterdir() if path.name.isdecimal()]
    return max(numbers, default=0) + 1


def _listed_models(out: pathlib.Path, server_path: str) -> str:
    """What `models.config` shall be: the models that it has, and this one."""
    config = out.parent / "models.config"
    before = config.read_text() if config.is_file() else ""
    return with_model(before, out.name, f"{server_path.rstrip('/')}/{out.name}")


def served_function(
    net: keras.Model, name: str, skeleton: str = "", flip_test: bool = False
) -> tuple[ExportFunction, dict[str, np.ndarray]]:
    """The function of a net for a server, and a batch of one row for it.

    Args:
        net: a lifter, or a pose net.
        name: of the function.
        skeleton: whose joints callers send to a lifter; the lifter's own if empty.
        flip_test: average over the input and its mirror image.

    Raises:
        InputError: the net is neither, or a choice is impossible.
    """
    if isinstance(net, LiftingNet):
        source = get_skeleton(skeleton) if skeleton else None
        function = lifter_function(net, source, flip_test=flip_test, name=name)
        return function, lifter_example(function)
    if not isinstance(net, HeatmapNet):
        raise InputError(
            f"{net.name}: is a {type(net).__name__}, expected a pose net or a lifter"
        )
    if skeleton:
        raise InputError("skeleton is for lifters; a pose net has its own joints")
    return photo_pose_function(net, flip_test=flip_test, name=name), photo_example()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m export.savedmodel")
    add = parser.add_argument
    add("--model", required=True, help="a .keras pose net or lifter")
    add("--out", required=True, help="the model's folder, such as models/lifter")
    add("--version", type=int, help="number of the version; default: the next one")
    add(
        "--skeleton",
        default="",
        help="whose joints callers send to a lifter; default: its own",
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
        default=_LATENCY * 1000,
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
    function, example = served_function(
        load_keras(chosen.model), out.name, chosen.skeleton, chosen.flip_test
    )
    folder = write_saved_model(
        function,
        example,
        out,
        version=chosen.version,
        latency=chosen.latency_ms / 1000,
        measure=chosen.measure,
        server_path=chosen.server_path,
    )
    print(f"{folder}: {', '.join(function.inputs)} -> {', '.join(function.outputs)}")


if __name__ == "__main__":
    main()
