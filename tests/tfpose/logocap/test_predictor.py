"""From pictures to people: protocol, flip test, levels, slots."""

import keras
import numpy as np
import pytest

from tests.tiny_logocap import tiny_logocap
from tfpose.codecs.flip import flip_keypoints
from tfpose.errors import InputError
from tfpose.logocap.net import LogoCapNet
from tfpose.logocap.predictor import CentrePredictor


@pytest.fixture(scope="module")
def net() -> LogoCapNet:
    keras.utils.set_random_seed(0)
    return tiny_logocap(slots=12)


def _photo(height: int = 64, width: int = 128) -> np.ndarray:
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    return coarse.repeat(8, 0).repeat(8, 1)[:height, :width]


def test_the_flip_test_makes_mirrored_pictures_alike(net):
    predictor = CentrePredictor(net, level="none")
    photo = _photo()
    poses, _ = predictor.candidates(photo)
    mirrored, _ = predictor.candidates(photo[:, ::-1].copy())
    back = np.asarray(
        flip_keypoints(mirrored.astype(np.float32), 128, predictor.skeleton)
    )
    assert len(poses) == len(back) == 12
    # Of places only: values beyond the right border are read unlike those beyond the
    # left one.
    apart = np.abs(back[:, None, :, :2] - poses[..., :2]).max(axis=(2, 3))
    assert apart.min(axis=0).max() < 0.01 and apart.min(axis=1).max() < 0.01
    alone, _ = CentrePredictor(net, False, level="none").candidates(photo)
    assert alone.shape != poses.shape or not np.allclose(alone, poses, atol=1)


def test_levels_and_short_side_are_told_and_used(net):
    photo = _photo(96, 200)
    found = {}
    for level in ("none", "partial", "full"):
        predictor = CentrePredictor(net, level=level)
        assert predictor.settings["adaptation to the picture"] == level
        found[level] = predictor.candidates(photo)[0]
    assert not np.allclose(found["none"][0], found["partial"][0], atol=0.1)
    assert not np.allclose(found["full"][0], found["partial"][0], atol=0.1)
    larger = CentrePredictor(net, short_side=100)
    assert larger.settings["short side"] == 100
    assert larger.candidates(photo)[0].shape[1:] == (17, 3)


def test_few_people_take_few_slots_and_the_second_picture_is_compiled(net):
    used = []

    def compiler(function):
        def told(*arguments):
            used.append((function.__name__, arguments[-1]))
            return function(*arguments)

        return told

    photo = _photo()
    predictor = CentrePredictor(net, compiler=compiler)
    first = predictor.predict(photo)
    assert not used
    second = predictor.predict(photo)
    assert np.array_equal(first.poses, second.poses) and len(first)
    assert np.allclose(first.boxes[:, :2], first.keypoints.min(axis=1))
    (find, _), (adapt, start) = used
    assert (find, adapt) == ("find", "adapt") and start.filled.shape == (1, 12)
    # As if only the three best were people.
    fourth = float(start.scores[0, 3])
    net.threshold, kept = fourth + 1e-6, net.threshold
    try:
        few, scores = predictor.candidates(photo)
    finally:
        net.threshold = kept
    assert used[-1][1].filled.shape == (1, 5)
    all_poses, _ = predictor.candidates(photo)
    assert len(few) == 3 and np.allclose(few, all_poses[:3], atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 1), (7, 900), (700, 20)])
def test_pictures_of_any_size_are_looked_at(net, shape):
    people = CentrePredictor(net, False, level="none").predict(_photo(*shape))
    assert np.isfinite(people.poses).all()


def test_what_cannot_be_used_is_refused(net):
    with pytest.raises(InputError, match="level is 'half', expected one of none"):
        CentrePredictor(net, level="half")
    with pytest.raises(InputError, match="short_side is 0"):
        CentrePredictor(net, short_side=0)
    with pytest.raises(InputError, match="finds people by itself, expected none"):
        CentrePredictor(net).predict(_photo(), np.array([[0, 0, 5, 5]]))
    silent = tiny_logocap(slots=2)
    silent.info = {}
    with pytest.raises(InputError, match="its info has no short_side"):
        CentrePredictor(silent)
