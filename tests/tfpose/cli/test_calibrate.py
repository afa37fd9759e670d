"""What a net's scores mean, measured, told and kept in its file."""

import json

import cv2
import numpy as np
import pytest

from tests.tfpose.noisy_net import make_noisy_net
from tfpose.cli import calibrate as module
from tfpose.cli import dataset_people
from tfpose.cli.commands import main
from tfpose.cli.models import load_predictor
from tfpose.top_down.crop import transform_points


@pytest.fixture
def knowing(monkeypatch):
    """A net whose first seven joints are right, with 0.75, the others wrong, with
    0.375.

    Of joints that have no label it is as certain as of the others.
    """

    def locate(predictor, sampler):
        points = sampler.people.keypoints[..., :2].astype(float)
        points[:, 7:] += 300
        scores = np.full(points.shape[:2], 0.375, np.float32)
        scores[:, :7] = 0.75
        return transform_points(sampler.matrices, points), scores

    monkeypatch.setattr(dataset_people, "_locate", locate)


def test_a_net_learns_what_its_scores_mean(
    knowing, pose_model, few_athletes, tmp_path, capsys
):
    out = tmp_path / "out"
    assert load_predictor(pose_model).score_threshold == 0.2
    arguments = [f"--model={pose_model}", f"--data_dir={few_athletes(12)}"]
    main(["calibrate", *arguments, f"--out={out}"])
    assert f"score_threshold 0.38; in {out}" in capsys.readouterr().out
    told = json.loads((out / "reliability.json").read_text())
    assert told["people"].startswith("12 people of ")
    assert told["right"] == "within 0.2 of the torso's diagonal"
    assert (told["right_above"], told["right_below"]) == (1, 0)
    bins = {row["from"]: row for row in told["bins"]}
    assert (bins[0.7]["right"], bins[0.3]["right"], bins[0.1]["right"]) == (1, 0, None)
    page = (out / "reliability.md").read_text()
    assert "| 0.7 to 0.8 | " in page and " | 100 % | " in page
    assert cv2.imread(str(out / "reliability.png")).shape[1] > 500
    # The same net, that knows.
    before, after = (load_predictor(p) for p in (pose_model, str(out / "model.keras")))
    assert after.score_threshold == 0.38
    for one, other in zip(
        before.net.get_weights(), after.net.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_what_cannot_be_compared_is_refused(
    pose_model, shared_data, tmp_path, capsys, monkeypatch
):
    def refused(*arguments):
        with pytest.raises(SystemExit) as stop:
            main(["calibrate", *arguments, f"--out={tmp_path}"])
        assert stop.value.code == 2
        return capsys.readouterr().err.strip().splitlines()[-1]

    data = [f"--data_dir={shared_data / 'coco'}", "--split=train"]
    monkeypatch.setattr(module, "load_predictor", lambda path: make_noisy_net())
    assert "expected a net that looks into people's boxes" in refused(*data)
