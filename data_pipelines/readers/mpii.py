"""MPII Human Pose: HRNet's JSON files where they are, else the published .mat.

See `mpii_labels.py` for the people's boxes. Published metrics are on HRNet's
`valid.json` with `gt_valid.mat`; the .mat says nothing of that split.
"""

import os

from data_pipelines.people import PoseDataset
from data_pipelines.readers.layout import expect_path
from data_pipelines.readers.mpii_json import read_mpii_json
from data_pipelines.readers.mpii_labels import people_of_labels
from data_pipelines.readers.mpii_mat import read_mpii_mat
from data_pipelines.readers.skip_report import SkipReport
from tfpose.skeletons import Skeleton

__all__ = ["read_mpii"]

_MAT = "mpii_human_pose_v1_u12_1.mat"
# As unpacked by itself, and with the archive's own folder.
_MAT_PLACES = (_MAT, f"mpii_human_pose_v1_u12_2/{_MAT}")
# HRNet's names and MMPose's of the same files.
_JSON_PLACES = {
    "train": ("annot/train.json", "annotations/mpii_train.json"),
    "val": ("annot/valid.json", "annotations/mpii_val.json"),
}
_EVALUATION_PLACES = {
    "train": (),
    "val": ("annot/gt_valid.mat", "annotations/mpii_gt_val.mat"),
}


def read_mpii(
    folder: str, split: str, skeleton: Skeleton | None = None
) -> tuple[PoseDataset, SkipReport]:
    """People of MPII with published joints; `skeleton` has no effect, it is `mpii16`.

    Raises:
        InputError: files are absent or not MPII's, or hold no usable person.
    """
    mat_path = _first(folder, _MAT_PLACES)
    # One split's JSON file rules the .mat out: the two do not split alike.
    if mat_path and not any(_first(folder, places) for places in _JSON_PLACES.values()):
        report = SkipReport(mat_path)
        labels = read_mpii_mat(mat_path, split, report)
    else:
        places = _JSON_PLACES[split]
        path = _first(folder, places) or expect_path(folder, places[0])
        report = SkipReport(path)
        labels = read_mpii_json(path, _first(folder, _EVALUATION_PLACES[split]))
    image_dir = expect_path(folder, "images")
    return people_of_labels(labels, f"mpii_{split}", image_dir, report), report


def _first(folder: str, names: tuple[str, ...]) -> str | None:
    paths = (os.path.join(folder, name) for name in names)
    return next((path for path in paths if os.path.exists(path)), None)
