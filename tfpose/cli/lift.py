"""`python -m tfpose predict --lift`: 2D poses in a file to 3D ones, and pictures."""

import json
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfpose.cli.lifted_pictures import LiftedPictures
from tfpose.cli.models import load_lifter
from tfpose.cli.output_names import names_of_images
from tfpose.cli.person_clips import person_clips
from tfpose.cli.person_streams import person_streams
from tfpose.cli.pose_file import PoseFile
from tfpose.cli.pose_table import write_pose_table
from tfpose.cli.progress import Progress
from tfpose.errors import InputError
from tfpose.files import usable_folder, write_whole
from tfpose.lifters.pose_lifter import AdaptingLifter, PoseLifter
from tfpose.skeletons import Skeleton, convert_keypoints, uncertain_joints

__all__ = ["lift"]


def lift(
    document: str,
    model: str,
    out: str,
    skeleton: str = "",
    image_size: str = "",
    adapt: str = "",
    formats: Sequence[str] = (),
) -> None:
    """Writes `<out>/poses_3d.json`, and for each photo `<out>/<photo>_3d.png`, for each
    video `<out>/<video>_3d.mp4`: the 2D and the 3D pose from two sides.

    The JSON file has the images, an annotation for each person with `positions` (x, y,
    z in metres of each joint: right, down, away from the camera, relative to the root)
    and of the 2D pose the `id`, the `score` and the `uncertain` joints, and the
    category, which names joints and root. People of whom a joint is missing are named,
    and left out.

    Args:
        document: COCO-format JSON of 2D poses, as `predict` writes it, or a list of
            COCO results.
        model: a `.keras` lifter.
        out: folder, made if need be.
        skeleton: name of the file's joints, where it does not say.
        image_size: `height,width` of all images in pixels, where the file does not say.
        adapt: see `tfpose.adapters.parse_adaptation`, for lifters; the lifter adapts to
            each person before the prediction, without flip test. A person of a video
            is a stream, see `person_streams`; a person of a photo is one, too. Empty
            for none.
        formats: "csv" for `poses_3d.csv`, "bvh" and "trc" for a file of each person,
            too; see `tfpose.cli.formats` and `person_clips`.

    Raises:
        InputError: no such file or lifter, joints that the lifter's cannot be made of,
            nobody to lift, or a file that cannot be written; the others are.
    """
    lifter = load_lifter(model, adapt=adapt)
    poses = PoseFile.read(document, skeleton, image_size)
    folder = usable_folder(out)
    found = [
        (image, *_complete(people, poses, lifter.skeleton, document))
        for image, people in poses.by_image()
    ]
    if not any(kept for _, kept, _ in found):
        raise InputError(f"{document}: has nobody with all joints, nothing was lifted")
    bodies = _lift_all(lifter, found)
    progress = Progress(len(poses.images))
    pictures = LiftedPictures(folder, names_of_images(poses.images.values()))
    images, people, done = [], [], 0
    try:
        for (image, kept, keypoints), positions in zip(found, bodies, strict=True):
            images.append(image)
            people += [
                _record(annotation, body)
                for annotation, body in zip(kept, positions, strict=True)
            ]
            pictures.add(image, kept, keypoints, positions, lifter.skeleton)
            done += 1
            progress.report(done, str(image.get("file_name", image["id"])))
    finally:
        progress.clear()
        pictures.close()
        if people:
            _write(folder / "poses_3d.json", images, people, lifter)
    failures = [
        *pictures.failures,
        *_write_formats(folder, formats, found, bodies, lifter.skeleton),
    ]
    print(f"{done} pictures, {len(people)} people; in {folder}", flush=True)
    if isinstance(lifter, AdaptingLifter) and (left_out := lifter.left_out()):
        print(left_out, flush=True)
    for failure in failures[:-1]:
        print(f"not written: {failure}", file=sys.stderr)
    if failures:
        raise InputError(failures[-1])


_Found = tuple[dict[str, Any], list[dict[str, Any]], np.ndarray]
"""An image, its people, and their keypoints `[P, J, 2]`, pixels."""


def _lift_all(lifter: PoseLifter, found: list[_Found]) -> list[np.ndarray]:
    """Positions `[P, J, 3]` of the people of each image."""
    images, people, keypoints = map(list, zip(*found, strict=True))
    normalized = np.concatenate(
        [
            lifter.normalize(points, (image["height"], image["width"]))
            for image, points in zip(images, keypoints, strict=True)
        ]
    )
    if isinstance(lifter, AdaptingLifter):
        streams = person_streams(images, people, keypoints, lifter.skeleton)
        positions = lifter.lift_streams(normalized, streams)
    else:
        positions = lifter.lift_all(normalized)
    return np.split(positions, np.cumsum([len(kept) for kept in people])[:-1])


def _complete(
    annotations: list[dict[str, Any]], poses: PoseFile, target: Skeleton, path: str
) -> tuple[list[dict[str, Any]], np.ndarray]:
    """The people who have all joints, and these `[P, J, 2]` in the lifter's order."""
    kept, keypoints = [], []
    for annotation in annotations:
        points = annotation["keypoints"]
        absent = ~np.isfinite(points).all(axis=1) | (points[:, 2] <= 0)
        if absent.all():
            continue
        points = np.where(absent[:, None], np.nan, points)
        converted, missing = convert_keypoints(
            points, poses.skeleton, target, derive_midpoints=True
        )
        if missing:
            raise InputError(
                f"{path}: {', '.join(missing)} cannot be made of the joints of "
                f"{poses.skeleton.name}; expected those of {target.name}"
            )
        unknown = np.isnan(converted[:, 2])
        if unknown.any():
            names = [target.joints[j] for j in np.flatnonzero(unknown)]
            print(
                f"not lifted: person {annotation.get('id', '')} of image "
                f"{annotation['image_id']}: no {', '.join(names)}",
                file=sys.stderr,
            )
            continue
        uncertain = uncertain_joints(converted, target, poses.threshold)
        kept.append({**annotation, "uncertain": uncertain})
        keypoints.append(converted[:, :2])
    shape = (len(kept), target.num_joints, 2)
    return kept, np.array(keypoints, np.float32).reshape(shape)


def _record(annotation: dict[str, Any], positions: np.ndarray) -> dict[str, Any]:
    copied: dict[str, Any] = {
        key: annotation[key]
        for key in ("id", "image_id", "track_id", "bbox", "score", "uncertain")
        if key in annotation
    }
    return {**copied, "positions": positions.astype(float).round(5).tolist()}


def _write(
    path: pathlib.Path,
    images: list[dict[str, Any]],
    people: list[dict[str, Any]],
    lifter: PoseLifter,
) -> None:
    skeleton = lifter.skeleton
    content = {
        "images": images,
        "annotations": people,
        "categories": [
            {
                "id": 1,
                "name": "person",
                "keypoints": list(skeleton.joints),
                "skeleton": [[i + 1, j + 1] for i, j in skeleton.limbs],
                "root": skeleton.joints[skeleton.root],
            }
        ],
    }
    write_whole(path, lambda aside: aside.write_text(json.dumps(content) + "\n"))


def _write_formats(
    folder: pathlib.Path,
    formats: Sequence[str],
    found: Sequence[_Found],
    bodies: Sequence[np.ndarray],
    skeleton: Skeleton,
) -> list[str]:
    """Writes files beside JSON; a line for each that cannot be written."""
    failures = []
    if "csv" in formats:
        rows = (
            (image, person, body.astype(float).round(5))
            for (image, people, _), positions in zip(found, bodies, strict=True)
            for person, body in zip(people, positions, strict=True)
        )
        path = folder / "poses_3d.csv"
        try:
            write_pose_table(path, rows, skeleton.joints, ("x", "y", "z"))
        except InputError as error:
            failures.append(str(error))
    forms = [form for form in formats if form != "csv"]
    if forms:
        images, people, keypoints = zip(*found, strict=True)
        for clip in person_clips(images, people, keypoints, bodies, skeleton):
            for form in forms:
                try:
                    clip.write(folder, form, skeleton)
                except InputError as error:
                    failures.append(str(error))
    return failures
