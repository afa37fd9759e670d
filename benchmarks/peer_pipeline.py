"""Training samples per second per core, compared with the official PyTorch data set.

    python -m benchmarks.peer_pipeline --peer_dir=PATH_OF_DEEP_HIGH_RESOLUTION_NET \
        --data_dir=../shared/data/coco

Both read the same photos and labels and do HRNet's whole augmentation for 256 x 192;
each has one core, and rounds alternate. The official class also normalises images and
renders the target heatmaps, which we do in the compiled training step; its time without
heatmaps is a separate row. Our pipeline gets many copies of the data under other names,
so that, as with all of COCO, the photos do not fit into its cache.
"""

import dataclasses
import os
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable

import cv2
import numpy as np
from absl import app, flags

from benchmarks.hrnet_peer import peer_data_set
from data_pipelines.batches import training_batches
from data_pipelines.images import FileImages
from data_pipelines.people import PoseDataset
from data_pipelines.readers.datasets import load_dataset
from data_pipelines.top_down import PoseAugmentation, TopDownTraining, labelled_people

__all__ = ["main"]

_PEER_DIR = flags.DEFINE_string("peer_dir", None, "Checkout of the official HRNet.")
_DATA_DIR = flags.DEFINE_string("data_dir", "../shared/data/coco", "COCO-format data.")
_ROUNDS = flags.DEFINE_integer("rounds", 7, "Rounds.")
_SAMPLES = flags.DEFINE_integer("samples", 640, "Samples per round.")
_BATCH_SIZE = 32
_COPIES = 40


def _as_coco(data_dir: str, folder: pathlib.Path) -> str:
    """A folder with the data under COCO's file names."""
    source = pathlib.Path(data_dir).resolve()
    (folder / "annotations").mkdir()
    (folder / "images").mkdir()
    annotations = folder / "annotations" / "person_keypoints_train2017.json"
    annotations.symlink_to(source / "train.json")
    (folder / "images" / "train2017").symlink_to(source / "images")
    return str(folder)


def _copied(people: PoseDataset) -> PoseDataset:
    """Many copies of the photos and people."""
    images, count = len(people.images), len(people)
    paths = [people.images.describe(row) for row in range(images)]
    copy = np.repeat(np.arange(_COPIES), count)

    def tiled(column):
        return np.tile(column, (_COPIES,) + (1,) * (column.ndim - 1))

    return dataclasses.replace(
        people,
        images=FileImages(paths * _COPIES),
        image_ids=np.arange(_COPIES * images),
        image_sizes=tiled(people.image_sizes),
        image_index=(tiled(people.image_index) + copy * images).astype(np.int32),
        person_ids=np.arange(_COPIES * count),
        segmentations=None,
        **{
            name: tiled(getattr(people, name))
            for name in ("boxes", "keypoints", "areas", "crowd")
        },
    )


def _peer_loop(data_set, targets: bool) -> Callable[[int], float]:
    """Seconds per sample of torch's loader in this process."""
    import torch

    class Pixels(type(data_set)):
        def generate_target(self, joints, joints_vis):
            return joints[:, :2], joints_vis[:, :1]

    if not targets:
        data_set.__class__ = Pixels
    loader = torch.utils.data.DataLoader(
        data_set, _BATCH_SIZE, shuffle=True, drop_last=True
    )

    def run(samples: int) -> float:
        done, start = 0, time.perf_counter()
        while True:
            for _ in loader:
                done += _BATCH_SIZE
                if done >= samples:
                    return (time.perf_counter() - start) / done

    return run


def _our_loop(sampler) -> Callable[[int], float]:
    first_step = 0

    def run(samples: int) -> float:
        nonlocal first_step
        # A new pipeline each time, because an idle one would fill its buffers while the
        # other is timed. It continues at the step where the last one stopped, because
        # the cached photos depend on the order.
        batches = iter(training_batches(sampler, _BATCH_SIZE, first_step))
        next(batches)
        start = time.perf_counter()
        steps = -(-samples // _BATCH_SIZE)
        for _ in range(steps):
            next(batches)
        first_step += steps + 1
        return (time.perf_counter() - start) / (steps * _BATCH_SIZE)

    return run


def _measure(candidates: dict[str, Callable[[int], float]]) -> None:
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for run in candidates.values():
        run(_SAMPLES.value)
    for _ in range(_ROUNDS.value):
        for name, run in candidates.items():
            seconds[name].append(run(_SAMPLES.value))
    base = statistics.median(next(iter(seconds.values())))
    print("| one core | samples/s, median (range) | ratio |\n|---|---|---|")
    for name, values in seconds.items():
        middle = statistics.median(values)
        spread = f"{1 / max(values):.0f} to {1 / min(values):.0f}"
        print(f"| {name} | {1 / middle:.0f} ({spread}) | {base / middle:.2f} |")


def main(argv: list[str]) -> None:
    """Prints the table."""
    os.sched_setaffinity(0, {0})
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    people = labelled_people(load_dataset("coco_format", _DATA_DIR.value, "train"))
    many = _copied(people)
    size, augmentation = (256, 192), PoseAugmentation()
    with tempfile.TemporaryDirectory() as folder:
        coco_dir = _as_coco(_DATA_DIR.value, pathlib.Path(folder))
        peers = [peer_data_set(_PEER_DIR.value, coco_dir) for _ in range(2)]
        _measure(
            {
                "official class": _peer_loop(peers[0], targets=True),
                "official class, no target heatmaps": _peer_loop(peers[1], False),
                "tfpose, no cache": _our_loop(
                    TopDownTraining(many, size, _BATCH_SIZE, 0, augmentation)
                ),
                "tfpose, 512 MB of photos cached (as in training)": _our_loop(
                    TopDownTraining(many, size, _BATCH_SIZE, 0, augmentation, 512)
                ),
                "tfpose, all photos cached": _our_loop(
                    TopDownTraining(people, size, _BATCH_SIZE, 0, augmentation, 512)
                ),
            }
        )


if __name__ == "__main__":
    flags.mark_flag_as_required("peer_dir")
    app.run(main)
