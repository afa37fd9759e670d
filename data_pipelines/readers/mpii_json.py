"""MPII's labels in the JSON form that HRNet and SimpleBaseline read.

A list of people, each `image`, `center` [x, y], `scale`, `joints` [16, 2] and
`joints_vis` [16]. The order is that of `gt_valid.mat` (variables `pos_gt_src`
[16, 2, N], `jnt_missing` [16, N] and `headboxes_src` [2, 2, N]), which HRNet evaluates
with: where it is there, positions and absences are its own.
"""

import dataclasses
from typing import Any

import numpy as np

from data_pipelines.readers.coco_format import load_json
from data_pipelines.readers.mat_file import mat_numbers, read_mat
from data_pipelines.readers.mpii_labels import NUM_JOINTS, MpiiLabels
from tfpose.errors import InputError
from tfpose.metrics.pck import head_size

__all__ = ["read_mpii_json"]

_EVALUATION = ("pos_gt_src", "jnt_missing", "headboxes_src")
# Positions of a joint in both files of one set differ by rounding only, px.
_SAME = 1.0


def read_mpii_json(path: str, evaluation_path: str | None = None) -> MpiiLabels:
    """The people of one JSON file.

    Args:
        path: the file.
        evaluation_path: `gt_valid.mat` of the same people, for head sizes.

    Raises:
        InputError: not such files, or files of different people.
    """
    content = load_json(path)
    if not isinstance(content, list):
        raise InputError(
            f"{path}: found a {type(content).__name__} at the top, expected a list of "
            "people with image, center, scale, joints and joints_vis"
        )
    count = len(content)
    labels = MpiiLabels(
        source=path,
        names=[""] * count,
        ids=np.arange(count),
        centres=np.full((count, 2), np.nan),
        scales=np.full(count, np.nan),
        joints=np.zeros((count, NUM_JOINTS, 3)),
        head_sizes=None,
        problems=[""] * count,
    )
    for row, record in enumerate(content):
        labels.problems[row] = _read_person(record, row, labels)
    if evaluation_path is None:
        return labels
    return _with_evaluation(labels, evaluation_path)


def _read_person(record: Any, row: int, labels: MpiiLabels) -> str:
    """Fills a row; returns what is wrong with it."""
    if not isinstance(record, dict):
        return "not an object"
    name = record.get("image")
    labels.names[row] = name if isinstance(name, str) else ""
    try:
        centre = np.array(record["center"], np.float64).reshape(2)
        labels.scales[row] = float(record["scale"])
        points = np.array(record["joints"], np.float64).reshape(NUM_JOINTS, 2)
        seen = np.array(record["joints_vis"], np.float64).reshape(NUM_JOINTS)
    except KeyError as error:
        return f"no {error.args[0]}"
    except (TypeError, ValueError, OverflowError) as error:
        return f"center, scale, joints or joints_vis have another form | {error}"
    if not np.isin(seen, (0, 1)).all():
        return "joints_vis is not 0 or 1"
    # A centre of -1 is none.
    labels.centres[row] = np.where(centre[0] == -1, np.nan, centre)
    # Whether a joint is occluded is not said.
    labels.joints[row] = np.column_stack([points, 2 * seen])
    return ""


def _with_evaluation(labels: MpiiLabels, path: str) -> MpiiLabels:
    """What is compared with, from the file that HRNet compares with."""
    content = read_mat(path, _EVALUATION)
    points = mat_numbers(content, "pos_gt_src", (NUM_JOINTS, 2, None), path)
    missing = mat_numbers(content, "jnt_missing", (NUM_JOINTS, None), path)
    heads = mat_numbers(content, "headboxes_src", (2, 2, None), path)
    count = len(labels.names)
    for name, array in zip(_EVALUATION, (points, missing, heads), strict=True):
        if array.shape[-1] != count:
            raise InputError(
                f"{path}: {name!r} has {array.shape[-1]} people, expected the {count} "
                f"of {labels.source}"
            )
    points, seen = points.transpose(2, 0, 1), missing.T == 0
    both = seen & (labels.joints[..., 2] > 0)
    apart = np.abs(points - labels.joints[..., :2]).max(axis=-1)[both] > _SAME
    if apart.sum() * 2 > apart.size:
        raise InputError(
            f"{path}: {apart.sum()} of {apart.size} joints lie elsewhere than in "
            f"{labels.source}, expected the same people in the same order"
        )
    joints = np.concatenate([points, np.where(seen, 2, 0)[..., None]], axis=-1)
    sizes = head_size(heads.transpose(2, 0, 1))
    return dataclasses.replace(labels, joints=joints, head_sizes=sizes)
