r"""How well a net does by pose, size and occlusion, for its card.

    python -m benchmarks.photo_card --photos=runs/photos \
        --model=tfpose/weights/person.keras

`--photos` is what `benchmarks.photo_labels` wrote. Shares of the twelve joints of arms
and legs that are within 0.2 of the torso's diagonal, true boxes, flip test: of LSPET's
validation people by pose, and of the COCO photos that were kept by size and by whether
a joint is hidden.
"""

import pathlib

import numpy as np
from absl import app, flags

from benchmarks.photo_scores import LIMBS, on_limbs
from data_pipelines.people import PoseDataset
from data_pipelines.readers.datasets import load_dataset
from data_pipelines.top_down import labelled_people
from tfpose.cli.dataset_people import find_people
from tfpose.cli.models import load_predictor
from tfpose.metrics.pck import correct_keypoints, torso_size

__all__ = ["groups_by_pose", "groups_of_joints", "main"]

_PHOTOS = flags.DEFINE_string("photos", "runs/photos", "Folder of `photo_labels`.")
_MODEL = flags.DEFINE_string("model", "", "A `.keras` net; empty for the one shipped.")

# Degrees between the torso and upright; a person lies between them.
_UPRIGHT, _UPSIDE_DOWN = 45.0, 135.0
# Longer side of a box, pixels of the photo.
_SIZES = (0, 96, 192, np.inf)


def groups_by_pose(labels: np.ndarray) -> dict[str, np.ndarray]:
    """People `[P, 12, 3]` by where the torso points: bool `[P]` each."""
    middles, known = [], np.ones(len(labels), bool)
    for name in ("shoulder", "hip"):
        pair = [LIMBS.index(f"{side}_{name}") for side in ("left", "right")]
        known &= (labels[:, pair, 2] > 0).all(axis=1)
        middles.append(labels[:, pair, :2].mean(axis=1))
    up = middles[0] - middles[1]
    angle = np.degrees(np.arctan2(np.abs(up[:, 0]), -up[:, 1]))
    return {
        "upright": known & (angle <= _UPRIGHT),
        "lying": known & (angle > _UPRIGHT) & (angle < _UPSIDE_DOWN),
        "upside down": known & (angle >= _UPSIDE_DOWN),
    }


def groups_of_joints(labels: np.ndarray, boxes: np.ndarray) -> dict[str, np.ndarray]:
    """Joints of people `[P, 12, 3]` by the person's size and by occlusion: bool
    `[P, 12]` each.
    """
    side = boxes[:, 2:].max(axis=1)
    groups = {}
    for low, high in zip(_SIZES, _SIZES[1:], strict=False):
        name = f"{low} to {high} pixels" if np.isfinite(high) else f"above {low} pixels"
        inside = (side > low) & (side <= high)
        groups[name] = np.repeat(inside[:, None], labels.shape[1], axis=1)
    return {**groups, "seen": labels[..., 2] == 2, "hidden": labels[..., 2] == 1}


def _found(people: PoseDataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels `[P, 12, 3]`, and which joints are right and which are counted."""
    predictor = load_predictor(_MODEL.value)
    found = on_limbs(find_people(predictor, people).keypoints, predictor.skeleton)
    labels = on_limbs(people.keypoints, people.skeleton)
    right, counted = correct_keypoints(found, labels, torso_size(labels, LIMBS))
    return labels, right, counted


def _show(name: str, right: np.ndarray, counted: np.ndarray) -> None:
    share = 100 * right[counted].mean() if counted.any() else float("nan")
    print(f"| {name} | {int(counted.sum())} | {share:.1f} |", flush=True)


def main(argv: list[str]) -> None:
    """Prints the table."""
    photos = pathlib.Path(_PHOTOS.value)
    print("| | joints | PCK@0.2 |\n|---|---:|---:|")
    labels, right, counted = _found(load_dataset("coco_format", photos, "val"))
    _show("LSPET, all", right, counted)
    for name, group in groups_by_pose(labels).items():
        _show(f"LSPET, {name}", right, counted & group[:, None])
    people = labelled_people(load_dataset("coco_format", photos / "kept", "val"))
    labels, right, counted = _found(people)
    _show("COCO, all", right, counted)
    for name, joints in groups_of_joints(labels, people.boxes).items():
        _show(f"COCO, {name}", right, counted & joints)


if __name__ == "__main__":
    app.run(main)
