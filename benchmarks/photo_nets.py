r"""Pose nets and published references on whole photos, fed and scored alike.

    python -m benchmarks.photo_nets --photos=runs/photos \
        --model=tfpose/weights/default.keras

`--photos` is what `benchmarks.photo_labels` wrote. Nets that want boxes get the true
ones: PCK@0.2 of LSPET's validation people, and AP of the COCO photos that were kept.
Nets that find people by themselves see these photos without boxes. Counted are the
twelve joints of arms and legs that all have, by their names.
"""

import dataclasses
import os
import pathlib
from collections.abc import Callable, Iterator

from absl import app, flags

from benchmarks.movenet import MoveNet, MultiPose
from benchmarks.photo_scores import average_precision, pck_by_pose
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
    """A net of the table: what loads it for each of both sets, and its size."""

    name: str
    load: Callable[[float], Predictor]
    parameters: int
    file: pathlib.Path


def _rows() -> Iterator[_Row]:
    folder = _TEACHERS.value
    for name in ("lightning", "thunder"):
        net = MoveNet(name, folder)
        yield _Row(
            f"MoveNet {name.capitalize()}",
            lambda padding, name=name: MoveNet(name, folder, padding),
            count_parameters(net.path),
            net.path.with_suffix(".bin"),
        )
    for side in (256, 512):
        net = MultiPose(folder, side)
        yield _Row(
            f"MoveNet MultiPose, {side} pixels",
            lambda _, net=net: net,
            count_parameters(net.path),
            net.path.with_suffix(".bin"),
        )
    for model in _MODELS.value:
        path = pathlib.Path(model)
        parameters = load_keras(model).count_params()
        for flip_test in (False, True):
            yield _Row(
                path.name + ", flip test" * flip_test,
                lambda _, model=model, flip=flip_test: load_predictor(
                    model, flip_test=flip
                ),
                parameters,
                path,
            )


def main(argv: list[str]) -> None:
    """Prints the table."""
    photos = pathlib.Path(_PHOTOS.value)
    lspet = load_dataset("coco_format", photos, "val")
    coco = load_dataset("coco_format", photos / "kept", "val")
    print(
        f"{len(lspet)} people of LSPET, {len(coco.image_ids)} photos of COCO with "
        f"{len(coco)} people\n"
    )
    columns = "net", "M parameters", "MB", "PCK@0.2", "upside down", "AP in boxes", "AP"
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    for row in _rows():
        predictor = row.load(_COCO_PADDING)
        precision = f"{100 * average_precision(predictor, coco):.1f}"
        if predictor.wants_boxes:
            shares = pck_by_pose(row.load(_LSPET_PADDING), lspet)
            cells = [*(f"{100 * share:.1f}" for share in shares), precision, ""]
        else:
            cells = ["", "", "", precision]
        sizes = f"{row.parameters / 1e6:.1f} | {os.path.getsize(row.file) / 1e6:.1f}"
        print(f"| {row.name} | {sizes} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    app.run(main)
