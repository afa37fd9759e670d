"""AP on images where people lie over each other a little, some, and much."""

import dataclasses
from typing import TypeVar

import numpy as np

from tfpose.metrics.oks import PosePredictions, PoseTruth, oks_average_precision
from tfpose.skeletons import Skeleton

__all__ = ["CROWDING", "crowding_average_precision"]

Table = TypeVar("Table", PoseTruth, PosePredictions)

CROWDING = {"easy": (0.0, 0.2), "medium": (0.2, 0.8), "hard": (0.8, np.inf)}
"""Least crowd index of an image, and what its index is below, as in CrowdPose's code
and hence in published tables. Its paper (Li et al., CVPR 2019) has 0.1, not 0.2."""


def crowding_average_precision(
    truth: PoseTruth,
    predictions: PosePredictions,
    skeleton: Skeleton,
    image_ids: np.ndarray,
    crowd_indices: np.ndarray,
    box_area_factor: float | None = None,
) -> tuple[dict[str, float], list[str]]:
    """AP by OKS of the images of each level of `CROWDING`.

    Args:
        truth: labelled people.
        predictions: predicted people.
        skeleton: joints of both; needs sigmas.
        image_ids: all images evaluated, int `[I]`.
        crowd_indices: `[I]`, 0..1; NaN where unknown.
        box_area_factor: see `tfpose.metrics.oks.oks_average_precision`.

    Returns:
        AP in 0..1 by the name of the level, and notes. A level without a labelled
        person has no AP; a note says so, and how many images have no index.

    Raises:
        InputError: as `oks_average_precision`.
    """
    found: dict[str, float] = {}
    notes = []
    unknown = int(np.isnan(crowd_indices).sum())
    if unknown:
        notes.append(f"{unknown} images without a crowd index are in no level of it")
    for level, (low, high) in CROWDING.items():
        chosen = image_ids[(crowd_indices >= low) & (crowd_indices < high)]
        people = _rows(truth, np.isin(truth.image_ids, chosen))
        labelled = (people.keypoints[..., 2] > 0).any(axis=1)
        if people.crowd is not None:
            labelled &= ~people.crowd
        if not labelled.any():
            notes.append(f"no AP of {level} images: no labelled person in any")
            continue
        poses = _rows(predictions, np.isin(predictions.image_ids, chosen))
        result = oks_average_precision(people, poses, skeleton, chosen, box_area_factor)
        found[level] = result["AP"]
    return found, notes


def _rows(table: Table, rows: np.ndarray) -> Table:
    columns = {f.name: getattr(table, f.name) for f in dataclasses.fields(table)}
    known = {name: column for name, column in columns.items() if column is not None}
    return dataclasses.replace(table, **{k: v[rows] for k, v in known.items()})
