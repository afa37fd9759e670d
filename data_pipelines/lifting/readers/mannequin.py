"""Mannequins as pose pairs: bodies of known 3D before known cameras."""

import os
from collections.abc import Sequence

import numpy as np

from data_pipelines.lifting.poses import LiftingDataset
from data_pipelines.lifting.readers.takes import PROJECTED, TakeTable
from data_pipelines.readers.coco_format import load_json
from data_pipelines.readers.layout import expect_path
from data_pipelines.readers.skip_report import SkipReport
from tfpose.errors import InputError
from tfpose.skeletons import Skeleton

__all__ = ["read_mannequins"]


def read_mannequins(
    folder: str,
    split: str,
    keypoints: str,
    subjects: Sequence[str] | None,
    stride: int,
) -> tuple[LiftingDataset, SkipReport]:
    """The people of `{split}.json`, "train" or "val" (for the split "test").

    Every mannequin is a person of its own, called by its number.

    Args:
        folder: written by `python -m data_pipelines.mannequin`.
        split: "train" or "test".
        keypoints: "projected", for the drawn ones are rounded to pixels.
        subjects: must be None.
        stride: every how many mannequins one is taken.

    Raises:
        InputError: no such file, one that was not drawn here, or another source of
            keypoints.
    """
    if keypoints != PROJECTED:
        raise InputError(
            f"keypoints is {keypoints!r}, mannequins have {PROJECTED!r} alone"
        )
    if subjects is not None:
        raise InputError("subjects of mannequins have no names; expected none")
    path = expect_path(folder, "train.json" if split == "train" else "val.json")
    content = load_json(path)
    try:
        joints = content["categories"][0]["keypoints_3d"]
        images = {image["id"]: image for image in content["images"]}
        people = content["annotations"]
    except (KeyError, IndexError, TypeError):
        raise InputError(f"{path}: not written by the mannequin generator") from None
    skeleton = Skeleton("mannequin", tuple(joints))
    report = SkipReport(path)
    name = f"mannequins ({os.path.basename(os.path.normpath(folder))})"
    table = TakeTable(name, skeleton, PROJECTED, report)
    for person in people[::stride]:
        image = images[person["image_id"]]
        camera = image["camera"]
        lens = [camera[key] for key in ("fx", "fy", "cx", "cy")]
        table.add(
            np.asarray(person["keypoints_3d"], np.float64)[None],
            None,
            camera=image["id"],
            intrinsics=np.array([*lens, 0, 0, 0, 0, 0]),
            size=(image["height"], image["width"]),
            subject=str(person["id"]),
            action=person["pose_family"],
        )
    return table.finish(), report
