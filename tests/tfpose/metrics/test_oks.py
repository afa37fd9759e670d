"""OKS AP against a plain NumPy one, on real people, and what it refuses."""

import dataclasses
import json

import numpy as np
import pytest

from tfpose.errors import InputError
from tfpose.metrics.oks import (
    PosePredictions,
    PoseTruth,
    oks_average_precision,
    rescore,
)
from tfpose.skeletons import Skeleton, get_skeleton

LSP = get_skeleton("lsp14")


def _truth(people: int = 60, images: int = 20, skeleton: Skeleton = LSP) -> PoseTruth:
    random = np.random.default_rng(0)
    joints = skeleton.num_joints
    size = random.uniform(20, 200, people)
    origin = random.uniform(0, 400, (people, 1, 2))
    points = origin + size[:, None, None] * random.uniform(size=(people, joints, 2))
    visibility = random.choice([0, 1, 2], (people, joints, 1), p=[0.2, 0.2, 0.6])
    keypoints = np.concatenate([points, visibility], axis=-1)
    keypoints *= visibility > 0
    boxes = np.concatenate([origin[:, 0], np.tile(size[:, None], 2)], axis=1)
    ids = random.integers(0, images, people) * 7 + 3
    return PoseTruth(ids, keypoints, 0.6 * size**2, boxes)


def _predictions(truth: PoseTruth, noise: float) -> PosePredictions:
    random = np.random.default_rng(1)
    spread = noise * np.sqrt(truth.areas)[:, None, None]
    people, joints = truth.keypoints.shape[:2]
    spread = spread * random.uniform(0.2, 2.0, (people, 1, 1))
    offsets = spread * random.normal(size=(people, joints, 2))
    return PosePredictions(
        truth.image_ids,
        truth.keypoints[..., :2] + offsets,
        random.uniform(size=(people, joints)),
        random.permutation(people) / people,
    )


def _plain_average_precision(
    truth: PoseTruth, predictions: PosePredictions, sigmas: tuple[float, ...]
) -> dict[str, float]:
    """Greedy matching by score and 101-point interpolated AP; no crowds, no sizes."""
    order = np.argsort(-predictions.person_scores, kind="stable")
    precisions, recalls = [], []
    for threshold in np.arange(0.5, 0.96, 0.05):
        taken, hits = set(), []
        for q in order:
            best, match = threshold - 1e-9, None
            for p in np.flatnonzero(truth.image_ids == predictions.image_ids[q]):
                seen = truth.keypoints[p, :, 2] > 0
                if p in taken or not seen.any():
                    continue
                offset = predictions.keypoints[q] - truth.keypoints[p, :, :2]
                exponent = (offset**2).sum(-1) / (
                    2 * truth.areas[p] * (2 * np.array(sigmas)) ** 2
                )
                oks = np.exp(-exponent)[seen].mean()
                if oks > best:
                    best, match = oks, p
            hits.append(match is not None)
            taken.add(match)
        true = np.cumsum(hits)
        precision = true / np.arange(1, len(hits) + 1)
        recall = true / (truth.keypoints[..., 2] > 0).any(axis=1).sum()
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        at = np.searchsorted(recall, np.linspace(0, 1, 101), side="left")
        precisions.append(np.append(precision, 0.0)[at].mean())
        recalls.append(recall[-1])
    return {
        "AP": float(np.mean(precisions)),
        "AP50": float(precisions[0]),
        "AP75": float(precisions[5]),
        "AR": float(np.mean(recalls)),
    }


@pytest.mark.parametrize("name", ["lsp14", "coco17", "crowdpose14"])
@pytest.mark.parametrize("noise", [0.03, 0.15])
def test_agrees_with_a_plain_computation(name: str, noise: float, capsys) -> None:
    skeleton = get_skeleton(name)
    truth = _truth(skeleton=skeleton)
    predictions = _predictions(truth, noise)
    result = oks_average_precision(truth, predictions, skeleton)
    expected = _plain_average_precision(truth, predictions, skeleton.sigmas)
    assert 0.02 < expected["AP"] < 0.98
    for figure, value in expected.items():
        assert result[figure] == pytest.approx(value, abs=1e-6), figure
    assert capsys.readouterr().out == ""
    assert result["area_source"] == "annotated segment areas"
    assert result["sigmas_source"] == skeleton.sigmas_source


def test_perfect_predictions_score_one_and_none_score_zero() -> None:
    truth = _truth()
    assert oks_average_precision(truth, _predictions(truth, 0.0), LSP)["AP"] == 1.0
    none = PosePredictions(
        np.zeros(0, int), np.zeros((0, 14, 2)), np.zeros((0, 14)), np.zeros(0)
    )
    result = oks_average_precision(truth, none, LSP)
    assert result["AP"] == 0.0 and result["AR"] == 0.0


def test_poses_on_images_without_people_cost_precision() -> None:
    truth = _truth()
    right = _predictions(truth, 0.0)
    wrong = PosePredictions(
        np.append(right.image_ids, 1),
        np.append(right.keypoints, np.zeros((1, 14, 2)), axis=0),
        np.append(right.joint_scores, np.zeros((1, 14)), axis=0),
        np.append(right.person_scores, 2.0),
    )
    ids = np.append(truth.image_ids, 1)
    assert oks_average_precision(truth, wrong, LSP, image_ids=ids)["AP"] < 0.99
    with pytest.raises(InputError, match="1 image ids .* the first is 1;"):
        oks_average_precision(truth, wrong, LSP)


def test_crowds_and_people_without_labels_are_ignored() -> None:
    truth = _truth()
    predictions = _predictions(truth, 0.0)
    keypoints = truth.keypoints.copy()
    keypoints[:5] = 0
    crowd = np.zeros(60, bool)
    crowd[5:9] = True
    areas = truth.areas.copy()
    areas[:9] = np.nan
    truth = dataclasses.replace(truth, keypoints=keypoints, crowd=crowd, areas=areas)
    right = dataclasses.replace(
        predictions, person_scores=np.where(np.arange(60) < 9, 0.0, 1.0)
    )
    result = oks_average_precision(truth, right, LSP)
    assert result["AP"] == pytest.approx(1.0)
    assert result["people"] == 51


def test_unknown_areas_need_a_named_fallback() -> None:
    truth = _truth()
    areas = truth.areas.copy()
    areas[[3, 8]] = np.nan, 0
    truth = dataclasses.replace(truth, areas=areas)
    predictions = _predictions(_truth(), 0.05)
    with pytest.raises(InputError, match="2 of 60 labelled people, the first is row 3"):
        oks_average_precision(truth, predictions, LSP)
    result = oks_average_precision(truth, predictions, LSP, box_area_factor=0.6)
    assert result["area_source"] == "0.6 x box area for 2 of 60 people"
    known = oks_average_precision(_truth(), predictions, LSP)
    assert result["AP"] == pytest.approx(known["AP"])


def test_minus_one_is_explained() -> None:
    truth = _truth()
    truth = dataclasses.replace(truth, areas=np.full(60, 40.0**2))
    result = oks_average_precision(truth, _predictions(truth, 0.05), LSP)
    assert result["APL"] == -1 and result["APM"] > 0
    assert result["notes"] == [
        "APL is -1: no labelled person of large area (above 96^2 px)",
        "ARL is -1: no labelled person of large area (above 96^2 px)",
    ]


def test_what_does_not_fit_is_refused() -> None:
    truth, predictions = _truth(), _predictions(_truth(), 0.1)
    with pytest.raises(InputError, match="'mpii16' has no OKS sigmas; use PCK"):
        oks_average_precision(truth, predictions, get_skeleton("mpii16"))
    with pytest.raises(InputError, match=r"expected \(60, 17, 3\)"):
        oks_average_precision(truth, predictions, get_skeleton("coco17"))
    keypoints = predictions.keypoints.copy()
    keypoints[2, 3] = np.nan
    broken = dataclasses.replace(predictions, keypoints=keypoints)
    with pytest.raises(InputError, match="predictions.keypoints has 2 values"):
        oks_average_precision(truth, broken, LSP)
    unlabelled = dataclasses.replace(truth, keypoints=np.zeros((60, 14, 3)))
    with pytest.raises(InputError, match="no labelled person"):
        oks_average_precision(unlabelled, predictions, LSP)
    with pytest.raises(InputError, match="box_area_factor is -1"):
        unknown = dataclasses.replace(truth, areas=np.full(60, np.nan))
        oks_average_precision(unknown, predictions, LSP, box_area_factor=-1)


def test_rescoring_is_box_score_times_mean_of_confident_joints() -> None:
    scores = rescore([0.5, 0.5], [[0.9, 0.7, 0.2, 0.1], [0.1, 0.0, 0.2, 0.1]])
    np.testing.assert_allclose(scores, [0.4, 0.0])


def test_real_people_moved_by_one_sigma(shared_data) -> None:
    """Every joint off by d = 2 k sqrt(area): OKS is exp(-1/2) = 0.607 for everyone."""
    coco = get_skeleton("coco17")
    rows = json.loads((shared_data / "coco/train.json").read_text())["annotations"]
    rows = [row for row in rows if row.get("area") and not row.get("iscrowd")]
    keypoints = np.array([row["keypoints"] for row in rows], float).reshape(-1, 17, 3)
    areas = np.array([row["area"] for row in rows], float)
    truth = PoseTruth(
        np.array([row["image_id"] for row in rows]),
        keypoints,
        areas,
        np.array([row["bbox"] for row in rows], float),
    )
    shift = 2 * np.sqrt(areas)[:, None] * np.array(coco.sigmas)
    predicted = keypoints[..., :2] + np.stack([shift, np.zeros_like(shift)], axis=-1)
    labelled = (keypoints[..., 2] > 0).any(axis=1).astype(float)
    predictions = PosePredictions(
        truth.image_ids, predicted, np.ones((len(rows), 17)), labelled
    )
    result = oks_average_precision(truth, predictions, coco)
    # Three of the ten thresholds lie below; a person beside one's own blurs it a bit.
    assert result["AP"] == pytest.approx(0.3, abs=0.01)
    assert result["AP75"] < 0.05 and result["AP50"] > 0.9
