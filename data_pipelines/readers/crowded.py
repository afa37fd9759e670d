"""CrowdPose and OCHuman from the folders that their authors give out.

Both are COCO-format files under names of their own. Their test sets, on which results
are published, are datasets of their own here, so that nobody trains on what they
choose by: `crowdpose` trains on train and looks at val, `crowdpose_test` trains on
both and looks at test. OCHuman is for evaluation only: it has no train set.
"""

import os

from data_pipelines.people import PoseDataset
from data_pipelines.readers.coco_format import read_coco
from data_pipelines.readers.layout import NotThere, expect_path
from data_pipelines.readers.skip_report import SkipReport
from tfpose.errors import InputError
from tfpose.skeletons import Skeleton

__all__ = [
    "read_crowdpose",
    "read_crowdpose_test",
    "read_ochuman",
    "read_ochuman_test",
]

# MMPose's copies of CrowdPose's files have a prefix.
_CROWDPOSE = (
    "annotations/mmpose_crowdpose_{}.json",
    "annotations/crowdpose_{}.json",
    "json/crowdpose_{}.json",
    "crowdpose_{}.json",
)
_OCHUMAN = (
    "annotations/ochuman_coco_format_{}_range_0.00_1.00.json",
    "ochuman_coco_format_{}_range_0.00_1.00.json",
)


def read_crowdpose(
    folder: str, split: str, skeleton: Skeleton | None = None
) -> tuple[PoseDataset, SkipReport]:
    """CrowdPose: `train` is its train set, `val` its val set (Li et al., CVPR 2019).

    The skeleton is found from the file, and `skeleton` is for one that names no joints.

    Raises:
        InputError: files are absent, or as `read_coco` has it.
    """
    return _read(folder, _CROWDPOSE, split, skeleton)


def read_crowdpose_test(
    folder: str, split: str, skeleton: Skeleton | None = None
) -> tuple[PoseDataset, SkipReport]:
    """As `read_crowdpose`; `train` is its trainval set, `val` its test set."""
    name = {"train": "trainval", "val": "test"}[split]
    return _read(folder, _CROWDPOSE, name, skeleton)


def read_ochuman(
    folder: str, split: str, skeleton: Skeleton | None = None
) -> tuple[PoseDataset, SkipReport]:
    """OCHuman (Zhang et al., CVPR 2019): `val` is its val set.

    Raises:
        InputError: `split` is "train"; files are absent; or as `read_coco` has it.
    """
    return _read(folder, _OCHUMAN, _ochuman_name(split, "val"), skeleton)


def read_ochuman_test(
    folder: str, split: str, skeleton: Skeleton | None = None
) -> tuple[PoseDataset, SkipReport]:
    """As `read_ochuman`; `val` is its test set."""
    return _read(folder, _OCHUMAN, _ochuman_name(split, "test"), skeleton)


def _ochuman_name(split: str, name: str) -> str:
    if split == "train":
        raise InputError(
            "OCHuman has no train set, only val and test: train on another dataset "
            "(its authors took COCO)"
        )
    return name


def _read(
    folder: str, patterns: tuple[str, ...], name: str, skeleton: Skeleton | None
) -> tuple[PoseDataset, SkipReport]:
    images = expect_path(folder, "images")
    files = [os.path.join(folder, pattern.format(name)) for pattern in patterns]
    for path in files:
        if os.path.exists(path):
            return read_coco(path, images, skeleton)
    found = ", ".join(_json_files(folder)[:8]) or "no .json file"
    raise NotThere(f"{files[0]}: not there; found {found}")


def _json_files(folder: str) -> list[str]:
    """Names of the annotation files, from `folder` and one level below."""
    found = []
    for place in ("", "annotations", "json"):
        try:
            names = sorted(os.listdir(os.path.join(folder, place)))
        except OSError:
            continue
        found += [os.path.join(place, n) for n in names if n.endswith(".json")]
    return found
