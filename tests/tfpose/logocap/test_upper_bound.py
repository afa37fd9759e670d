"""The best poses of local maps are what labels say, and the command's rows follow."""

import json

import cv2
import numpy as np
import pytest
from keras import ops

from tests.drawn_crowd import draw_crowd
from tests.tiny_logocap import drawn_dense, tiny_logocap
from tfpose.cli.commands import main
from tfpose.logocap.expansion import expand_poses
from tfpose.logocap.predictor import CentrePredictor
from tfpose.logocap.upper_bound import best_poses
from tfpose.skeletons import get_skeleton

SIGMAS = np.asarray(get_skeleton("coco17").sigmas)
SIDE = 256


@pytest.fixture(scope="module")
def crowd() -> tuple[np.ndarray, np.ndarray]:
    """Two people, all labelled, and their areas."""
    rng = np.random.default_rng(2)
    keypoints, _, areas = draw_crowd(rng, 2, 2, SIDE)
    points = rng.uniform(60, SIDE - 60, (2, 17, 2))
    keypoints[..., :2], keypoints[..., 2] = points, 2
    return keypoints, areas


def _places(start: np.ndarray) -> np.ndarray:
    """`[S, 11, 11, J, 2]` around `[S, J, 2]`."""
    poses = ops.convert_to_tensor(start[None].astype(np.float32))
    return np.asarray(expand_poses(poses, SIGMAS / SIGMAS.min()))[0]


def test_each_joint_comes_as_near_as_its_grid_allows(crowd):
    keypoints, areas = crowd
    scales = SIGMAS / SIGMAS.min()
    rng = np.random.default_rng(0)
    # In the other order than the people, each joint off by up to four places.
    start = keypoints[::-1, :, :2] + rng.uniform(-4, 4, (2, 17, 2)) * scales[:, None]
    places = _places(start)
    found = best_poses(places, keypoints, areas, SIGMAS, whole=False)
    off = np.abs(found - keypoints[::-1, :, :2])
    assert (off <= 0.5 * scales[:, None] + 1e-3).all()
    # One place for all joints cannot undo errors of each joint's own.
    whole = best_poses(places, keypoints, areas, SIGMAS, whole=True)
    moved = (whole - start) / scales[:, None]
    np.testing.assert_allclose(
        moved, np.broadcast_to(moved[:, :1], moved.shape), atol=1e-3
    )
    assert np.abs(whole - keypoints[::-1, :, :2]).mean() > 3 * off.mean()


def test_a_joint_without_a_label_stays_where_it_is(crowd):
    keypoints, areas = crowd
    hidden = keypoints[:1].copy()
    hidden[0, 4, 2] = 0
    scales = (SIGMAS / SIGMAS.min()).astype(np.float32)
    start = keypoints[:1, :, :2] + 3 * scales[:, None]
    places = _places(start)
    found = best_poses(places, hidden, areas[:1], SIGMAS, whole=False)
    np.testing.assert_allclose(found[0, 4], start[0, 4], atol=1e-3)
    assert np.abs(found[0, 5] - keypoints[0, 5, :2]).max() < scales[5]
    nobody = best_poses(places, keypoints[:0], areas[:0], SIGMAS, whole=True)
    np.testing.assert_allclose(nobody, start, atol=1e-3)


def test_the_rows_of_the_command(crowd, tmp_path, monkeypatch, capsys):
    keypoints, areas = crowd
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), np.zeros((SIDE, SIDE, 3), np.uint8))
    people = []
    for person, (points, area) in enumerate(zip(keypoints, areas, strict=True)):
        low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
        people.append(
            {
                "id": person + 1,
                "image_id": 1,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": [*map(float, low), *map(float, high - low)],
                "area": float(area),
                "num_keypoints": 17,
                "keypoints": points.astype(float).ravel().tolist(),
            }
        )
    skeleton = get_skeleton("coco17")
    labels = {
        "images": [{"id": 1, "file_name": "a.png", "width": SIDE, "height": SIDE}],
        "annotations": people,
        "categories": [{"id": 1, "name": "person", "keypoints": list(skeleton.joints)}],
    }
    (tmp_path / "val.json").write_text(json.dumps(labels))
    net = tiny_logocap(slots=2)
    net.save(tmp_path / "net.keras")
    wrong = 9 * np.random.default_rng(1).choice([-1, 1], (2, 17, 2))
    dense = drawn_dense(keypoints[..., :2], (SIDE, SIDE), wrong)
    monkeypatch.setattr(
        CentrePredictor, "find", lambda self, _: (dense, self.net.start_poses(dense))
    )
    main(
        [
            "upper_bound",
            f"--model={tmp_path / 'net.keras'}",
            f"--data_dir={tmp_path}",
            f"--short_side={SIDE}",
            f"--out={tmp_path / 'bound.json'}",
        ]
    )
    found = json.loads((tmp_path / "bound.json").read_text())
    assert "bound of each joint" in capsys.readouterr().out
    none, whole, each = (
        found[name]["ap"] for name in ("none", "bound of a pose", "bound of each joint")
    )
    assert none < each and whole < each


def test_another_net_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["upper_bound", f"--model={tmp_path / 'no.keras'}", "--data_dir=nowhere"])
    assert stop.value.code == 2
    assert "no.keras" in capsys.readouterr().err
