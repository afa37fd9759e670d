"""Samples and loss as the originals' own code makes them of the same draws.

Needs their checkouts in TFPOSE_PEERS, and PyTorch; skipped without.
"""

import copy
import dataclasses
import types

import numpy as np
import pytest

from data_pipelines import top_down
from data_pipelines.top_down import PoseAugmentation, TopDownTraining
from tests.peers import import_alone, peer_folder
from tfpose.codecs.heatmap import HeatmapCodec
from tfpose.top_down.crop import box_regions
from tfpose.top_down.loss import keypoint_loss

SIZE = (256, 192)
BOX = np.array([[40.0, 30.0, 150.0, 240.0]])
ALIGNMENTS = {
    "hrnet": ("official", True),
    "simple_baseline": ("official", True),
    "tokenpose": ("tokenpose", False),
}


@dataclasses.dataclass
class Draws:
    """Random numbers of one sample."""

    half: bool = False
    prefer_upper: bool = True
    scale: float = 0.0
    turn: float = 0.0
    turned: bool = True
    mirror: bool = False

    def of_theirs(self, half_bodies: bool) -> tuple[dict, dict]:
        """What their NumPy and their `random` give, in the order of asking."""
        chosen = self.half and half_bodies
        normals = [-1.0 if self.prefer_upper else 1.0] * chosen + [self.scale]
        # Their angles turn the other way, and after the mirror, ours before it.
        normals += [self.turn if self.mirror else -self.turn] * self.turned
        uniforms = iter([0.1 if self.turned else 0.9, 0.1 if self.mirror else 0.9])
        normals = iter(normals)
        return (
            {"rand": lambda: 0.1 if self.half else 0.9, "randn": lambda: next(normals)},
            {"random": lambda: next(uniforms)},
        )

    def permutation(self, count):
        return np.arange(count)

    def standard_normal(self, shape):
        prefer = -1.0 if self.prefer_upper else 1.0
        rows = [[prefer], [self.scale], [self.turn]]
        return np.array(rows) if shape[0] == 3 else np.zeros(shape)

    def random(self, shape):
        low = np.array([self.half, self.turned, self.mirror])
        return np.where(low, 0.1, 0.9)[:, None] if shape == (3, 1) else np.ones(shape)


CASES = {
    "plain": Draws(turned=False),
    "scale": Draws(scale=0.8, turned=False),
    "scale over the bound": Draws(scale=-3.0, turned=False),
    "turn": Draws(turn=0.7),
    "turn over the bound": Draws(turn=2.5),
    "mirror": Draws(mirror=True, turned=False),
    "upper half": Draws(half=True, turned=False),
    "lower half": Draws(half=True, prefer_upper=False, turned=False),
    "all": Draws(True, True, 0.4, -0.9, True, True),
}


@pytest.fixture
def people(people_on):
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 255, (16, 13, 3), dtype=np.uint8)
    picture = np.kron(coarse, np.ones((20, 20, 1), np.uint8))
    keypoints = np.full((1, 17, 3), 2.0)
    keypoints[0, :, :2] = rng.uniform((30, 20), (200, 280), (17, 2))
    keypoints[0, [2, 9]] = 0
    # One far outside of most crops.
    keypoints[0, 16, :2] = (5, 315)
    return people_on([picture], BOX, keypoints)


def their_sample(module, people, draws: Draws, monkeypatch):
    """Input `[H, W, 3]`, targets `[J, h, w]` and their weights `[J]`."""
    data = object.__new__(module.JointsDataset)
    half_bodies = hasattr(module.JointsDataset, "half_body_transform")
    alignment = "tokenpose" if "adjust_target_weight" in dir(data) else "official"
    centres, sizes = box_regions(BOX, SIZE, alignment=alignment)
    joints = people.keypoints[0].astype(np.float64)
    vars(data).update(
        num_joints=17,
        pixel_std=200,
        aspect_ratio=SIZE[1] / SIZE[0],
        flip_pairs=people.skeleton.flip_pairs,
        upper_body_ids=range(11),
        is_train=True,
        data_format="jpg",
        scale_factor=0.35,
        rotation_factor=45,
        flip=True,
        num_joints_half_body=8,
        prob_half_body=0.3,
        color_rgb=True,
        target_type="gaussian",
        image_size=np.array(SIZE[::-1]),
        heatmap_size=np.array(SIZE[::-1]) // 4,
        sigma=2,
        use_different_joints_weight=False,
        transform=None,
        db=[
            {
                "image": people.images.describe(0),
                "center": centres[0].copy(),
                "scale": sizes[0] / 200,
                "joints_3d": np.column_stack([joints[:, :2], np.zeros(17)]),
                "joints_3d_vis": np.repeat(joints[:, 2:] > 0, 3, 1).astype(float),
            }
        ],
    )
    ours, others = draws.of_theirs(half_bodies)
    with monkeypatch.context() as patch:
        for name, value in ours.items():
            patch.setattr(np.random, name, value)
        patch.setattr(module, "random", types.SimpleNamespace(**others))
        image, target, weight, _ = data[0]
    return image, target.numpy(), weight.numpy()[:, 0]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ALIGNMENTS)
def test_samples_are_theirs(name, case, people, monkeypatch):
    draws, (alignment, rounded) = CASES[case], ALIGNMENTS[name]
    if name == "simple_baseline":
        draws = dataclasses.replace(draws, half=False)
    names = ["dataset.JointsDataset", "utils.transforms"]
    with import_alone(peer_folder(name) / "lib", names) as (module, _):
        image, target, weights = their_sample(module, people, draws, monkeypatch)
    monkeypatch.setattr(top_down, "epoch_rng", lambda *_: copy.copy(draws))
    augmentation = PoseAugmentation(half_body_centre="mean")
    sample = TopDownTraining(people, SIZE, 1, 0, augmentation, 0.0, alignment)(0)
    difference = np.abs(sample["image"].astype(int) - image)
    if name == "simple_baseline":
        # Reads blue first, and gives it so to the net.
        difference = np.abs(sample["image"][..., ::-1].astype(int) - image)
    # Blocks of one colour: a pixel on an edge may fall to the other side.
    assert np.mean(difference > 2) < 5e-3
    codec = HeatmapCodec(SIZE, sigma=2, alignment=alignment, rounded=rounded)
    keypoints, given = sample["keypoints"][None], sample["weights"][None]
    given = given * np.asarray(codec.reaches(keypoints))
    np.testing.assert_array_equal(given[0], weights)
    drawn = np.asarray(codec.encode(keypoints, given))[0].transpose(2, 0, 1)
    np.testing.assert_allclose(drawn, target, atol=1e-4)


@pytest.mark.parametrize("name", ALIGNMENTS)
def test_loss_is_theirs(name):
    rng = np.random.default_rng(0)
    predicted, target = rng.random((2, 3, 8, 6, 17)).astype(np.float32)
    weights = rng.integers(0, 2, (3, 17)).astype(np.float32)
    with import_alone(peer_folder(name) / "lib", ["core.loss"]) as (module,):
        torch = pytest.importorskip("torch")

        given = [
            torch.from_numpy(np.ascontiguousarray(each.transpose(0, 3, 1, 2)))
            for each in (predicted, target)
        ]
        loss = module.JointsMSELoss(use_target_weight=True)
        expected = float(loss(*given, torch.from_numpy(weights[..., None])))
    ours = np.mean(keypoint_loss(predicted, target, weights))
    assert float(ours) == pytest.approx(expected, rel=1e-5)
