r"""Writes photos in which everybody is labelled, to train nets without boxes on.

    python -m benchmarks.photo_crowds --photos=runs/photos --out=runs/crowd_photos

`--photos` is what `benchmarks.photo_labels` wrote: of most photos it labels one person
only. MoveNet MultiPose (see `benchmarks/human_models.py`) finds the others. Those of
whom it is sure get its joints; those of whom it is not are written without joints, so
that no loss counts what is there. Everybody with enough joints gets a silhouette, by
which `trainers.logocap --paste` pastes them into other photos.

- `train.json`: the photos of `--photos`' `train.json`, COCO's eight times, but for
- `val.json`: a fifth of COCO's photos of it.

Nobody is added to COCO's photos: they are labelled. What MultiPose found is kept in
`multipose.npz` as it is made: the same command goes on where it was stopped.
"""

import json
import pathlib
from typing import Any

import numpy as np
from absl import app, flags

from benchmarks.coco_file import CocoFile
from benchmarks.movenet import MultiPose
from benchmarks.photo_set import found_people, kept_for_the_test, link_folder
from benchmarks.silhouettes import silhouette
from benchmarks.teacher_rules import other_people
from data_pipelines.images import decode_image
from tfpose.errors import InputError
from tfpose.files import usable_folder

__all__ = ["main"]

_PHOTOS = flags.DEFINE_string("photos", "runs/photos", "Folder of `photo_labels`.")
_OUT = flags.DEFINE_string("out", "runs/crowd_photos", "Folder to write.")
_TEACHERS = flags.DEFINE_string("teachers", "runs/teachers", "Where MoveNet is kept.")
_SIDE = flags.DEFINE_integer("side", 384, "Of MultiPose's input, pixels.")

_LABELLED = "coco/"
# Real crowds are few: an epoch has each so many times.
_COPIES = 8


def _split(images: list[dict[str, Any]]) -> set[int]:
    """Ids of the images for validation."""
    labelled = [image for image in images if image["file_name"].startswith(_LABELLED)]
    names = np.array([int(pathlib.Path(i["file_name"]).stem) for i in labelled])
    kept = kept_for_the_test(names, share=0.2)
    return {image["id"] for image, val in zip(labelled, kept, strict=True) if val}


def _with_everybody(
    people: list[dict[str, Any]], photo: np.ndarray, found: np.ndarray | None
) -> list[dict[str, Any]]:
    """A photo's records with those who were found (none asked for: None), and with
    silhouettes.
    """
    records = [dict(person) for person in people]
    if found is not None:
        boxes = np.array([person["bbox"] for person in people], float).reshape(-1, 4)
        records += other_people(found, boxes, photo.shape[:2])
    for record in records:
        labels = np.reshape(record["keypoints"], (-1, 3)).astype(np.float64)
        polygons = silhouette(photo, labels)
        if polygons:
            record["segmentation"] = polygons
    return records


def main(argv: list[str]) -> None:
    """Asks the teacher, writes the files and prints what is in them."""
    source, root = pathlib.Path(_PHOTOS.value), usable_folder(_OUT.value)
    try:
        content = json.loads((source / "train.json").read_text())
    except OSError as error:
        raise InputError(
            f"{source}: expected the folder that benchmarks.photo_labels wrote: {error}"
        ) from None
    images = content["images"]
    paths = [source / "images" / image["file_name"] for image in images]
    asked = [not image["file_name"].startswith(_LABELLED) for image in images]
    found = found_people(
        MultiPose(_TEACHERS.value, _SIDE.value),
        [path for path, wanted in zip(paths, asked, strict=True) if wanted],
        root / "multipose.npz",
    )
    people: dict[int, list[dict[str, Any]]] = {image["id"]: [] for image in images}
    for person in content["annotations"]:
        people[person["image_id"]].append(person)
    link_folder(root / "images", (source / "images").resolve())
    of_val = _split(images)
    splits = {"train": CocoFile(), "val": CocoFile()}
    answers = iter(found)
    for image, path, wanted in zip(images, paths, asked, strict=True):
        photo = decode_image(path.read_bytes(), name=str(path))
        everybody = _with_everybody(
            people[image["id"]], photo, next(answers) if wanted else None
        )
        if image["id"] in of_val:
            splits["val"].add(image, everybody)
        else:
            splits["train"].add(image, everybody, 1 if wanted else _COPIES)
    for split, file in splits.items():
        file.write(root / f"{split}.json", content["categories"])
        print(f"{split}: {_told(file)}", flush=True)


def _told(file: CocoFile) -> str:
    """What is in a file."""
    outlined = sum("segmentation" in person for person in file.people)
    bare = sum(not person["num_keypoints"] for person in file.people)
    return (
        f"{len(file.people)} people on {len(file.images)} photos, {bare} of them "
        f"without joints, {outlined} with silhouettes"
    )


if __name__ == "__main__":
    app.run(main)
