"""The figures that a 2D pose net is judged by, as far as the labels allow."""

import numpy as np

from tfpose.errors import InputError
from tfpose.metrics.oks import (
    PosePredictions,
    PoseTruth,
    oks_average_precision,
    rescore,
)
from tfpose.metrics.pck import box_size, pck, torso_size
from tfpose.skeletons import Skeleton

__all__ = ["pck_scores", "pose_scores"]


def pose_scores(
    truth: PoseTruth,
    skeleton: Skeleton,
    keypoints: np.ndarray,
    joint_scores: np.ndarray,
) -> tuple[dict[str, float], list[str]]:
    """PCK@0.2 and OKS AP of one prediction for each true person (true boxes).

    Args:
      truth: P labelled people.
      skeleton: joints of both.
      keypoints: `[P, J, 2]` (x, y) predicted, in the photo's pixels, in truth's order.
      joint_scores: `[P, J]`, heights of the heatmaps' peaks.

    Returns:
      The figures, in 0..1: `pck` (all keypoints), `pck_mean` (mean over joints) and,
      where the skeleton has sigmas and all areas are known, `ap`, `ap50`, `ap75`; and
      notes that say which reference length, sigmas and boxes they rest on, and what
      is missing and why.
    """
    figures, notes = pck_scores(truth, skeleton, keypoints)
    notes.insert(0, "boxes: ground truth")
    predictions = PosePredictions(
        image_ids=truth.image_ids,
        keypoints=keypoints,
        joint_scores=joint_scores,
        person_scores=rescore(np.ones(len(keypoints)), joint_scores),
    )
    try:
        result = oks_average_precision(truth, predictions, skeleton)
    except InputError as error:
        notes.append(f"no ap: {error}")
        return figures, notes
    figures |= {name.lower(): result[name] for name in ("AP", "AP50", "AP75")}
    notes.append(f"ap: sigmas {result['sigmas_source']}; areas {result['area_source']}")
    return figures, notes + result["notes"]


def pck_scores(
    truth: PoseTruth, skeleton: Skeleton, keypoints: np.ndarray
) -> tuple[dict[str, float], list[str]]:
    """`pck` and `pck_mean` of `pose_scores`, and the notes on them."""
    notes = []
    try:
        reference = torso_size(truth.keypoints, skeleton)
        length = "torso's diagonal"
        notes.append(f"pck: within 0.2 of the {length} (shoulder to opposite hip)")
    except InputError:
        reference = box_size(truth.boxes)
        length = "box's longer side"
        notes.append(f"pck: within 0.2 of the {length}, there being no torso")
    found = pck(keypoints, truth.keypoints, reference)
    if found.excluded:
        notes.append(f"pck: {found.excluded} people without a {length} left out")
    figures = {"pck": found.overall, "pck_mean": found.mean}
    return figures, notes
