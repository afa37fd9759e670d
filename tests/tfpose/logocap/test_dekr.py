"""DEKR's net: how it reads maps, files, XLA, LiteRT.

That its maps and people are the official code's is `benchmarks.peer_dekr`.
"""

import keras
import numpy as np
import pytest

from tests.tfpose.logocap.compiled import litert_answer, xla_answer
from tests.tiny_dekr import tiny_dekr
from tfpose.errors import InputError
from tfpose.logocap.dekr import DekrNet
from tfpose.logocap.picture import Placement
from tfpose.logocap.predictor import CentrePredictor
from tfpose.logocap.suppression import read_slots
from tfpose.skeletons import Skeleton


@pytest.fixture(scope="module")
def net() -> DekrNet:
    keras.utils.set_random_seed(0)
    return tiny_dekr()


def _pixels(batch: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (batch, 64, 96, 3), np.uint8)


def _peaks(size: tuple[int, int], cells: dict[tuple[int, int], float]) -> np.ndarray:
    centre_map = np.zeros((1, *size, 1), np.float32)
    for (row, column), height in cells.items():
        centre_map[0, row, column] = height
    return centre_map


def test_centres_are_cells_and_farther_apart_on_large_maps(net):
    cells = {(5, 5): 0.9, (5, 7): 0.8, (5, 8): 0.7, (9, 30): 0.5}

    def found(height: int, width: int) -> list[list[float]]:
        places, heights = net.find_centres(_peaks((height, width), cells))
        return np.asarray(places)[0][np.asarray(heights)[0] > 0].tolist()

    first, second, last = [20, 20], [28, 20], [120, 36]
    assert found(16, 32) == found(16, 384) == [first, second, last]
    # Within two cells, above a mean side of 200.
    assert found(16, 386) == [first, last]
    cells |= {(5, 7): 0.0}
    assert found(16, 386) == [first, [32, 20], last]
    # Within three cells, above one of 300.
    assert found(16, 592) == [first, last]


def test_values_are_of_the_pixel_that_a_joint_is_in(net):
    rng = np.random.default_rng(0)
    heatmaps = rng.normal(size=(1, 6, 8, 17)).astype(np.float32)
    keypoints = rng.uniform(-3, 34, (1, 2, 17, 2)).astype(np.float32)
    keypoints[0, 0, :2] = [[8.9, 20.2], [31.9, 23.9]]
    found = np.asarray(net.joint_values(heatmaps, keypoints))
    assert found[0, 0, 0] == pytest.approx(heatmaps[0, 5, 2, 0], abs=1e-6)
    assert found[0, 0, 1] == pytest.approx(heatmaps[0, 5, 7, 1], abs=1e-6)
    # Pixel 4c is cell c, and pixels between are between.
    wide = np.arange(32) / 4
    for slot, joint in np.ndindex(2, 17):
        x, y = np.clip(np.floor(keypoints[0, slot, joint]), 0, [31, 23]).astype(int)
        rows = [np.interp(wide, np.arange(8), row) for row in heatmaps[0, ..., joint]]
        column = np.interp(np.arange(24) / 4, np.arange(6), np.array(rows)[:, x])
        assert found[0, slot, joint] == pytest.approx(column[y], abs=1e-5)


def test_mirror_images_are_moved_to_where_cells_mirror_cells(net):
    pixels = np.arange(32, dtype=np.float32).reshape(1, 1, 32, 1)
    mirrored = np.asarray(net.mirror(pixels))[0, 0, :, 0]
    assert mirrored[::4].tolist() == pixels[0, 0, ::4, 0][::-1].tolist()
    assert mirrored[-3:].tolist() == [2, 1, 0]


def test_of_poses_on_each_other_the_best_joints_win(net):
    predictor = CentrePredictor(net, False)
    photo = _pixels()[0]
    poses, scores, ranks = predictor._ranked(photo)
    heights = scores / ranks
    assert len(poses) and (np.diff(heights) <= 1e-6).all()
    dense, start = predictor.find(Placement.of(64, 96, 64).place(photo)[None])
    values = net.joint_values(dense.heatmaps[..., :-1], start.keypoints)
    expected = np.mean(values, axis=-1)[0]
    kept = np.asarray(start.filled)[0] & (expected > 0)
    assert np.allclose(ranks, expected[kept], atol=1e-5)
    # The one of the lower centre, and with it the lower score.
    twice = np.repeat(poses[:1], 2, axis=0)
    found, score = read_slots(twice, np.array([0.6, 0.5]), np.array([0.7, 0.8]))
    assert len(found) == 1 and score.tolist() == [0.5]


def test_there_is_no_adaptation(net):
    assert CentrePredictor(net).settings["adaptation to the picture"] == "none"
    with pytest.raises(InputError, match="level is 'full', expected none, the net's o"):
        CentrePredictor(net, level="full")


def test_a_file_holds_all_of_it_and_any_joints_do(tmp_path):
    net = tiny_dekr(skeleton="crowdpose14")
    net.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    assert isinstance(loaded, DekrNet) and loaded.info == net.info
    pixels = _pixels()
    poses, scores = loaded(pixels)
    assert poses.shape == (1, 6, 14, 3) and np.asarray(scores).max() > 0
    assert np.array_equal(poses, net(pixels)[0])


def test_joints_have_branches_of_their_own(net):
    pixels = _pixels()
    before = net.dense(pixels)
    kernel = net.dense_model.get_layer("joint3_block1_conv").kernel
    kept = np.asarray(kernel)
    kernel.assign(kept + 1)
    after = net.dense(pixels)
    kernel.assign(kept)
    changed = np.abs(np.asarray(after.offsets) - before.offsets).max(axis=(0, 1, 2, 4))
    assert np.flatnonzero(changed > 1e-4).tolist() == [3]
    assert np.array_equal(after.heatmaps, before.heatmaps)


def _alike(found: tuple, expected: tuple) -> None:
    """The same poses, but for values of joints that are in either of two pixels."""
    (poses, scores), (theirs, their_scores) = found, expected
    poses, theirs = np.asarray(poses), np.asarray(theirs)
    assert np.allclose(poses[..., :2], theirs[..., :2], atol=1e-2)
    inside = np.abs(theirs[..., :2] - np.round(theirs[..., :2])).min(axis=-1) > 1e-2
    assert np.allclose(poses[inside, 2], theirs[inside, 2], atol=1e-3)
    sure = inside.all(axis=-1)
    assert sure.any() and inside.mean() > 0.7
    assert np.allclose(scores[sure], np.asarray(their_scores)[sure], atol=1e-3)


@pytest.fixture(scope="module")
def few() -> DekrNet:
    """Of three joints, so that it is compiled fast."""
    return tiny_dekr(skeleton=Skeleton("three", ("nose", "l_wrist", "r_wrist")))


@pytest.mark.slow
def test_xla_finds_the_same(few):
    pixels = _pixels(2)
    _alike(xla_answer(few, pixels), few(pixels))


@pytest.mark.slow
def test_litert_finds_the_same_with_built_in_operators(few):
    pixels = _pixels()
    _alike(litert_answer(few, pixels), few(pixels))
