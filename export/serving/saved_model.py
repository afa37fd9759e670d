"""A model as a version for TF Serving, and the files beside it that the server reads.

models/models.config                the models, for --model_config_file
models/batching_parameters.txt      for --batching_parameters_file
models/NAME/1/saved_model.pb, ...   one version, with
  batching_params.pbtxt             its own batching
  assets.extra/tfpose.json          joints, units, normalisation, training
  assets.extra/tf_serving_warmup_requests
"""

import json
import os
import pathlib
import tempfile

import tensorflow as tf

from export.model import SERVING_DEFAULT, ExportedModel
from export.serving.batching import LATENCY, Batching, measure_batches, repeat_rows
from export.serving.messages import (
    WARMUP_FILE,
    predict_request,
    with_model,
    write_warmup,
)
from tfpose.errors import InputError
from tfpose.files import write_whole

__all__ = ["METADATA_FILE", "write_saved_model"]

METADATA_FILE = "assets.extra/tfpose.json"
"""In a version's folder: the model's metadata, JSON."""


def write_saved_model(
    model: ExportedModel,
    out: pathlib.Path,
    *,
    version: int | None = None,
    latency: float = LATENCY,
    measure: bool = True,
    server_path: str = "/models",
) -> pathlib.Path:
    """Writes a version of a model, and the files beside it that the server reads.

    Its signatures have their own names, and the first is `serving_default` as well.
    Written aside and renamed, so that a server that watches the folder loads it whole.

    Args:
        model: with a free batch; its name does not matter, on the server it is `out`'s.
        out: the model's folder, such as `models/lifter`.
        version: its number; the next one that is free if None.
        latency: seconds in which requests shall be answered, see `Batching`.
        measure: how long batches take, to choose their size; else cautious sizes.
        server_path: where the server has `out`'s parent folder.

    Returns:
        The version's folder.

    Raises:
        InputError: the version is there, the disk cannot be written to, or a signature
            has a fixed batch.
    """
    for name, signature in model.signatures.items():
        for key, spec in signature.inputs.items():
            if spec.shape[0]:
                raise InputError(
                    f"{model.name}: {name}: input {key!r} has no free batch"
                )
    models = _listed_models(out, server_path)
    try:
        out.mkdir(parents=True, exist_ok=True)
        folder = out / str(_free_version(out) if version is None else version)
        if folder.exists():
            raise InputError(f"{folder}: is there already, expected a new version")
        with tempfile.TemporaryDirectory(prefix=".part", dir=out) as parent:
            aside = pathlib.Path(parent) / "model"
            _save(model, aside)
            batching = Batching({}, latency)
            if measure:
                batching = measure_batches(aside, model.main.example, latency)
            (aside / "batching_params.pbtxt").write_text(batching.text())
            _add_extras(model, aside, out.name, batching)
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


def _save(model: ExportedModel, folder: pathlib.Path) -> None:
    signatures, owner = model.concrete()
    signatures = {SERVING_DEFAULT: next(iter(signatures.values())), **signatures}
    tf.saved_model.save(owner, str(folder), signatures=signatures)


def _add_extras(
    model: ExportedModel, folder: pathlib.Path, name: str, batching: Batching
) -> None:
    sizes = [2**k for k in range(batching.batch_size.bit_length())]
    requests = []
    for key, signature in {SERVING_DEFAULT: model.main, **model.signatures}.items():
        # A state is as large as the net.
        for size in sizes[:1] if signature.state else sizes:
            rows = repeat_rows(signature.example, size)
            requests.append(predict_request(name, rows, None, key))
    write_warmup(folder / WARMUP_FILE, requests)
    main = next(iter(model.signatures))
    metadata = {**model.metadata, "name": name, SERVING_DEFAULT: main}
    text = json.dumps(metadata, indent=1)
    (folder / METADATA_FILE).write_text(text + "\n")


def _free_version(out: pathlib.Path) -> int:
    numbers = [int(path.name) for path in out.iterdir() if path.name.isdecimal()]
    return max(numbers, default=0) + 1


def _listed_models(out: pathlib.Path, server_path: str) -> str:
    """What `models.config` shall be: the models that it has, and this one."""
    config = out.parent / "models.config"
    before = config.read_text() if config.is_file() else ""
    return with_model(before, out.name, f"{server_path.rstrip('/')}/{out.name}")
