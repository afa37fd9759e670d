"""What rescores poses: its features, its file, its use."""

import keras
import numpy as np
import pytest

from tests.tiny_dekr import tiny_dekr
from tests.tiny_logocap import tiny_logocap
from tfpose.errors import InputError
from tfpose.logocap.predictor import CentrePredictor
from tfpose.weights.pose_scorers import SCORER_PRESETS, build_scorer_preset


def _poses(size: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    poses = rng.uniform(0, 1, (3, 17, 3))
    poses[..., :2] *= size
    return poses


def _photo() -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 256, (8, 16, 3), np.uint8)
    return coarse.repeat(8, 0).repeat(8, 1)


@pytest.mark.parametrize("name", SCORER_PRESETS)
def test_presets_are_as_told(name):
    scorer = build_scorer_preset(name)
    assert scorer.count_params() == SCORER_PRESETS[name].parameters


def test_features_are_links_in_units_of_the_torso():
    scorer, poses = build_scorer_preset("dekr_scorer"), _poses(300)
    found = np.asarray(scorer.features(poses.astype(np.float32)))
    assert found.shape == (3, 3 * 19 + 17)
    pose = poses[1]
    torso = np.linalg.norm(pose[[5, 6], :2] - pose[[11, 12], :2], axis=1).mean()
    # The link from right elbow to right wrist is the fourteenth.
    link = (pose[8, :2] - pose[10, :2]) / torso
    assert found[1, 26:28] == pytest.approx(link, abs=1e-5)
    assert found[1, 38 + 13] == pytest.approx(np.linalg.norm(link), abs=1e-5)
    assert found[1, 57:] == pytest.approx(pose[:, 2], abs=1e-6)
    # The size and place of a pose do not matter, but no torso is below a pixel.
    moved = poses.copy()
    moved[..., :2] = 2 * moved[..., :2] + 50
    again = np.asarray(scorer.features(moved.astype(np.float32)))
    assert np.allclose(again, found, atol=1e-4)
    small = np.asarray(scorer.features(_poses(0.5).astype(np.float32)))
    assert np.abs(small[:, :38]).max() <= 0.5


def test_a_file_holds_all_of_it(tmp_path):
    scorer, poses = build_scorer_preset("dekr_scorer"), _poses(300)
    scorer.save(tmp_path / "scorer.keras")
    loaded = keras.saving.load_model(tmp_path / "scorer.keras")
    assert loaded.info == scorer.info and loaded.skeleton == scorer.skeleton
    assert np.array_equal(loaded(poses), scorer(poses))


@pytest.mark.parametrize("make", [tiny_dekr, tiny_logocap])
def test_start_poses_of_any_net_without_boxes_are_rescored(make):
    keras.utils.set_random_seed(0)
    net, scorer = make(), build_scorer_preset("dekr_scorer")
    plain = CentrePredictor(net, False, level="none")
    rescored = CentrePredictor(net, False, level="none", pose_scorer=scorer)
    before, after = plain.predict(_photo()), rescored.predict(_photo())
    assert len(before) and np.array_equal(before.poses, after.poses)
    expected = before.person_scores * np.asarray(scorer(before.poses))
    assert np.allclose(after.person_scores, expected, atol=1e-6)
    assert rescored.settings["poses rescored"] == "yes"


def test_other_joints_are_refused():
    scorer = build_scorer_preset("dekr_scorer_crowdpose")
    with pytest.raises(InputError, match="is for joints of crowdpose14, and the net"):
        CentrePredictor(tiny_dekr(), pose_scorer=scorer)
