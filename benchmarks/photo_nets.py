r"""Pose nets and published references on whole photos, fed and scored alike.

    python -m benchmarks.photo_nets --photos=runs/photos \
        --model=tfpose/weights/person.keras

`--photos` is what `benchmarks.photo_labels` wrote. Nets that want boxes get the true
ones: PCK@0.2 of LSPET's validation people, and AP of the COCO photos that were kept.
Nets that find people by themselves, and the two that ship together, see these photos
without boxes. Counted are the twelve joints of arms and legs that all have, by their
names. The time is of one person in a box, or of a whole photo, from the photo's pixels
to keypoints, in TensorFlow: measure on a machine that does nothing else.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterator

from absl import app, flags

from benchmarks.blazepose import BlazePose
from benchmarks.human_models import fetch
from benchmarks.movenet import MoveNet, MultiPose
from benchmarks.photo_scores import average_precision, pck_by_pose
from benchmarks.posenet import PoseNet
from benchmarks.tfjs_graph import count_parameters
from data_pipelines.people import PoseDataset
from data_pipelines.readers.datasets import load_dataset
from tfpose.cli.median_time import median_time
from tfpose.cli.models import load_predictor, load_shipped
from tfpose.predictors import Predictor
from tfpose.weights.keras_file import load_keras
from tfpose.weights.shipped import SHIPPED

__all__ = ["main"]

_PHOTOS = flags.DEFINE_string("photos", "runs/photos", "Folder of `photo_labels`.")
_TEACHERS = flags.DEFINE_string("teachers", "runs/teachers", "Where MoveNet is kept.")
_MODELS = flags.DEFINE_multi_string("model", [], "A `.keras` net; may be repeated.")

_COLUMNS = (
    "net",
    "M parameters",
    "MB",
    "ms",
    "PCK@0.2",
    "upside down",
    "AP in boxes",
    "AP",
)
_TIMED = 20
# What MoveNet does best with, in longer sides of the box.
_LSPET_PADDING, _COCO_PADDING = 1.0, 1.15


@dataclasses.dataclass(frozen=True)
class _Row:
    """A net of the table.

    Attributes:
        name: as shown.
        load: makes it, given the surroundings of a box that it sees.
        parameters: how many.
        files: with its weights.
    """

    name: str
    load: Callable[[float], Predictor]
    parameters: int
    files: tuple[pathlib.Path, ...]


def _published(name: str, load: Callable[[float], Predictor], *models: str) -> _Row:
    paths = [fetch(_TEACHERS.value)[model] for model in models]
    weights = tuple(path.with_suffix(".bin") for path in paths)
    return _Row(name, load, sum(map(count_parameters, paths)), weights)


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
                (path,),
            )
    shipped = tuple(SHIPPED.values())
    parameters = sum(load_keras(str(path)).count_params() for path in shipped)
    name = ", then ".join(SHIPPED)
    yield _Row(name, lambda _: load_shipped(boxes=False), parameters, shipped)
    # Last, as it switches off an optimisation of TensorFlow for the whole process.
    for name in ("lite", "full", "heavy"):
        yield _published(
            f"BlazePose {name}, with its detector",
            lambda _, name=name: BlazePose(name, folder),
            f"blazepose-{name}",
            "blazepose-detector",
        )


def _milliseconds(predictor: Predictor, people: PoseDataset) -> float:
    """Of one person in a box, or of everybody in a photo without boxes."""
    photo = people.picture(int(people.image_index[0]))
    boxes = people.boxes[:1] if predictor.wants_boxes else None
    return 1000 * median_time(lambda: predictor.predict(photo, boxes), _TIMED)


def main(argv: list[str]) -> None:
    """Prints the table."""
    photos = pathlib.Path(_PHOTOS.value)
    lspet = load_dataset("coco_format", photos, "val")
    coco = load_dataset("coco_format", photos / "kept", "val")
    print("| " + " | ".join(_COLUMNS) + " |\n" + "|---" * len(_COLUMNS) + "|")
    for row in _rows():
        predictor = row.load(_COCO_PADDING)
        time = f"{_milliseconds(predictor, coco):.1f}"
        precision = f"{100 * average_precision(predictor, coco):.1f}"
        cells = ["", "", "", precision]
        if predictor.wants_boxes:
            shares = pck_by_pose(row.load(_LSPET_PADDING), lspet)
            cells = [*(f"{100 * share:.1f}" for share in shares), precision, ""]
        size = sum(file.stat().st_size for file in row.files)
        sizes = [f"{number / 1e6:.1f}" for number in (row.parameters, size)]
        print("| " + " | ".join([row.name, *sizes, time, *cells]) + " |", flush=True)


if __name__ == "__main__":
    app.run(main)
