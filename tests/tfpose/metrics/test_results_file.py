"""COCO result files: there and back, as pycocotools reads them, and refusals."""

import json

import numpy as np
import pytest
from pycocotools.coco import COCO

from tfpose.errors import InputError
from tfpose.metrics.oks import PosePredictions
from tfpose.metrics.results_file import read_results, write_results
from tfpose.skeletons import get_skeleton

COCO17 = get_skeleton("coco17")


def _poses(count: int = 5) -> PosePredictions:
    rng = np.random.default_rng(0)
    return PosePredictions(
        np.array([785, 785, 40083, 196141, 197388])[:count],
        rng.uniform(-5, 600, (count, 17, 2)),
        rng.uniform(size=(count, 17)).astype(np.float32),
        rng.uniform(size=count),
    )


def test_there_and_back(tmp_path):
    poses = _poses()
    write_results(tmp_path / "deep" / "poses.json", poses)
    found = read_results(tmp_path / "deep" / "poses.json", COCO17)
    assert np.array_equal(found.image_ids, poses.image_ids)
    assert np.abs(found.keypoints - poses.keypoints).max() <= 5.1e-5
    assert np.array_equal(found.joint_scores, poses.joint_scores)
    assert np.array_equal(found.person_scores, poses.person_scores)


def test_coco_reads_it(shared_data, tmp_path, capsys):
    truth = COCO(str(shared_data / "formats" / "coco" / "test_coco.json"))
    poses = _poses()
    boxes = np.arange(20).reshape(5, 4) + 0.5
    write_results(tmp_path / "poses.json", poses, boxes)
    loaded = truth.loadRes(str(tmp_path / "poses.json"))
    assert len(loaded.anns) == 5
    for row, annotation in enumerate(loaded.dataset["annotations"]):
        points = np.reshape(annotation["keypoints"], (17, 3))
        assert np.allclose(points[:, :2], poses.keypoints[row], atol=1e-4)
        assert annotation["score"] == poses.person_scores[row]
    assert json.loads((tmp_path / "poses.json").read_text())[1]["bbox"] == [
        *(4.5, 5.5, 6.5, 7.5)
    ]


def test_none_are_none(tmp_path):
    none = PosePredictions(
        np.zeros(0, int), np.zeros((0, 17, 2)), np.zeros((0, 17)), np.zeros(0)
    )
    write_results(tmp_path / "none.json", none)
    assert len(read_results(tmp_path / "none.json", COCO17).image_ids) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_id": "785"}, "record 1: image_id is '785', expected an integer"),
        ({"image_id": None}, "record 1: image_id is None"),
        ({"category_id": 2}, "record 1: category_id is 2, expected 1, person"),
        (
            {"keypoints": [0.0] * 42},
            "has 42 values of keypoints, expected 51, .*coco17",
        ),
        ({"keypoints": "x"}, "record 1: has 'x' values"),
        ({"keypoints": [float("nan")] * 51}, "not a finite number"),
        ({"keypoints": [True] * 51}, "not a finite number"),
        ({"score": None}, "not a finite number"),
        ({"score": ...}, "record 1: has no score"),
    ],
)
def test_bad_records_are_named(tmp_path, change, message):
    path = tmp_path / "poses.json"
    write_results(path, _poses())
    records = json.loads(path.read_text())
    records[1] = {k: v for k, v in {**records[1], **change}.items() if v is not ...}
    path.write_text(json.dumps(records))
    with pytest.raises(InputError, match=message) as error:
        read_results(path, COCO17)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "poses.json"
    for text, message in (("{}", "has a dict at the top"), ("[1", "not JSON")):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read_results(path, COCO17)
    path.write_text("[3]")
    with pytest.raises(InputError, match="record 0: is a int"):
        read_results(path, COCO17)
    with pytest.raises(InputError, match="none.json: not readable"):
        read_results(tmp_path / "none.json", COCO17)
