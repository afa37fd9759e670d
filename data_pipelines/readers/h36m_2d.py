"""Reader of Human3.6M's images with 2D joints, as MMPose lays them out.

Ionescu et al., PAMI 2014. Frames are in S1/S1_Directions_1.54138969/ and so on (below
images/ or not), named S1_Directions_1.54138969_000001.jpg: subject, action, camera and
frame. Their joints are in one of

    annotation_body3d/fps50/h36m_train.npz, h36m_test.npz (or fps10/, or without):
                     imgname [N], center [N, 2], scale [N] (side / 200 px),
                     part [N, 17, 3] (x, y, 1)
    h36m_coco.json   COCO format, all subjects in one file

The split is the usual one of subjects: S1, S5, S6, S7 and S8 to train, S9 and S11 to
validate. Joints are `h36m17` and come from motion capture: whether one is hidden in
the image is not known, and every labelled one counts as visible. MMPose's COCO file
has them in this order too, but calls the right leg's joints left and the left one's
right (its arms are right): the names are corrected.
"""

import os
import re
from dataclasses import replace
from functools import partial

import numpy as np

from data_pipelines.people import PoseDataset
from data_pipelines.readers.coco_format import read_coco
from data_pipelines.readers.frames import FrameTable
from data_pipelines.readers.layout import NotThere
from data_pipelines.readers.skip_report import SkipReport
from tfpose.errors import InputError
from tfpose.skeletons import Skeleton, get_skeleton

__all__ = ["read_h36m"]

_SUBJECTS = {"train": (1, 5, 6, 7, 8), "val": (9, 11)}
_NPZ_NAMES = {"train": "h36m_train.npz", "val": "h36m_test.npz"}
_NPZ_FOLDERS = (
    "annotation_body3d/fps50",
    "annotation_body3d/fps10",
    "annotation_body3d",
    "annotations",
    "",
)
_COCO_FILES = ("h36m_coco.json", "annotations/h36m_coco.json")

# MMPose's unit of a box's side.
_SCALE_PX = 200.0

_NO_SUBJECT = "no subject in its name"

_MISNAMED = (
    "root (pelvis)|left_hip|left_knee|left_foot|right_hip|right_knee|right_foot|spine|"
    "thorax|neck_base|head|left_shoulder|left_elbow|left_wrist|right_shoulder|"
    "right_elbow|right_wrist"
).split("|")


def read_h36m(
    data_dir: str | os.PathLike, split: str, skeleton: Skeleton | None = None
) -> tuple[PoseDataset, SkipReport]:
    """The people of a split's subjects; no pixels are decoded.

    Boxes are the files' squares. Ids are those of the COCO file, or the row in the
    .npz file, from 1. `h36m_*.npz` is taken where both kinds are there.

    Args:
        data_dir: folder as above.
        split: str. "train" or "val".
        skeleton: joints of a COCO file that names others; `h36m17` if it names none.

    Raises:
        InputError: no such file, another content, or no usable person in it.
    """
    folder = os.fspath(data_dir)
    images = os.path.join(folder, "images")
    images = images if os.path.isdir(images) else folder
    for place in _NPZ_FOLDERS:
        path = os.path.join(folder, place, _NPZ_NAMES[split])
        if os.path.exists(path):
            return _read_npz(path, images, split)
    for name in _COCO_FILES:
        path = os.path.join(folder, name)
        if os.path.exists(path):
            return _read_coco(path, images, split, skeleton)
    path = os.path.join(folder, _NPZ_FOLDERS[0], _NPZ_NAMES[split])
    raise NotThere(f"{path} and {os.path.join(folder, _COCO_FILES[0])}: not there")


def _subject(name: str) -> int | None:
    """Number in a frame's name, with or without folders; None if it has none."""
    found = re.match(r"S(\d+)_", name.rpartition("/")[2])
    return int(found[1]) if found else None


def _read_coco(
    path: str, images: str, split: str, skeleton: Skeleton | None
) -> tuple[PoseDataset, SkipReport]:
    correct = partial(_correct, path=path, split=split)
    people, report = read_coco(path, images, skeleton, correct)
    keypoints = people.keypoints.copy()
    keypoints[..., 2] = np.where(keypoints[..., 2] > 0, 2, 0)
    return replace(people, keypoints=keypoints, name=f"h36m_{split}"), report


def _correct(
    content: dict[str, list], report: SkipReport, path: str, split: str
) -> None:
    """Keeps a split's images, with the folders of their names, and names the joints."""
    kept, left_out, subjects = [], set(), set[int]()
    for image in content["images"]:
        name = image.get("file_name") if isinstance(image, dict) else None
        if not isinstance(name, str):
            kept.append(image)
            continue
        subject, image_id = _subject(name), image.get("id")
        if subject is None:
            report.skip("image", image_id, name, _NO_SUBJECT)
        else:
            subjects.add(subject)
        if subject in _SUBJECTS[split]:
            kept.append(image)
            if "/" not in name:
                sequence = name.rpartition("_")[0]
                image["file_name"] = f"S{subject}/{sequence}/{name}"
        elif isinstance(image_id, int):
            left_out.add(image_id)
    if not kept:
        found = ", ".join(f"S{subject}" for subject in sorted(subjects))
        wanted = ", ".join(f"S{subject}" for subject in _SUBJECTS[split])
        found = found or f"no file name that starts with a subject{report.example()}"
        raise InputError(f"{path}: {split} is of subjects {wanted}, found {found}")
    content["images"] = kept
    content["annotations"] = [
        annotation
        for annotation in content["annotations"]
        if not isinstance(annotation, dict)
        or not isinstance(annotation.get("image_id"), int)
        or annotation["image_id"] not in left_out
    ]
    for category in content["categories"]:
        if isinstance(category, dict):
            if category.get("keypoints") in (_MISNAMED, [], None):
                category["keypoints"] = list(get_skeleton("h36m17").joints)


def _read_npz(path: str, images: str, split: str) -> tuple[PoseDataset, SkipReport]:
    names, keypoints, boxes = _load_npz(path)
    report = SkipReport(path)
    table = FrameTable(f"h36m_{split}", get_skeleton("h36m17"), report)
    rows_of: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        rows_of.setdefault(name.rpartition("/")[0], []).append(row)
    for sequence, rows in rows_of.items():
        subject = _subject(names[rows[0]])
        if subject not in _SUBJECTS[split]:
            what = "subject of another split" if subject else _NO_SUBJECT
            report.skip("folder", sequence, names[rows[0]], what, f"{len(rows)} frames")
            continue
        table.add(
            os.path.join(images, sequence),
            [names[row].rpartition("/")[2] for row in rows],
            np.array(rows, np.int64) + 1,
            boxes[rows],
            keypoints[rows],
        )
    return table.people(), report


def _load_npz(path: str) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Image names, keypoints `[N, 17, 3]` and boxes `[N, 4]`, both float64."""
    arrays = {}
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as content:
            for name in ("imgname", "center", "scale", "part"):
                if name not in content:
                    found = ", ".join(content) or "nothing"
                    raise InputError(f"{path}: no array {name!r}, found {found}")
                arrays[name] = content[name]
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path}: not readable: {error.strerror or error}") from None
    # Damaged bytes raise whatever the line of the parser that trips over them does.
    except Exception as error:
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"{path}: not an .npz file of arrays: {reason}") from None
    count = arrays["imgname"].size
    shapes = {"imgname": (count,), "center": (count, 2), "scale": (count,)}
    shapes["part"] = (count, get_skeleton("h36m17").num_joints, 3)
    for name, shape in shapes.items():
        kinds, what = ("SU", "texts") if name == "imgname" else ("biuf", "numbers")
        array = arrays[name]
        if array.shape != shape or array.dtype.kind not in kinds:
            raise InputError(
                f"{path}: {name!r} is {array.dtype} {list(array.shape)}, expected "
                f"{what} {list(shape)}"
            )
    names = arrays["imgname"].astype(np.str_).tolist()
    keypoints = arrays["part"].astype(np.float64)
    keypoints[..., 2] = np.where(keypoints[..., 2] > 0, 2, 0)
    # What is not finite is no box, and is not warned of.
    with np.errstate(all="ignore"):
        sides = np.repeat(arrays["scale"][:, None] * _SCALE_PX, 2, axis=1)
        boxes = np.hstack([arrays["center"] - sides / 2, sides])
    return names, keypoints, np.where(np.isfinite(boxes), boxes, np.nan)
