"""MPII's labels as published, in `mpii_human_pose_v1_u12_1.mat`.

`RELEASE.annolist(i)` is an image: `image.name`, `vididx` (its video) and
`annorect(r)`, the people, each with `scale`, `objpos` (x, y), the head's box (`x1`,
`y1`, `x2`, `y2`) and `annopoints.point`: `id` 0 to 15, `x`, `y`, `is_visible`.
`RELEASE.img_train(i)` is 1 where joints are published, and
`RELEASE.single_person{i}` names the people who stand apart from others.

Anything may be absent, an empty array, or, of one, the struct itself instead of an
array of structs.
"""

from typing import Any

import numpy as np

from data_pipelines.readers.mat_file import read_mat
from data_pipelines.readers.mpii_labels import NUM_JOINTS, MpiiLabels
from data_pipelines.readers.skip_report import SkipReport
from tfpose.errors import InputError
from tfpose.metrics.pck import head_size

__all__ = ["read_mpii_mat"]

_VAL = 10


def read_mpii_mat(path: str, split: str, report: SkipReport) -> MpiiLabels:
    """The people of the images that have published joints.

    The split is this project's, by video, for a video's images resemble each other:
    `val` is every tenth video (or, of an image without one, every tenth image), and
    there the people who stand apart, whom MPII's single-person measure counts.
    Person ids count everybody in the file.

    Raises:
        InputError: not such a file.
    """
    release = read_mat(path, ["RELEASE"], structs=True)["RELEASE"]
    images = _items(_field(release, "annolist"))
    trained = np.atleast_1d(np.asarray(_field(release, "img_train")))
    if not images:
        raise InputError(f"{path}: 'RELEASE.annolist' lists no images")
    if trained.shape != (len(images),):
        raise InputError(
            f"{path}: 'RELEASE.img_train' is {list(trained.shape)}, expected a number "
            f"for each of the {len(images)} images of 'RELEASE.annolist'"
        )
    apart = _apart(_field(release, "single_person"), len(images))
    rows: list[tuple[str, int, dict]] = []
    people = others = 0
    for number, image in enumerate(images):
        name = _field(_field(image, "image"), "name")
        name = name if isinstance(name, str) else ""
        validated = _is_validation(image, number)
        for place, person in enumerate(_items(_field(image, "annorect"))):
            people += 1
            if trained[number] != 1 or validated != (split == "val"):
                continue
            if validated and apart is not None and place + 1 not in apart[number]:
                others += 1
                continue
            rows.append((name, people - 1, person))
    report.note("image of the test set, without published joints", (trained != 1).sum())
    report.note("person near others, not counted in val", others)
    return _labels(path, rows)


def _labels(path: str, rows: list[tuple[str, int, dict]]) -> MpiiLabels:
    count = len(rows)
    people = [person for _, _, person in rows]
    joints = np.zeros((count, NUM_JOINTS, 3))
    problems = [
        _read_joints(person, pose) for person, pose in zip(people, joints, strict=True)
    ]
    corners = [[_number(p, key) for key in ("x1", "y1", "x2", "y2")] for p in people]
    centres = [[_number(_field(p, "objpos"), axis) for axis in "xy"] for p in people]
    return MpiiLabels(
        source=path,
        names=[name for name, _, _ in rows],
        ids=np.array([number for _, number, _ in rows], np.int64),
        centres=np.array(centres, np.float64).reshape(count, 2),
        scales=np.array([_number(person, "scale") for person in people], np.float64),
        joints=joints,
        head_sizes=head_size(np.array(corners, np.float64).reshape(count, 2, 2)),
        problems=problems,
    )


def _read_joints(person: Any, pose: np.ndarray) -> str:
    """Fills `pose` `[16, 3]`; returns what is wrong with the labels."""
    for point in _items(_field(_field(person, "annopoints"), "point")):
        joint = _number(point, "id")
        if joint not in range(NUM_JOINTS):
            return f"a joint's id is not 0 to {NUM_JOINTS - 1} | {joint}"
        # Empty for joints without a label of visibility, such as the pelvis.
        occluded = _number(point, "is_visible") == 0
        pose[int(joint)] = (
            _number(point, "x"),
            _number(point, "y"),
            1 if occluded else 2,
        )
    return ""


def _is_validation(image: Any, number: int) -> bool:
    video = _number(image, "vididx")
    return (number if np.isnan(video) else int(video)) % _VAL == 0


def _apart(value: Any, count: int) -> list[set[int]] | None:
    """Of each image the people (from 1) that stand apart; None if nothing says so."""
    lists = value if isinstance(value, list | np.ndarray) else []
    if len(lists) != count:
        return None
    try:
        arrays = [np.asarray(places, np.int64).ravel() for places in lists]
    except (TypeError, ValueError):
        return None
    return [set(array.tolist()) for array in arrays]


def _field(struct: Any, name: str) -> Any:
    return struct.get(name) if isinstance(struct, dict) else None


def _items(value: Any) -> list[dict]:
    """The structs of an array of any length."""
    if isinstance(value, dict):
        return [value]
    if isinstance(value, list | np.ndarray):
        return [item for item in value if isinstance(item, dict)]
    return []


def _number(struct: Any, name: str) -> float:
    """A number, also one written as text; NaN if there is none."""
    value = _field(struct, name)
    if isinstance(value, float | int):
        return float(value)
    try:
        return float(np.asarray(value, np.float64).reshape(()))
    except (TypeError, ValueError):
        return float("nan")
