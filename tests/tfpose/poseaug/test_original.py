"""The networks and losses give the released code's numbers, with its weights.

Needs the checkout `poseaug` of jfzhang95/PoseAug (TFPOSE_PEERS) and PyTorch; skipped
otherwise.
"""

import types

import numpy as np
import pytest

from tests.peers import import_alone, peer_folder
from tfpose.poseaug.augmentor import NOISE, Augmentor
from tfpose.poseaug.body import Body
from tfpose.poseaug.discriminators import KeypointDiscriminator, PartDiscriminator
from tfpose.poseaug.loss import bounded_feedback, range_regulariser
from tfpose.skeletons import get_skeleton

SKELETON = get_skeleton("h36m16")
CODE = {
    "generator": "models_poseaug.gan_generator",
    "discriminators": "models_poseaug.PosDiscriminator",
    "losses": "utils.loss",
}


@pytest.fixture(scope="module")
def original():
    folder = peer_folder("poseaug")
    torch = pytest.importorskip("torch")

    def to_matrix(turns):
        """What the package named below gives, by PyTorch's own exponential."""
        x, y, z = turns.unbind(-1)
        zero = torch.zeros_like(x)
        rows = [zero, -z, y, z, zero, -x, -y, x, zero]
        cross = torch.stack(rows, -1).reshape(-1, 3, 3)
        return torch.linalg.matrix_exp(cross)

    absent = {"torchalignment": {"angle_axis_to_rotation_matrix": to_matrix}}
    with import_alone(folder, list(CODE.values()), absent) as modules:
        yield types.SimpleNamespace(**dict(zip(CODE, modules, strict=True)))


def poses(count=64) -> np.ndarray:
    """Bodies of random limbs, some metres away."""
    rng = np.random.default_rng(0)
    positions = np.zeros((count, 16, 3))
    positions[:, 0] = rng.normal((0, 0, 5), 0.5, (count, 3))
    for joint, parent in enumerate(SKELETON.parents):
        if parent >= 0:
            limb = rng.normal(0, 0.2, (count, 3)) + [0, 0.1, 0]
            positions[:, joint] = positions[:, parent] + limb
    return positions.astype(np.float32)


def disturb(module, seed=0) -> None:
    torch = pytest.importorskip("torch")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5, generator=generator)
            elif tensor.is_floating_point():
                scale = tensor.shape[-1] ** -0.5 if tensor.ndim > 1 else 0.3
                noise = torch.randn(tensor.shape, generator=generator) * scale
                tensor.copy_(noise if tensor.ndim > 1 else tensor + noise)


def tensors(module):
    """Weights of the dense layers and norms in it, in the order they are listed in."""
    torch = pytest.importorskip("torch")
    for layer in module.modules():
        if isinstance(layer, torch.nn.Linear | torch.nn.BatchNorm1d):
            state = [x.numpy() for x in layer.state_dict().values() if x.ndim]
            yield [state[0].T, *state[1:]] if state[0].ndim == 2 else state


def copy(layers, values) -> None:
    for layer, weights in zip(layers, values, strict=True):
        layer.set_weights(weights)


def test_augmentor(original, monkeypatch):
    torch = pytest.importorskip("torch")
    theirs = original.generator.PoseGenerator(
        types.SimpleNamespace(blr_tanhlimit=0.2), 48
    )
    disturb(theirs)
    ours = Augmentor(SKELETON)
    trainable = sum(p.numel() for p in theirs.parameters())
    assert trainable == sum(np.prod(w.shape) for w in ours.trainable_weights)
    parts = {
        ours.angle_net: [theirs.BAprocess],
        ours.length_net: [theirs.BLprocess],
        ours.rotation_net: [theirs.RTprocess, "_R"],
        ours.translation_net: [theirs.RTprocess, "_T"],
    }
    for net, (module, *side) in parts.items():
        layers = dict(module.named_children())
        names = ["w1", "batch_norm1", "linear_stages", "w2"]
        if module is theirs.BLprocess:
            names = ["w1_BL", "batch_norm_BL", "linear_stages_BL", "w2_BL"]
        if side:
            names = [
                f"{n}{side[0]}" for n in ("w1", "batch_norm", "linear_stages", "w2")
            ]
        chosen = torch.nn.Sequential(*[layers[name] for name in names])
        *hidden, last = tensors(chosen)
        if module is theirs.BAprocess:
            # Their limbs point to the parent, ours to the child.
            last = [-weights for weights in last]
        # A block lists dense, norm, dense, norm, as ours do.
        copy([*net.hidden, net.last], [*hidden, last])
    positions = poses()
    noise = np.random.default_rng(1).normal(size=(64, 4, NOISE)).astype(np.float32)
    given = iter(list(noise.transpose(1, 0, 2)) * 2)
    monkeypatch.setattr(torch, "randn", lambda *a, **k: torch.tensor(next(given)))
    for training in (False, True):
        theirs.train(training)
        with torch.no_grad():
            expected = theirs(torch.tensor(positions))
        found = ours(positions, noise, training=training)
        for name, value in {
            "pose_ba": found.rotated,
            "ba_diff": found.angle_change,
            "pose_bl": found.stretched,
            "blr": found.lengths,
            "pose_rt": found.positions,
        }.items():
            np.testing.assert_allclose(
                value, expected[name].numpy(), atol=3e-5, err_msg=name
            )
    monkeypatch.undo()
    angles = torch.tensor(np.asarray(found.angle_change))
    lengths = torch.tensor(np.asarray(found.lengths))
    losses = original.losses
    loss = losses.diff_range_loss(angles.mean(-1), 0.205, 0.165)
    loss += losses.rectifiedL2loss(lengths, 0.1)
    np.testing.assert_allclose(range_regulariser(found), loss, rtol=1e-5)


def test_discriminator_of_parts(original):
    torch = pytest.importorskip("torch")
    theirs = original.discriminators.Pos3dDiscriminator(16)
    disturb(theirs)
    ours = PartDiscriminator(SKELETON)
    positions = poses()
    ours(positions)
    assert ours.count_params() == sum(p.numel() for p in theirs.parameters())
    # Theirs are arms, then the right leg (which they call left), the left, the torso.
    ends = ["left_wrist", "right_wrist", "right_ankle", "left_ankle"]
    limbs = [Body(SKELETON).limbs.index(SKELETON.index(end)) for end in ends]
    places = [
        next((place for place, limb in enumerate(limbs) if limb in part), 4)
        for part in Body(SKELETON).parts
    ]
    for place, discriminator in zip(places, ours.discriminators, strict=True):
        layers = [
            discriminator.first,
            discriminator.second,
            discriminator.third,
            discriminator.fourth,
            discriminator.last,
        ]
        copy(layers, tensors(getattr(theirs, f"kcs_path_{place + 1}")))
    with torch.no_grad():
        expected = theirs(torch.tensor(positions)).numpy()
    np.testing.assert_allclose(ours(positions), expected[:, places], atol=1e-5)


def test_discriminator_of_keypoints(original):
    torch = pytest.importorskip("torch")
    theirs = original.discriminators.Pos2dDiscriminator(16)
    disturb(theirs)
    ours = KeypointDiscriminator()
    keypoints = poses()[..., :2]
    ours(keypoints)
    copy([*ours.hidden, ours.last], tensors(theirs))
    with torch.no_grad():
        expected = theirs(torch.tensor(keypoints)).numpy()
    np.testing.assert_allclose(ours(keypoints), expected, atol=1e-5)


def test_feedback(original):
    """Written out as in `get_feedback_loss`, around the original's own range loss."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    harder, easier = rng.uniform(0.01, 0.5, (2, 32, 16)).astype(np.float32)
    weights = [1, 5, 2, 1, 5, 2, 1, 1, 1, 1, 5, 2, 1, 5, 2, 1]
    groups = [[1, 4, 10, 13], [2, 5, 9, 11, 14], [3, 6, 12, 15]]
    ratios = [
        (harder * weights)[:, g].mean(-1) / (easier * weights)[:, g].mean(-1)
        for g in groups
    ]
    expected = original.losses.diff_range_loss(
        torch.tensor(np.stack(ratios, -1)), 4.0, 2.0
    )
    found = bounded_feedback(harder, easier, 4.0, 2.0, Body(SKELETON))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
