"""Writes photos with COCO's 17 joints to train the net that ships on.

    python -m benchmarks.photo_labels --data_dir=../shared/data --out=runs/photos

Reads `lspet`, `stanford40` and `coco` below `--data_dir`. Nothing is copied: `images`
has links to their folders. MoveNet Thunder (see `benchmarks/human_models.py`) is the
teacher where labels lack, and finds labels whose sides are swapped:

- `train.json`: LSPET's training people with their own labels of limbs and Thunder's
  faces, Stanford 40's with Thunder's joints, and two thirds of COCO's photos with their
  own labels.
- `val.json`: LSPET's validation people with their own labels alone.
- `kept/val.json`: the other third of COCO's photos, which nothing is trained on.

Thunder's poses are kept in `thunder_<data set>.npz` as they are made: the same command
goes on where it was stopped.
"""

import pathlib

import numpy as np
from absl import app, flags

from benchmarks.movenet import MoveNet
from benchmarks.photo_set import kept_for_the_test, lspet_labels, taught, write_split
from benchmarks.teacher_rules import SKELETON, from_teacher
from data_pipelines.people import PoseDataset
from data_pipelines.readers.datasets import load_dataset
from tfpose.files import usable_folder
from tfpose.skeletons import convert_keypoints

__all__ = ["main"]

_DATA_DIR = flags.DEFINE_string("data_dir", "../shared/data", "Folder of the data.")
_OUT = flags.DEFINE_string("out", "runs/photos", "Folder to write.")
_TEACHERS = flags.DEFINE_string("teachers", "runs/teachers", "Where MoveNet is kept.")

# Score of Thunder from which its joint is taken where there is no label.
_LIKELY = 0.4
_LEAST_JOINTS = 6
# Padding that MoveNet does best with, in longer sides of the box.
_PADDING = {"lspet": 1.0, "stanford40": 1.15}


def _teach(
    name: str, split: str, data_dir: pathlib.Path, root: pathlib.Path
) -> tuple[PoseDataset, np.ndarray]:
    people = load_dataset("coco_format", data_dir / name, split)
    teacher = MoveNet("thunder", _TEACHERS.value, _PADDING[name])
    return people, taught(teacher, people, root / f"thunder_{name}.npz")


def main(argv: list[str]) -> None:
    """Asks the teacher, writes the files and prints what is in them."""
    data_dir, root = pathlib.Path(_DATA_DIR.value), usable_folder(_OUT.value)
    lspet, poses = _teach("lspet", "train", data_dir, root)
    labels, mended = lspet_labels(lspet, poses)
    actors, poses = _teach("stanford40", "train", data_dir, root)
    sizes = actors.image_sizes[actors.image_index]
    acted = from_teacher(poses, sizes, _LIKELY)
    seen = (acted[..., 2] > 0).sum(axis=1) >= _LEAST_JOINTS
    crowds = load_dataset("coco_format", data_dir / "coco", "train")
    kept = kept_for_the_test(crowds.image_ids)[crowds.image_index]
    tested, crowds = crowds.select(kept), crowds.select(~kept)
    val = load_dataset("coco_format", data_dir / "lspet", "val")
    own, _ = convert_keypoints(val.keypoints, val.skeleton, SKELETON)
    counts = {
        "train": write_split(
            root / "train.json",
            {
                "lspet": (lspet, labels),
                "stanford40": (actors.select(seen), acted[seen]),
                "coco": (crowds, crowds.keypoints),
            },
        ),
        "val": write_split(root / "val.json", {"lspet": (val, own)}),
        "kept": write_split(
            root / "kept" / "val.json", {"coco": (tested, tested.keypoints)}
        ),
    }
    for split, people in counts.items():
        print(f"{split}: " + ", ".join(f"{n} of {name}" for name, n in people.items()))
    print("lspet: " + ", ".join(f"{n} {what}" for what, n in mended.items()))


if __name__ == "__main__":
    app.run(main)
