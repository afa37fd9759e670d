"""3D scores against the original code, closed forms and edge cases."""

import json

import numpy as np
import pytest

from tests.peers import import_alone, peer_folder
from tfpose.errors import InputError
from tfpose.metrics import mpjpe
from tfpose.metrics.mpjpe import align_positions, score_positions
from tfpose.skeletons import get_skeleton

H36M = get_skeleton("h36m16")


def poses(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Root-relative truths of human size, and predictions 0 to 300 mm off."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(scale=0.4, size=(count, 16, 3))
    predicted = truth * rng.uniform(0.7, 1.3, (count, 1, 1))
    predicted += rng.normal(size=truth.shape) * rng.uniform(0, 0.2, (count, 1, 1))
    return predicted - predicted[:, :1], truth - truth[:, :1]


def rotation(seed: int) -> np.ndarray:
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return rotation * np.sign(np.linalg.det(rotation))


def score(predicted, truth, **options):
    return score_positions(predicted, truth, H36M, keypoint_source="gt", **options)


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_equals_original_code():
    folder = peer_folder("poseaug")
    torch = pytest.importorskip("torch")
    with import_alone(folder, ["utils.loss"]) as modules:
        (original,) = modules
    predicted, truth = poses(500)
    ours = {name: score(predicted, truth, protocol=name) for name in mpjpe.PROTOCOLS}
    tensors = [torch.from_numpy(array) for array in (predicted, truth)]
    unscaled = ours["unscaled"].overall
    assert unscaled.mpjpe == pytest.approx(1000 * float(original.mpjpe(*tensors)))
    assert ours["global_scale"].overall.mpjpe == pytest.approx(
        1000 * float(original.n_mpjpe(*(tensor[:, None] for tensor in tensors)))
    )
    assert ours["procrustes"].overall.mpjpe == pytest.approx(
        1000 * original.p_mpjpe(predicted, truth)
    )
    assert 100 * unscaled.pck == pytest.approx(original.compute_PCK(truth, predicted))
    assert 100 * unscaled.auc == pytest.approx(original.compute_AUC(truth, predicted))
    by_joint = 1000 * original.mpjpe_byjoint(*tensors).numpy()
    np.testing.assert_allclose(
        [joint.mpjpe for joint in ours["unscaled"].per_joint.values()], by_joint
    )


def test_protocols_undo_exactly_what_they_fit():
    _, truth = poses(20)
    scaled = 1.7 * truth
    turned = 0.6 * truth @ rotation(1) + [1.0, 2.0, 3.0]
    assert score(scaled, truth).overall.mpjpe > 100
    assert score(scaled, truth, protocol="global_scale").overall.mpjpe < 1e-9
    assert score(turned, truth, protocol="global_scale").overall.mpjpe > 100
    assert score(turned, truth, protocol="procrustes").overall.mpjpe < 1e-9
    # The root's position is not scored, under no protocol.
    assert score(truth + 5.0, truth).overall.mpjpe < 1e-9


def test_procrustes_does_not_reflect():
    _, truth = poses(20)
    mirrored = truth * [-1.0, 1.0, 1.0]
    assert score(mirrored, truth, protocol="procrustes").overall.mpjpe > 100
    assert score(-truth, truth, protocol="global_scale").overall.mpjpe > 100


def test_procrustes_is_the_best_similarity():
    predicted, truth = poses(4)
    aligned = align_positions(predicted, truth, "procrustes")
    best = np.sum((aligned - truth) ** 2)
    rng = np.random.default_rng(3)
    for _ in range(50):
        turn = np.linalg.qr(np.eye(3) + rng.normal(scale=1e-3, size=(3, 3)))[0]
        turn *= np.sign(np.diag(turn))
        other = aligned @ turn * rng.normal(1, 1e-3) + rng.normal(scale=1e-3, size=3)
        assert np.sum((other - truth) ** 2) >= best


def test_pck_is_strict_and_auc_counts_thresholds():
    truth = np.zeros((1, 16, 3))
    predicted = np.zeros((1, 16, 3))
    predicted[0, 1:5, 0] = [0.150, 0.1499, 0.005, 0.0049]
    scores = score(predicted, truth)
    # 0.15 m and 0.005 m are on thresholds, and so not below them.
    assert [joint.pck for joint in scores.per_joint.values()][:4] == [1, 0, 1, 1]
    passed = [31 * joint.auc for joint in scores.per_joint.values()][:5]
    np.testing.assert_allclose(passed, [30, 0, 1, 29, 30])


def test_by_joint_part_and_action():
    truth = np.zeros((4, 16, 3))
    predicted = np.zeros((4, 16, 3))
    predicted[3, H36M.index("left_wrist")] = [0, 0.16, 0]
    predicted[3, H36M.index("right_wrist")] = [0, 0, 0.08]
    scores = score(
        predicted,
        truth,
        actions=("Eating", "Posing", "Walking"),
        action_index=np.array([0, 0, 0, 2]),
    )
    assert scores.overall.mpjpe == pytest.approx(240 / 64)
    assert scores.per_joint["left_wrist"].mpjpe == pytest.approx(40)
    assert scores.per_part["wrist"].mpjpe == pytest.approx(30)
    assert scores.per_part["wrist"].pck == pytest.approx(7 / 8)
    assert list(scores.per_part) == [
        *("torso", "hip", "knee", "ankle", "head", "shoulder", "elbow", "wrist")
    ]
    assert {name: row.poses for name, row in scores.per_action.items()} == {
        "Eating": 3,
        "Walking": 1,
    }
    assert scores.mean_of_actions == pytest.approx(0.5 * 240 / 16)
    fourteen = score(predicted, truth, joints=H36M.joints[:14])
    assert len(fourteen.joints) == 14
    assert "right_wrist" not in fourteen.per_joint


def test_row_says_what_it_rests_on():
    predicted, truth = poses(3)
    row = score(predicted, truth, protocol="procrustes", flip=True)
    text = str(row)
    for part in ("PA-MPJPE", "16 joints of h36m16", "with flip", "2D from gt"):
        assert part in text
    fields = json.loads(json.dumps(row.to_dict()))
    assert fields["keypoint_source"] == "gt" and fields["flip"] is True
    assert fields["overall"]["mpjpe"] == row.overall.mpjpe
    lsp = get_skeleton("lsp14")
    without_pelvis = score_positions(
        predicted[:, :14], truth[:, :14], lsp, keypoint_source="gt"
    )
    assert row.root == "pelvis" and without_pelvis.root == "neck"


def test_chunks_do_not_change_the_result(monkeypatch):
    predicted, truth = poses(10)
    whole = score(predicted, truth, protocol="procrustes")
    monkeypatch.setattr(mpjpe, "_CHUNK", 3)
    chunked = score(predicted, truth, protocol="procrustes")
    assert chunked.overall.mpjpe == pytest.approx(whole.overall.mpjpe, rel=1e-12)
    assert chunked.overall.pck == whole.overall.pck


def test_prediction_without_extent_is_a_large_error_not_a_nan():
    _, truth = poses(2)
    for protocol in mpjpe.PROTOCOLS:
        row = score(np.zeros_like(truth), truth, protocol=protocol)
        assert 100 < row.overall.mpjpe < 3000


def test_refusals():
    predicted, truth = poses(3)
    broken = predicted.copy()
    broken[1, 2, 0] = np.nan
    for message, call in {
        "1 of 3 poses, the first is pose 1": lambda: score(broken, truth),
        r"expected \(3, 16, 3\)": lambda: score(predicted[:, :15], truth),
        "no pose to score": lambda: score(predicted[:0], truth[:0]),
        "protocol is 'pa'": lambda: score(predicted, truth, protocol="pa"),
        "no joint 'nose'": lambda: score(predicted, truth, joints=["nose"]),
        "joints is empty": lambda: score(predicted, truth, joints=[]),
        "go together": lambda: score(predicted, truth, actions=("Eating",)),
    }.items():
        with pytest.raises(InputError, match=message):
            call()
