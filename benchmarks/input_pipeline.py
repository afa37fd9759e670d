"""Samples per second per core of the training pipelines and of a plain OpenCV loop.

    python -m benchmarks.input_pipeline --data_dir=../shared/data/coco

Each candidate has one core and one thread; rounds alternate. The loop does the usual
work of a top-down pose data set class for a sample: read the file, decode, warp with
random scale, rotation and flip, and transform the keypoints.
"""

import math
import os
import statistics
import time
from collections.abc import Callable

import cv2
import numpy as np
from absl import app, flags

from data_pipelines.batches import training_batches
from data_pipelines.jigsaw import JigsawAugmentation, JigsawTraining
from data_pipelines.people import PoseDataset
from data_pipelines.readers.datasets import load_dataset
from data_pipelines.top_down import PoseAugmentation, TopDownTraining, labelled_people

__all__ = ["main"]

_DATASET = flags.DEFINE_string("dataset", "coco_format", "Kind of data set.")
_DATA_DIR = flags.DEFINE_string("data_dir", "../shared/data/coco", "Its folder.")
_SAMPLES = flags.DEFINE_integer("samples", 640, "Samples per round.")
_ROUNDS = flags.DEFINE_integer("rounds", 7, "Rounds.")
_BATCH_SIZE = 32
_INPUT_SIZE = (256, 192)
_JIGSAW_SIZE = (224, 224)


def _plain_loop(people: PoseDataset) -> Callable[[int], float]:
    """The baseline: OpenCV calls in a Python loop."""
    rng = np.random.default_rng(0)
    height, width = _INPUT_SIZE
    paths = [people.images.describe(i) for i in range(len(people.images))]
    flip_order = list(people.skeleton.flip_permutation)

    def run(samples: int) -> float:
        start = time.perf_counter()
        for row in rng.integers(0, len(people), samples):
            image = cv2.imread(paths[people.image_index[row]], cv2.IMREAD_COLOR)
            image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            x, y, w, h = people.boxes[row]
            keypoints = people.keypoints[row].copy()
            region = 1.25 * max(w, h * width / height) * rng.uniform(0.65, 1.35)
            angle = rng.uniform(-45, 45) if rng.random() < 0.6 else 0.0
            centre = (float(x + w / 2), float(y + h / 2))
            matrix = cv2.getRotationMatrix2D(centre, angle, width / region)
            matrix[:, 2] += np.array([width / 2, height / 2]) - centre
            crop = cv2.warpAffine(
                image, matrix, (width, height), flags=cv2.INTER_LINEAR
            )
            keypoints[:, :2] = keypoints[:, :2] @ matrix[:, :2].T + matrix[:, 2]
            if rng.random() < 0.5:
                crop = crop[:, ::-1].copy()
                keypoints[:, 0] = width - 1 - keypoints[:, 0]
                keypoints = keypoints[flip_order]
            assert crop.shape == (height, width, 3)
        return time.perf_counter() - start

    return run


def _pipeline(sampler) -> Callable[[int], float]:
    def run(samples: int) -> float:
        # A new pipeline each time: an idle one would fill its buffers while others are
        # timed. Its start and the first batch are not timed.
        batches = iter(training_batches(sampler, _BATCH_SIZE))
        next(batches)
        start = time.perf_counter()
        for _ in range(math.ceil(samples / _BATCH_SIZE)):
            next(batches)
        return time.perf_counter() - start

    return run


def main(argv: list[str]) -> None:
    """Prints a table: median, lowest and highest samples per second."""
    os.sched_setaffinity(0, {0})
    cv2.setNumThreads(1)
    people = labelled_people(load_dataset(_DATASET.value, _DATA_DIR.value, "train"))
    top_down = TopDownTraining(people, _INPUT_SIZE, _BATCH_SIZE, 0, PoseAugmentation())
    cached = TopDownTraining(
        people, _INPUT_SIZE, _BATCH_SIZE, 0, PoseAugmentation(), budget_megabytes=2048
    )
    puzzles = JigsawTraining(
        people, _JIGSAW_SIZE, 6, _BATCH_SIZE, 0, JigsawAugmentation()
    )
    candidates = {
        "plain OpenCV loop, 256 x 192": _plain_loop(people),
        "tfpose top-down, 256 x 192": _pipeline(top_down),
        "tfpose top-down, photos in memory": _pipeline(cached),
        "tfpose jigsaw, 224 x 224, N = 6": _pipeline(puzzles),
    }
    rates: dict[str, list[float]] = {name: [] for name in candidates}
    for run in candidates.values():
        run(2 * _SAMPLES.value)  # Warms the caches and fills the photos in memory.
    for _ in range(_ROUNDS.value):
        for name, run in candidates.items():
            rates[name].append(_SAMPLES.value / run(_SAMPLES.value))
    base = statistics.median(next(iter(rates.values())))
    print("| one core, one thread | samples/s, median (range) | ratio |\n|---|---|---|")
    for name, values in rates.items():
        middle = statistics.median(values)
        spread = f"{min(values):.0f} to {max(values):.0f}"
        print(f"| {name} | {middle:.0f} ({spread}) | {middle / base:.2f} |")


if __name__ == "__main__":
    app.run(main)
