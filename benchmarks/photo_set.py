"""The parts of `benchmarks.photo_labels`: what is taught, what is kept, the files."""

import hashlib
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.coco_file import CocoFile, person_record
from benchmarks.teacher_rules import SKELETON, add_faces, mend_sides
from data_pipelines.images import decode_image
from data_pipelines.multi_person import BOX_AREA_FACTOR
from data_pipelines.people import PoseDataset
from tfpose.errors import InputError
from tfpose.files import write_whole
from tfpose.predictors import Predictor
from tfpose.skeletons import convert_keypoints

__all__ = [
    "found_people",
    "kept_for_the_test",
    "link_folder",
    "lspet_labels",
    "taught",
    "write_split",
]

# Score of the teacher from which its joint is taken beside labels.
_SURE = 0.5
_BARELY = 0.95
_SAVE_EVERY = 500


def kept_for_the_test(image_ids: np.ndarray, share: float = 1 / 3) -> np.ndarray:
    """Bool `[I]`: a share of the images, chosen by a hash of their ids."""
    digests = [hashlib.sha256(b"%d" % image_id).digest() for image_id in image_ids]
    order = sorted(range(len(digests)), key=digests.__getitem__)
    kept = np.zeros(len(digests), bool)
    kept[order[: int(len(digests) * share)]] = True
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


def found_people(
    teacher: Predictor, photos: Sequence[pathlib.Path], path: pathlib.Path
) -> list[np.ndarray]:
    """Everybody whom a net without boxes finds, kept in a file as they are made.

    Returns:
        for each photo `[N, 18, 3]`: x, y and score of 17 joints; then the person's
        score, twice 0.

    Raises:
        InputError: the file is of other photos, or a photo cannot be read.
    """
    names = np.array([str(photo) for photo in photos])
    found: list[np.ndarray] = []
    if path.exists():
        with np.load(path) as kept:
            if not np.array_equal(kept["photos"], names):
                raise InputError(f"{path}: is of other photos; delete it")
            found = np.split(kept["people"], np.cumsum(kept["counts"])[:-1])
    for count in range(len(found) + 1, len(photos) + 1):
        photo = photos[count - 1]
        people = teacher.predict(decode_image(photo.read_bytes(), name=str(photo)))
        ranks = np.zeros((len(people), 1, 3))
        ranks[:, 0, 0] = people.person_scores
        found.append(np.concatenate([people.poses, ranks], axis=1))
        if count % _SAVE_EVERY == 0 or count == len(photos):
            counts = np.array([len(one) for one in found])
            write_whole(
                path,
                lambda aside, counts=counts: np.savez(
                    aside, people=np.concatenate(found), counts=counts, photos=names
                ),
            )
            print(f"{path.name}: {count} of {len(photos)} photos", flush=True)
    return found


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

    Raises:
        InputError: it cannot be written, or where a link belongs is something else.
    """
    file = CocoFile()
    for name, (people, labels) in sources.items():
        photos = pathlib.Path(people.images.describe(0)).resolve().parent
        link_folder(path.parent / "images" / name, photos)
        for image_row, rows in people.each_image():
            if not len(rows):
                continue
            photo = os.path.basename(people.images.describe(image_row))
            height, width = people.image_sizes[image_row].tolist()
            file.add(
                {"file_name": f"{name}/{photo}", "width": width, "height": height},
                [_person(people, labels, row) for row in rows.tolist()],
            )
    limbs = [[first + 1, second + 1] for first, second in SKELETON.limbs]
    category = {"id": 1, "name": "person", "keypoints": SKELETON.joints}
    file.write(path, [{**category, "skeleton": limbs}])
    return {name: len(people) for name, (people, _) in sources.items()}


def link_folder(path: pathlib.Path, target: pathlib.Path) -> None:
    """Puts a link to a folder, in the place of an older link.

    Raises:
        InputError: something else is there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        path.unlink()
    elif path.exists():
        raise InputError(f"{path}: is there, expected to put a link to {target}")
    path.symlink_to(target, target_is_directory=True)


def _person(people: PoseDataset, labels: np.ndarray, row: int) -> dict[str, Any]:
    box = people.boxes[row].astype(np.float64)
    area = people.areas[row]
    # An area that is about the box's, as Stanford 40's, was measured on no person.
    if not area < _BARELY * box[2] * box[3]:
        area = BOX_AREA_FACTOR * box[2] * box[3]
    return person_record(box, area, labels[row], bool(people.crowd[row]))
