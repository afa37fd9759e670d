"""COCO's OKS average precision for any skeleton that has sigmas.

The OKS of a pose is the mean over the labelled joints i of the ground truth of
exp(-d_i**2 / (2 * area * (2 * k_i)**2)), with k_i the skeleton's sigmas and `area` the
person's segment area in the pixels in which d_i is measured. AP and AR are computed by
pycocotools, over OKS .50:.05:.95 and with at most 20 poses per image.
"""

import contextlib
import dataclasses
import io
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tfpose.errors import InputError
from tfpose.skeletons import Skeleton

__all__ = [
    "PoseMatches",
    "PosePredictions",
    "PoseTruth",
    "match_poses",
    "oks_average_precision",
    "rescore",
]

_STATISTICS = (
    *("AP", "AP50", "AP75", "APM", "APL"),
    *("AR", "AR50", "AR75", "ARM", "ARL"),
)
_MEDIUM = 32**2
_LARGEST = 1e10
_MAX_POSES = 20
_RANGES = {"M": "medium area (32^2 to 96^2 px)", "L": "large area (above 96^2 px)"}


@dataclasses.dataclass(frozen=True)
class PoseTruth:
    """Labelled people, P of them, as arrays.

    Args:
        image_ids: int `[P]`.
        keypoints: `[P, J, 3]` (x, y, visibility), pixels; visibility 0 is absent.
            People without a labelled joint are ignored, as in COCO: a pose of theirs
            counts neither as correct nor as wrong.
        areas: `[P]` segment areas, square pixels; NaN where unknown.
        boxes: `[P, 4]` (x, y, w, h), pixels.
        crowd: bool `[P]`, regions of many people, ignored in the same way; None if
            there are none.
        head_sizes: `[P]` pixels, not used by AP; see `tfpose.metrics.pck.head_size`.
        torso_sizes: `[P]` pixels, not used by AP: the reference lengths of PCK, NaN
            where unknown; None to compute them from the keypoints.
    """

    image_ids: np.ndarray
    keypoints: np.ndarray
    areas: np.ndarray
    boxes: np.ndarray
    crowd: np.ndarray | None = None
    head_sizes: np.ndarray | None = None
    torso_sizes: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class PosePredictions:
    """Predicted people, Q of them, as arrays.

    Args:
        image_ids: int `[Q]`.
        keypoints: `[Q, J, 2]` (x, y), pixels of the image.
        joint_scores: `[Q, J]`; not used by AP.
        person_scores: `[Q]`, by which AP ranks poses; see `rescore`.
    """

    image_ids: np.ndarray
    keypoints: np.ndarray
    joint_scores: np.ndarray
    person_scores: np.ndarray

    @classmethod
    def of_slots(
        cls,
        image_ids: np.ndarray,
        keypoints: np.ndarray,
        joint_scores: np.ndarray,
        person_scores: np.ndarray,
    ) -> "PosePredictions":
        """Of I images with S slots each.

        Args:
            image_ids: int `[I]`.
            keypoints: `[I, S, J, 2]` (x, y), pixels of the images.
            joint_scores: `[I, S, J]`.
            person_scores: `[I, S]`; a slot with 0 or less is empty.
        """
        filled = person_scores > 0
        images, _ = np.nonzero(filled)
        return cls(
            image_ids[images],
            keypoints[filled],
            joint_scores[filled],
            person_scores[filled],
        )


@dataclasses.dataclass(frozen=True)
class PoseMatches:
    """The labelled person that each pose is matched to.

    Attributes:
        rows: int64 `[Q]`, row in the ground truth for each pose; -1 for none.
        counted: bool `[P]`, people who are no crowd and have a labelled joint.
        areas: float64 `[P]`, square pixels; valid at least for the counted people.
        area_source: source of the areas, for reports.
    """

    rows: np.ndarray
    counted: np.ndarray
    areas: np.ndarray
    area_source: str


def rescore(
    box_scores: np.ndarray, joint_scores: np.ndarray, threshold: float = 0.2
) -> np.ndarray:
    """Person scores of top-down pose nets, as in HRNet and SimpleBaseline.

    Args:
        box_scores: `[Q]` of the person detector; 1 for ground-truth boxes.
        joint_scores: `[Q, J]` heatmap maxima.
        threshold: joints with this score or less are not counted.

    Returns:
        `[Q]`: box score times the mean of the counted joint scores, 0 if there is none.
    """
    joint_scores = np.asarray(joint_scores, np.float64)
    counted = joint_scores > threshold
    total = np.where(counted, joint_scores, 0.0).sum(axis=-1)
    return np.asarray(box_scores) * total / np.maximum(counted.sum(axis=-1), 1)


def oks_average_precision(
    truth: PoseTruth,
    predictions: PosePredictions,
    skeleton: Skeleton,
    image_ids: np.ndarray | None = None,
    box_area_factor: float | None = None,
) -> dict[str, Any]:
    """AP and AR by OKS.

    Args:
        truth: labelled people.
        predictions: predicted people.
        skeleton: joints of both; needs sigmas.
        image_ids: all images evaluated, int `[I]`, if some have no labelled person
            (poses on those are wrong); None for the images of the ground truth.
        box_area_factor: where an area is unknown, use this share of the box's area
            instead (0.53 is usual for people). `area_source` then says so.

    Returns:
        Floats in 0..1: AP, AP50, AP75, APM, APL, AR, AR50, AR75, ARM, ARL. A value is
        -1 if no labelled person is in its range of areas; `notes` names these. Also
        `ap_by_oks` (10 values, AP at each of .50:.05:.95), `people` (number of labelled
        people counted), `area_source` and `sigmas_source` (texts) and `notes` (list of
        texts).

    Raises:
        InputError: no sigmas, shapes that do not fit, no labelled person, an unknown
            area without `box_area_factor`, an unknown image, or predictions that are
            not finite.
    """
    evaluation, matches = _prepare(
        truth, predictions, skeleton, image_ids, box_area_factor
    )
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    result: dict[str, Any] = {
        name: float(value)
        for name, value in zip(_STATISTICS, evaluation.stats, strict=True)
    }
    # Axes: thresholds, recalls, categories, area ranges (the first is all), poses.
    precision = evaluation.eval["precision"][:, :, 0, 0, 0]
    result["ap_by_oks"] = precision.mean(axis=1).tolist()
    result["people"] = int(matches.counted.sum())
    result["area_source"] = matches.area_source
    result["sigmas_source"] = skeleton.sigmas_source
    result["notes"] = [
        f"{name} is -1: no labelled person of {_RANGES[name[-1]]}"
        for name in ("APM", "APL", "ARM", "ARL")
        if result[name] < 0
    ]
    return result


def match_poses(
    truth: PoseTruth,
    predictions: PosePredictions,
    skeleton: Skeleton,
    threshold: float,
    image_ids: np.ndarray | None = None,
    box_area_factor: float | None = None,
) -> PoseMatches:
    """Matches poses to people by COCO's rule.

    In each image at most 20 poses, in descending order of their scores, are matched to
    the unmatched person of highest OKS. As in Ronchi and Perona's analysis, people
    below 32^2 px come last, and a pose that is matched to a crowd or to a person
    without a labelled joint is not used: its row is -1, too.

    Args:
        truth: labelled people.
        predictions: predicted people.
        skeleton: joints of both; needs sigmas.
        threshold: smallest OKS of a match, above 0 and at most 1.
        image_ids: see `oks_average_precision`.
        box_area_factor: see `oks_average_precision`.

    Raises:
        InputError: as `oks_average_precision`.
    """
    evaluation, matches = _prepare(
        truth, predictions, skeleton, image_ids, box_area_factor
    )
    evaluation.params.iouThrs = [threshold]
    evaluation.params.areaRng = [[_MEDIUM, _LARGEST]]
    evaluation.params.areaRngLbl = ["all"]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
    for image in filter(None, evaluation.evalImgs):
        # Ids start at 1; 0 means that there is no match.
        numbers = np.asarray(image["dtIds"], np.int64)
        matches.rows[numbers - 1] = image["dtMatches"][0].astype(np.int64) - 1
    matches.rows[~matches.counted[matches.rows]] = -1
    return matches


def _prepare(
    truth: PoseTruth,
    predictions: PosePredictions,
    skeleton: Skeleton,
    image_ids: np.ndarray | None,
    box_area_factor: float | None,
) -> tuple[COCOeval, PoseMatches]:
    """An evaluation of the checked input that has not run, and matches to fill in."""
    if skeleton.sigmas is None:
        raise InputError(
            f"skeleton {skeleton.name!r} has no OKS sigmas; use PCK, or a skeleton "
            "file with sigmas"
        )
    truth, crowd = _checked_truth(truth, skeleton)
    predictions = _checked_predictions(predictions, skeleton)
    known = truth.image_ids if image_ids is None else np.asarray(image_ids)
    _refuse_unknown(truth.image_ids, known, "truth")
    _refuse_unknown(predictions.image_ids, known, "predictions")
    counted = (truth.keypoints[..., 2] > 0).any(axis=1) & ~crowd
    if not counted.any():
        raise InputError("truth has no labelled person, expected at least one")
    areas, area_source = _areas(truth, counted, box_area_factor)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(
            _coco_table(known, _truth_rows(truth, areas, crowd)),
            _coco_table(known, _prediction_rows(predictions)),
            "keypoints",
        )
    evaluation.params.kpt_oks_sigmas = np.array(skeleton.sigmas)
    evaluation.params.maxDets = [_MAX_POSES]
    rows = np.full(len(predictions.image_ids), -1, np.int64)
    return evaluation, PoseMatches(rows, counted, areas, area_source)


def _shaped(name: str, value: Any, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.shape != shape:
        raise InputError(f"{name} has shape {array.shape}, expected {shape}")
    return array.astype(dtype)


def _checked_truth(
    truth: PoseTruth, skeleton: Skeleton
) -> tuple[PoseTruth, np.ndarray]:
    """The ground truth in fixed types, and its crowd flags bool `[P]`."""
    people = len(truth.image_ids)
    crowd = np.zeros(people, bool) if truth.crowd is None else truth.crowd
    crowd = _shaped("truth.crowd", crowd, (people,), bool)
    joints = skeleton.num_joints
    checked = PoseTruth(
        _shaped("truth.image_ids", truth.image_ids, (people,), np.int64),
        _shaped("truth.keypoints", truth.keypoints, (people, joints, 3), np.float64),
        _shaped("truth.areas", truth.areas, (people,), np.float64),
        _shaped("truth.boxes", truth.boxes, (people, 4), np.float64),
    )
    labelled = checked.keypoints[..., 2] > 0
    _refuse_not_finite("truth.keypoints", checked.keypoints[labelled], "labelled")
    _refuse_not_finite("truth.boxes", checked.boxes, "all")
    return checked, crowd


def _checked_predictions(
    predictions: PosePredictions, skeleton: Skeleton
) -> PosePredictions:
    people, joints = len(predictions.image_ids), skeleton.num_joints
    shapes = {
        "image_ids": (people,),
        "keypoints": (people, joints, 2),
        "joint_scores": (people, joints),
        "person_scores": (people,),
    }
    arrays = {}
    for field, shape in shapes.items():
        dtype = np.int64 if field == "image_ids" else np.float64
        name = f"predictions.{field}"
        arrays[field] = _shaped(name, getattr(predictions, field), shape, dtype)
        _refuse_not_finite(name, arrays[field], "all")
    return PosePredictions(**arrays)


def _refuse_not_finite(name: str, values: np.ndarray, which: str) -> None:
    bad = int((~np.isfinite(values)).sum())
    if bad:
        raise InputError(
            f"{name} has {bad} values that are not finite, expected {which} finite"
        )


def _refuse_unknown(ids: np.ndarray, known: np.ndarray, name: str) -> None:
    unknown = np.setdiff1d(ids, known)
    if len(unknown):
        raise InputError(
            f"{name} has {len(unknown)} image ids that are not evaluated, "
            f"the first is {unknown[0]}; are these of the same split?"
        )


def _areas(
    truth: PoseTruth, labelled: np.ndarray, box_area_factor: float | None
) -> tuple[np.ndarray, str]:
    usable = np.isfinite(truth.areas) & (truth.areas > 0)
    unknown = int((labelled & ~usable).sum())
    box_areas = truth.boxes[:, 2] * truth.boxes[:, 3]
    if not unknown:
        # People that COCO ignores still need some finite area.
        return np.where(usable, truth.areas, box_areas), "annotated segment areas"
    if box_area_factor is None:
        raise InputError(
            f"truth.areas is unknown for {unknown} of {int(labelled.sum())} labelled "
            f"people, the first is row {int(np.argmax(labelled & ~usable))}; expected "
            "areas above 0, or a box_area_factor to estimate them"
        )
    if not box_area_factor > 0:
        raise InputError(f"box_area_factor is {box_area_factor}, expected above 0")
    if (box_areas[labelled & ~usable] <= 0).any():
        raise InputError("truth.boxes has empty boxes of people without an area")
    return (
        np.where(usable, truth.areas, box_area_factor * box_areas),
        f"{box_area_factor:g} x box area for {unknown} of {int(labelled.sum())} people",
    )


def _truth_rows(
    truth: PoseTruth, areas: np.ndarray, crowd: np.ndarray
) -> list[dict[str, Any]]:
    return [
        {
            "image_id": int(truth.image_ids[row]),
            "keypoints": truth.keypoints[row].ravel().tolist(),
            "num_keypoints": int((truth.keypoints[row, :, 2] > 0).sum()),
            "area": float(areas[row]),
            "bbox": truth.boxes[row].tolist(),
            "iscrowd": int(crowd[row]),
        }
        for row in range(len(areas))
    ]


def _prediction_rows(predictions: PosePredictions) -> list[dict[str, Any]]:
    low, high = predictions.keypoints.min(axis=1), predictions.keypoints.max(axis=1)
    keypoints = np.concatenate(
        [predictions.keypoints, predictions.joint_scores[..., None]], axis=-1
    )
    return [
        {
            "image_id": int(image_id),
            "keypoints": keypoints[row].ravel().tolist(),
            "score": float(predictions.person_scores[row]),
            "bbox": [*low[row].tolist(), *(high[row] - low[row]).tolist()],
            "area": float(np.prod(high[row] - low[row])),
            "iscrowd": 0,
        }
        for row, image_id in enumerate(predictions.image_ids)
    ]


def _coco_table(image_ids: np.ndarray, rows: list[dict[str, Any]]) -> COCO:
    """A COCO data set with the single category person."""
    table = COCO()
    table.dataset = {
        "images": [{"id": int(image_id)} for image_id in np.unique(image_ids)],
        "categories": [{"id": 1, "name": "person"}],
        "annotations": [
            {**row, "id": number, "category_id": 1}
            for number, row in enumerate(rows, start=1)
        ],
    }
    table.createIndex()
    return table
