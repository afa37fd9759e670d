"""Writes photos with COCO's 17 joints to train the net that ships on.

    python -m benchmarks.photo_labels --data_dir=../shared/data --out=runs/photos

Reads `lspet`, `stanford40` and `coco` below `--data_dir`. Nothing is copied: `images`
has links to their folders. MoveNet Thunder (see `benchmarks/movenet.py`) is the teacher
where labels lack, and finds labels whose sides are swapped:

- `train.json`: LSPET's training people with their own labels of limbs and Thunder's
  faces, Stanford 40's with Thunder's joints, and two thirds of COCO's photos with their
  own labels.
- `val.json`: LSPET's validation people with their own labels alone.
- `kept/val.json`: the other third of COCO's photos, which nothing is trained on.

Thunder's poses are kept in `thunder_<data set>.npz` as they are made: the same command
goes on where it was stopped.
"""

import hashlib
import json
import os
import pathlib
from typing import Any

import numpy as np
from absl import app, flags

from benchmarks.movenet import MoveNet
from benchmarks.teacher_rules import (
    SKELETON,
    add_faces,
    from_teacher,
    mend_sides,
)
from data_pipelines.people import PoseDataset
from data_pipelines.readers.datasets import load_dataset
from tfpose.errors import InputError
from tfpose.files import usable_folder, write_whole
from tfpose.predictors import Predictor
from tfpose.skeletons import convert_keypoints

__all__ = ["kept_for_the_test", "lspet_labels", "main", "taught", "write_split"]

_DATA_DIR = flags.DEFINE_string("data_dir", "../shared/data", "Folder of the data.")
_OUT = flags.DEFINE_string("out", "runs/photos", "Folder to write.")
_TEACHERS = flags.DEFINE_string("teachers", "runs/teachers", "Where MoveNet is kept.")

# Scores of Thunder from which its joint is taken beside labels, and without any.
_SURE = 0.5
_LIKELY = 0.4
_LEAST_JOINTS = 6
# Usual share of a person's box that the person fills.
_FILLED = 0.53
_BARELY = 0.95
# Padding that MoveNet does best with, in longer sides of the box.
_PADDING = {"lspet": 1.0, "stanford40": 1.15}
_SAVE_EVERY = 500


def kept_for_the_test(image_ids: np.ndarray) -> np.ndarray:
    """Bool `[I]`: a third of the images, chosen by a hash of their ids."""
    digests = [hashlib.sha256(b"%d" % image_id).digest() for image_id in image_ids]
    order = sorted(range(len(digests)), key=digests.__getitem__)
    kept = np.zeros(len(digests), bool)
    kept[order[: len(digests) // 3]] = True
    return kept


def taught(teacher: Predictor, people: PoseDataset, path: pathlib.Path) -> np.ndarray:
    """The teacher's poses `[P, 17, 3]` (x, y, score), kept in a file as they are made.

    Raises:
        InputError: the file is of other people.
    """
    poses = np.full((len(people), SKELETON.num_joints, 3), np.nan)
    if path.exists():
        with np.load(path) as kept:
            if not np.array_equal(kept["person_ids"], people.person_ids):
                raise InputError(f"{path}: is of other people; delete it")
            poses = kept["poses"]
    todo = np.flatnonzero(np.isnan(poses).any(axis=(1, 2)))
    for count, row in enumerate(todo, start=1):
        photo = people.picture(int(people.image_index[row]))
        poses[row] = teacher.predict(photo, people.boxes[row : row + 1]).poses[0]
        if count % _SAVE_EVERY == 0 or count == len(todo):
            write_whole(
                path,
                lambda aside: np.savez(
                    aside, poses=poses, person_ids=people.person_ids
                ),
            )
            print(f"{path.name}: {count} of {len(todo)} people", flush=True)
    return poses


def lspet_labels(
    people: PoseDataset, poses: np.ndarray
) -> tuple[np.ndarray, dict[str, int]]:
    """LSPET's own labels of limbs, sides mended, and the teacher's faces.

    Returns:
        labels `[P, 17, 3]`, and what was done how often.
    """
    labels, _ = convert_keypoints(people.keypoints, people.skeleton, SKELETON)
    labels, swapped = mend_sides(labels.astype(np.float64), poses, _SURE)
    heads = [people.skeleton.index(name) for name in ("neck", "head_top")]
    labels = add_faces(labels, poses, people.keypoints[:, heads], _SURE)
    return labels, {
        f"people's {limbs} swapped": int(count)
        for limbs, count in zip(("arms", "legs"), swapped.sum(axis=0), strict=True)
    }


def write_split(
    path: pathlib.Path, sources: dict[str, tuple[PoseDataset, np.ndarray]]
) -> dict[str, int]:
    """Writes a COCO-format file of COCO's 17 joints, and links to its images.

    Args:
        path: the file, in the data set's folder.
        sources: people and their labels `[P, 17, 3]` by data set; images without
            people are left out.

    Returns:
        People of each source.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for name, (people, labels) in sources.items():
        _link(path.parent / "images" / name, people)
        for image_row, rows in people.each_image():
            if not len(rows):
                continue
            file = os.path.basename(people.images.describe(image_row))
            height, width = people.image_sizes[image_row].tolist()
            images.append(
                {
                    "id": len(images) + 1,
                    "file_name": f"{name}/{file}",
                    "width": width,
                    "height": height,
                }
            )
            for row in rows.tolist():
                person = _person(people, labels, row)
                ids = {"id": len(annotations) + 1, "image_id": len(images)}
                annotations.append({**ids, **person})
    limbs = [[first + 1, second + 1] for first, second in SKELETON.limbs]
    category = {"id": 1, "name": "person", "keypoints": SKELETON.joints}
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{**category, "skeleton": limbs}],
    }
    write_whole(path, lambda aside: aside.write_text(json.dumps(content)))
    return {name: len(people) for name, (people, _) in sources.items()}


def _link(path: pathlib.Path, people: PoseDataset) -> None:
    target = pathlib.Path(people.images.describe(0)).resolve().parent
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        path.unlink()
    path.symlink_to(target, target_is_directory=True)


def _person(people: PoseDataset, labels: np.ndarray, row: int) -> dict[str, Any]:
    box = people.boxes[row].astype(np.float64)
    area = people.areas[row]
    # An area that is about the box's, as Stanford 40's, was measured on no person.
    if not area < _BARELY * box[2] * box[3]:
        area = _FILLED * box[2] * box[3]
    return {
        "category_id": 1,
        "iscrowd": int(people.crowd[row]),
        "bbox": box.round(2).tolist(),
        "area": round(float(area), 1),
        "num_keypoints": int((labels[row, :, 2] > 0).sum()),
        "keypoints": labels[row].astype(np.float64).round(2).reshape(-1).tolist(),
    }


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
