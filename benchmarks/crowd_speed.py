r"""Accuracy and speed of the net that ships for whole pictures, beside MultiPose.

    python -m benchmarks.crowd_speed --photos=runs/photos --figure=docs/crowd_speed.png

AP of the twelve joints of arms and legs on the photos of COCO that were kept from
training (see `benchmarks.photo_labels`), and the median time of a photo of 640 x 480
pixels, from its pixels to poses, compiled, on all cores: at several short sides, as
start poses and fully adapted. MoveNet MultiPose gets the same photos; its size is the
longer side. Then the time of adaptation by the number of slots that people fill. Run it
on a machine that does nothing else.
"""

import functools
import pathlib

import matplotlib.figure
import numpy as np
from absl import app, flags
from keras import ops
from matplotlib.backends.backend_agg import FigureCanvasAgg

from benchmarks.movenet import MultiPose
from benchmarks.photo_scores import average_precision
from data_pipelines.people import PoseDataset
from data_pipelines.readers.datasets import load_dataset
from tfpose.cli.median_time import median_time
from tfpose.cli.models import load_predictor
from tfpose.files import write_whole
from tfpose.logocap.centre_net import Poses
from tfpose.logocap.picture import Placement
from tfpose.logocap.predictor import CentrePredictor
from tfpose.predictors import Predictor

__all__ = ["main"]

_PHOTOS = flags.DEFINE_string("photos", "runs/photos", "Folder of `photo_labels`.")
_TEACHERS = flags.DEFINE_string("teachers", "runs/teachers", "Where MoveNet is kept.")
_MODEL = flags.DEFINE_string("model", "tfpose_crowd", "The net.")
_FIGURE = flags.DEFINE_string("figure", "", "File for the figure; empty for none.")

_SIDES = (128, 192, 256, 320, 384)
_OF_MULTIPOSE = (192, 256, 384, 512)
_SLOTS = (5, 10, 30)
_CALLS = 20


def _photo(people: PoseDataset) -> np.ndarray:
    """The first photo of COCO's usual size."""
    (rows,) = np.nonzero((people.image_sizes == (480, 640)).all(axis=1))
    return people.picture(int(rows[0]))


def _curves(people: PoseDataset) -> dict[str, list[tuple[float, float]]]:
    """(milliseconds, AP in percent) of each net by size; prints them."""
    photo = _photo(people)

    def point(name: str, side: int, predictor: Predictor) -> tuple[float, float]:
        accuracy = 100 * average_precision(predictor, people)
        time = 1e3 * median_time(lambda: predictor.predict(photo), _CALLS)
        print(f"| {name} | {side} | {accuracy:.1f} | {time:.1f} |", flush=True)
        return time, accuracy

    print("| net | side | AP | ms |\n|---|---|---|---|", flush=True)
    curves = {}
    load = functools.partial(load_predictor, _MODEL.value)
    for name, level, flip in (
        ("start poses", "none", False),
        ("adapted", "full", False),
        ("adapted, flip test", "full", True),
    ):
        curves[name] = [
            point(name, side, load(short_side=side, level=level, flip_test=flip))
            for side in _SIDES
        ]
    name = "MoveNet MultiPose"
    curves[name] = [
        point(name, side, MultiPose(_TEACHERS.value, side)) for side in _OF_MULTIPOSE
    ]
    return curves


def _print_slots(people: PoseDataset) -> None:
    predictor = load_predictor(_MODEL.value, flip_test=False)
    assert isinstance(predictor, CentrePredictor)
    photo = _photo(people)
    assert predictor.compiled is not None
    find, adapt = predictor.compiled
    placement = Placement.of(*photo.shape[:2], predictor.short_side)
    pixels = ops.convert_to_tensor(placement.place(photo)[None])
    dense, start = find(pixels)
    time = 1e3 * median_time(lambda: np.asarray(find(pixels)[1].filled), _CALLS)
    print(f"\nmaps and start poses: {time:.1f} ms")
    for slots in _SLOTS:
        few = Poses(*(part[:, :slots] for part in start))
        time = 1e3 * median_time(
            lambda few=few: np.asarray(adapt(dense, few)[0]), _CALLS
        )
        print(f"adaptation in {slots} slots: {time:.1f} ms", flush=True)


def _draw(curves: dict[str, list[tuple[float, float]]], path: pathlib.Path) -> None:
    figure = matplotlib.figure.Figure((6.4, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for name, points in curves.items():
        times, accuracies = zip(*points, strict=True)
        axes.plot(times, accuracies, "o-", label=name)
        sides = _OF_MULTIPOSE if name.startswith("MoveNet") else _SIDES
        for side, place in zip(sides, points, strict=True):
            axes.annotate(
                str(side), place, textcoords="offset points", xytext=(4, 4), fontsize=7
            )
    axes.set(xlabel="ms a photo", ylabel="AP, 46 photos of COCO", xscale="log")
    axes.legend(fontsize=8)
    write_whole(path, lambda aside: figure.savefig(aside, dpi=110, format="png"))


def main(argv: list[str]) -> None:
    """Prints both tables and draws the figure."""
    people = load_dataset("coco_format", pathlib.Path(_PHOTOS.value, "kept"), "val")
    curves = _curves(people)
    _print_slots(people)
    if _FIGURE.value:
        _draw(curves, pathlib.Path(_FIGURE.value))


if __name__ == "__main__":
    app.run(main)
