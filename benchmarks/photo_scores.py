"""PCK and AP of the twelve joints of arms and legs that all sets of joints have."""

import dataclasses

import numpy as np

from benchmarks.teacher_rules import upside_down
from data_pipelines.people import PoseDataset
from data_pipelines.top_down import labelled_people, pose_truth
from tfpose.cli.dataset_people import find_people
from tfpose.errors import InputError
from tfpose.metrics.oks import PosePredictions, oks_average_precision, rescore
from tfpose.metrics.pck import pck, torso_size
from tfpose.predictors import Predictor
from tfpose.skeletons import Skeleton, convert_keypoints, get_skeleton

__all__ = ["LIMBS", "average_precision", "on_limbs", "pck_by_pose"]

_COCO = get_skeleton("coco17")
_FIRST = _COCO.index("left_shoulder")
LIMBS = Skeleton(
    "limbs12", _COCO.joints[_FIRST:], (), _COCO.sigmas[_FIRST:], _COCO.sigmas_source
)
"""COCO's joints without the face; LSP's without neck and head."""


def on_limbs(keypoints: np.ndarray, skeleton: Skeleton) -> np.ndarray:
    """Keypoints or labels `[..., J, D]` as those of `LIMBS`, by their names.

    Raises:
        InputError: the skeleton lacks one of them.
    """
    found, missing = convert_keypoints(keypoints, skeleton, LIMBS)
    if missing:
        raise InputError(f"skeleton {skeleton.name!r} has no {', '.join(missing)}")
    return found


def pck_by_pose(predictor: Predictor, people: PoseDataset) -> tuple[float, float]:
    """PCK@0.2 of the torso's diagonal in true boxes: all people, those upside down."""
    found = on_limbs(find_people(predictor, people).keypoints, predictor.skeleton)
    labels = on_limbs(people.keypoints, people.skeleton)
    size = torso_size(labels, LIMBS)
    turned = upside_down(convert_keypoints(labels, LIMBS, _COCO)[0])
    return (
        pck(found, labels, size).overall,
        pck(found[turned], labels[turned], size[turned]).overall,
    )


def average_precision(predictor: Predictor, people: PoseDataset) -> float:
    """OKS AP over all images, in true boxes where the predictor wants boxes."""
    boxes = labelled_people(people) if predictor.wants_boxes else people
    found = find_people(predictor, boxes)
    scores = on_limbs(found.joint_scores[..., None], predictor.skeleton)[..., 0]
    ranks = found.person_scores
    if predictor.wants_boxes:
        ranks = rescore(np.ones(len(found)), scores)
    predictions = PosePredictions(
        image_ids=people.image_ids[found.image_index],
        keypoints=on_limbs(found.keypoints, predictor.skeleton),
        joint_scores=scores,
        person_scores=ranks,
    )
    truth = pose_truth(people)
    labels = on_limbs(people.keypoints, people.skeleton)
    truth = dataclasses.replace(truth, keypoints=labels)
    return oks_average_precision(truth, predictions, LIMBS, people.image_ids)["AP"]
