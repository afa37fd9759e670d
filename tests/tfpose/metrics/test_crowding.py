"""AP by crowd index, on CrowdPose's own records."""

import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from data_pipelines.readers.coco_format import read_coco
from data_pipelines.top_down import pose_truth
from tfpose.metrics.crowding import crowding_average_precision
from tfpose.metrics.oks import PosePredictions


@pytest.fixture(scope="module")
def records(shared_data):
    return shared_data / "formats" / "crowdpose"


@pytest.fixture(scope="module")
def people(records):
    return read_coco(records / "test_crowdpose.json", records)[0]


def _found(people, noise: float) -> PosePredictions:
    rng = np.random.default_rng(0)
    labelled = people.num_labelled > 0
    points = people.keypoints[labelled, :, :2]
    count = len(points)
    return PosePredictions(
        people.image_ids[people.image_index[labelled]],
        points + rng.normal(0, noise, points.shape),
        np.ones(points.shape[:2]),
        rng.uniform(size=count),
    )


def _levels(people, indices, noise: float = 12.0):
    return crowding_average_precision(
        pose_truth(people),
        _found(people, noise),
        people.skeleton,
        people.image_ids,
        np.array(indices),
        box_area_factor=0.53,
    )


def test_the_records_say_how_crowded_their_images_are(people):
    assert people.crowd_indices == pytest.approx([0.33, 0.39])


def test_levels_are_cocos_ap_of_their_images(people, records):
    """As CrowdPose's code has it: COCO's evaluation of some of the images."""
    found, notes = _levels(people, [0.1, 0.9])
    table = json.loads((records / "test_crowdpose.json").read_text())
    for annotation in table["annotations"]:
        annotation["area"] = 0.53 * np.prod(annotation["bbox"][2:])
    poses = _found(people, 12.0)
    rows = [
        {
            "image_id": int(image_id),
            "category_id": 1,
            "keypoints": np.pad(pose, ((0, 0), (0, 1))).ravel().tolist(),
            "score": float(score),
        }
        for image_id, pose, score in zip(
            poses.image_ids, poses.keypoints, poses.person_scores, strict=True
        )
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = table
        truth.createIndex()
        scored = COCOeval(truth, truth.loadRes(rows), "keypoints")
        scored.params.kpt_oks_sigmas = np.array(people.skeleton.sigmas)
        for level, image_id in zip(("easy", "hard"), people.image_ids, strict=True):
            scored.params.imgIds = [int(image_id)]
            scored.evaluate()
            scored.accumulate()
            scored.summarize()
            assert found[level] == pytest.approx(scored.stats[0], abs=1e-9)
    assert 0 < found["hard"] != found["easy"] > 0
    assert notes == ["no AP of medium images: no labelled person in any"]


@pytest.mark.parametrize(
    ("index", "level"),
    [(0, "easy"), (0.19, "easy"), (0.2, "medium"), (0.79, "medium"), (0.8, "hard")],
)
def test_borders_are_those_of_crowdposes_code(people, index, level):
    found, _ = _levels(people, np.full(2, index, np.float32))
    assert list(found) == [level]


def test_images_without_an_index_are_told(people):
    found, notes = _levels(people, [np.nan, 1.0])
    assert list(found) == ["hard"]
    assert notes[0] == "1 images without a crowd index are in no level of it"
