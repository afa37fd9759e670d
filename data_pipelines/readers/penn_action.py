"""Reader of Penn Action: label files of Matlab and folders of frames.

Zhang, Zhu, Derpanis: From Actemes to Action, ICCV 2013. 2,326 clips of one person:

    labels/0001.mat             x, y, visibility [T, 13]; bbox [T, 4] (x1, y1, x2, y2);
                                dimensions (height, width, T); train 1 or -1
    frames/0001/000001.jpg ...  T frames

Coordinates count from 1, so 1 is taken off them. A joint that is not visible is
absent here: what the files say of it is a guess or, often, a placeholder in the top
left corner, and the published PCK counts visible joints only. It measures by the torso
of all that the files say, though, so that this is a column of its own.
"""

import os

import numpy as np

from data_pipelines.people import PoseDataset
from data_pipelines.readers.frames import FrameTable
from data_pipelines.readers.layout import expect_path
from data_pipelines.readers.mat_file import mat_numbers, read_mat
from data_pipelines.readers.skip_report import SkipReport
from tfpose.errors import InputError
from tfpose.metrics.pck import torso_size
from tfpose.skeletons import Skeleton, get_skeleton

__all__ = ["read_penn_action"]

_FIELDS = ("x", "y", "visibility", "bbox", "dimensions", "train")
_TRAIN_FLAG = {"train": 1, "val": -1}
# Ids are clip * this + frame; the longest clip has 663 frames.
_IDS_PER_CLIP = 100_000
# Px; no label lies as far out.
_FAR = 1e6


def read_penn_action(
    data_dir: str | os.PathLike, split: str, skeleton: Skeleton | None = None
) -> tuple[PoseDataset, SkipReport]:
    """Every frame of a split with its person; no pixels are decoded.

    Boxes are those of the files. The last frames of two published clips have none:
    the one before is taken. Image and person ids are clip * 100,000 + frame.

    Args:
        data_dir: folder with `labels` and `frames`.
        split: str. "train" or "val": clips whose `train` is 1, or -1 (the test set).
        skeleton: not looked at; the joints are `penn_action13`.

    Raises:
        InputError: a label file is not as above, or no frame of any is there.
    """
    folder = os.fspath(data_dir)
    labels, frames = (expect_path(folder, name) for name in ("labels", "frames"))
    joints, report = get_skeleton("penn_action13"), SkipReport(folder)
    table = FrameTable("penn_action", joints, report)
    for file in sorted(os.listdir(labels)):
        clip, extension = os.path.splitext(file)
        path = os.path.join(labels, file)
        if extension != ".mat" or file.startswith("."):
            continue
        if not clip.isdecimal():
            report.skip("label file", file, path, "its name is no clip number")
            continue
        fields = _read_fields(path, joints.num_joints)
        if fields["train"] != _TRAIN_FLAG[split]:
            continue
        count = len(fields["x"])
        if fields["dimensions"][2:].tolist() != [count]:
            report.note("clip with labels of another number of frames than it says")
        table.add(
            os.path.join(frames, clip),
            [f"{frame:06d}.jpg" for frame in range(1, count + 1)],
            int(clip) * _IDS_PER_CLIP + np.arange(1, count + 1),
            _edge_boxes(fields["bbox"], count, report),
            _keypoints(fields),
            (int(fields["dimensions"][0]), int(fields["dimensions"][1])),
            _torso_sizes(fields, joints),
        )
    return table.people(), report


def _read_fields(path: str, num_joints: int) -> dict[str, np.ndarray]:
    """The fields as float64, of shapes that fit each other."""
    content = read_mat(path, _FIELDS)
    fields = {"x": mat_numbers(content, "x", (None, num_joints), path)}
    count = len(fields["x"])
    for name in ("y", "visibility"):
        fields[name] = mat_numbers(content, name, (count, num_joints), path)
    fields["bbox"] = np.zeros((0, 4))
    if np.size(content["bbox"]):
        fields["bbox"] = mat_numbers(content, "bbox", (None, 4), path)
    for name in ("dimensions", "train"):
        fields[name] = mat_numbers(content, name, (1, None), path)[0]
    sides = fields["dimensions"][:2]
    if len(sides) < 2 or not ((sides > 0) & (sides < 2**31)).all():
        raise InputError(
            f"{path}: 'dimensions' is {fields['dimensions'].tolist()}, expected "
            "height, width and number of frames"
        )
    flag = fields["train"].tolist()
    if flag not in ([1], [-1]):
        raise InputError(f"{path}: 'train' is {flag}, expected 1 or -1")
    return fields


def _keypoints(fields: dict[str, np.ndarray]) -> np.ndarray:
    """float64 `[T, 13, 3]` in pixel-centre coordinates, v 2 or 0."""
    visible = fields["visibility"] > 0
    return np.stack([fields["x"] - 1, fields["y"] - 1, 2.0 * visible], axis=-1)


def _torso_sizes(fields: dict[str, np.ndarray], joints: Skeleton) -> np.ndarray:
    """float64 `[T]` px, whether the joints are visible or not; NaN without them."""
    points = np.stack([fields["x"], fields["y"]], axis=-1)
    there = (np.abs(points) < _FAR) & (points != 0)
    labels = np.concatenate([points, there.all(axis=-1, keepdims=True)], axis=-1)
    sizes = torso_size(labels, joints, "midline")
    return np.where(sizes > 0, sizes, np.nan)


def _edge_boxes(corners: np.ndarray, count: int, report: SkipReport) -> np.ndarray:
    """float64 `[count, 4]` [x, y, w, h] in edge coordinates; NaN where none is."""
    if not corners.size:
        return np.full((count, 4), np.nan)
    missing = count - len(corners)
    if missing > 0:
        report.note("box absent, that of the frame before taken", missing)
    rows = np.minimum(np.arange(count), len(corners) - 1)
    corners = np.where(np.abs(corners) < np.inf, corners, np.nan)
    low, high = corners[rows, :2], corners[rows, 2:]
    # Pixel centre 1 is 0 in pixel-centre and 0.5 in edge coordinates.
    return np.hstack([low - 0.5, high - low])
