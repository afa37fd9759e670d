"""A small set of bodies before cameras, in the mannequins' form."""

import json
from pathlib import Path

import numpy as np

from tfpose.skeletons import get_skeleton

__all__ = ["write_pairs"]

SKELETON = get_skeleton("h36m16")
# Metres from parent to joint of somebody who stands before the camera.
_STANDING = {
    "right_hip": (-0.13, 0, 0),
    "left_hip": (0.13, 0, 0),
    "right_knee": (0, 0.44, 0),
    "left_knee": (0, 0.44, 0),
    "right_ankle": (0, 0.44, 0),
    "left_ankle": (0, 0.44, 0),
    "spine": (0, -0.24, 0),
    "thorax": (0, -0.25, 0),
    "head_top": (0, -0.28, 0),
    "right_shoulder": (-0.15, 0, 0),
    "left_shoulder": (0.15, 0, 0),
    "right_elbow": (0, 0.28, 0),
    "left_elbow": (0, 0.28, 0),
    "right_wrist": (0, 0.25, 0),
    "left_wrist": (0, 0.25, 0),
}


def _body(rng: np.random.Generator) -> np.ndarray:
    """Somebody with bent limbs, turned about the vertical, some metres away."""
    angle = rng.uniform(-np.pi, np.pi)
    turn = np.array(
        [
            [np.cos(angle), 0, np.sin(angle)],
            [0, 1, 0],
            [-np.sin(angle), 0, np.cos(angle)],
        ]
    )
    positions = np.zeros((SKELETON.num_joints, 3))
    for joint, parent in enumerate(SKELETON.parents):
        if parent >= 0:
            limb = np.array(_STANDING[SKELETON.joints[joint]])
            length = np.linalg.norm(limb)
            limb = limb + rng.normal(0, 0.35 * length, 3)
            limb *= length / np.linalg.norm(limb)
            positions[joint] = positions[parent] + turn @ limb
    return positions + rng.normal((0, 0, 5), (0.5, 0.2, 0.5))


def write_pairs(folder: Path, counts: dict[str, int]) -> Path:
    """One body an image of 1000 x 1000 pixels."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for split, count in counts.items():
        camera = {"fx": 1150.0, "fy": 1150.0, "cx": 499.5, "cy": 499.5}
        size = {"height": 1000, "width": 1000}
        rows = range(1, count + 1)
        content = {
            "images": [{"id": row, "camera": camera, **size} for row in rows],
            "annotations": [
                {
                    "id": row,
                    "image_id": row,
                    "pose_family": "stand",
                    "keypoints_3d": _body(rng).round(5).tolist(),
                }
                for row in rows
            ],
            "categories": [{"id": 1, "keypoints_3d": list(SKELETON.joints)}],
        }
        (folder / f"{split}.json").write_text(json.dumps(content))
    return folder
