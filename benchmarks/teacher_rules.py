"""What is taken from a teacher's poses, and what from the labels that there are.

Poses are of COCO's 17 joints. Labels are `[P, 17, 3]` (x, y, visibility) and a
teacher's poses `[P, 17, 3]` (x, y, score), pixels of the photo.
"""

from typing import Any

import numpy as np

from benchmarks.coco_file import person_record
from data_pipelines.multi_person import BOX_AREA_FACTOR
from tfpose.metrics.pck import torso_size
from tfpose.skeletons import get_skeleton

__all__ = [
    "ARMS",
    "FACE",
    "LEGS",
    "SKELETON",
    "add_faces",
    "from_teacher",
    "mend_sides",
    "other_people",
    "upside_down",
]

SKELETON = get_skeleton("coco17")
FACE = tuple(
    SKELETON.index(name)
    for name in ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
)
_NOSE, *_SIDED = FACE
_EYES = (SKELETON.index("left_eye"), SKELETON.index("right_eye"))


def _pairs(*names: str) -> tuple[tuple[int, int], ...]:
    return tuple(
        (SKELETON.index(f"left_{name}"), SKELETON.index(f"right_{name}"))
        for name in names
    )


ARMS, LEGS = _pairs("shoulder", "elbow", "wrist"), _pairs("hip", "knee", "ankle")
"""(left, right) joints of both arms and both legs."""

# Two points are one within this share of the torso, as of PCK.
_AGREE = 0.2
# Scores of a person, and of a joint, from which there may be somebody, there surely is
# somebody, and the joint is taken.
_MAYBE, _CERTAIN, _JOINT = 0.1, 0.3, 0.3
_LEAST_JOINTS = 6
# Share of the smaller box from which two are of one person.
_SAME = 0.6
# Joints of the face are this near to the head's middle, in lengths of the head.
_HEAD_REACH = 1.0


def upside_down(labels: np.ndarray) -> np.ndarray:
    """Bool `[P]`: shoulders below the hips, where both are labelled."""
    middles, known = [], np.ones(len(labels), bool)
    for name in ("shoulder", "hip"):
        pair = [SKELETON.index(f"{side}_{name}") for side in ("left", "right")]
        seen = labels[:, pair, 2] > 0
        known &= seen.any(axis=1)
        middles.append(
            (labels[:, pair, 1] * seen).sum(axis=1) / seen.sum(axis=1).clip(1)
        )
    return known & (middles[0] > middles[1])


def mend_sides(
    labels: np.ndarray, teacher: np.ndarray, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Swaps left and right of arms or legs that the teacher has the other way round.

    A pair of joints is the other way round if both are labelled, the teacher is sure
    of both, and they agree (within a fifth of the torso) once swapped, and not before.
    Both arms are swapped whole if one of their pairs is like that and none agrees as it
    is, and so are both legs: single joints that change sides would cross the limbs.

    The teacher is asked only where it is sure of nose and eyes, as it takes backs for
    fronts, and not of people upside down, where it is weak: those keep their labels.

    Args:
        labels: what there is. Without a torso nothing is swapped.
        teacher: its poses.
        threshold: least score of a joint that the teacher is sure of.

    Returns:
        The labels, mended, and whose arms and whose legs were, bool `[P, 2]`.
    """
    faces = (teacher[:, (_NOSE, *_EYES), 2] >= threshold).all(axis=1)
    asked = faces & ~upside_down(labels)
    mended, swapped = labels.copy(), np.zeros((len(labels), 2), bool)
    for column, pairs in enumerate((ARMS, LEGS)):
        views = [_agreement(labels, teacher, pair, threshold) for pair in pairs]
        straight, crossed = (np.any(view, axis=0) for view in zip(*views, strict=True))
        wrong = swapped[:, column] = asked & crossed & ~straight
        for left, right in pairs:
            mended[wrong, left] = labels[wrong, right]
            mended[wrong, right] = labels[wrong, left]
    return mended, swapped


def _agreement(
    labels: np.ndarray, teacher: np.ndarray, pair: tuple[int, int], threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Whether labels and teacher agree on a pair as it is, and only once swapped.

    Bool `[P]` each; pairs that agree both ways, or are not known, are neither.
    """
    limit = _AGREE * torso_size(labels, SKELETON)[:, None]
    there, taught = labels[:, pair], teacher[:, pair]
    known = ((there[..., 2] > 0) & (taught[..., 2] >= threshold)).all(axis=1)
    near = [
        np.linalg.norm(ends[..., :2] - taught[..., :2], axis=-1) <= limit
        for ends in (there, there[:, ::-1])
    ]
    straight, crossed = near
    return (
        known & straight.all(axis=1) & ~crossed.any(axis=1),
        known & crossed.all(axis=1) & ~straight.any(axis=1),
    )


def add_faces(
    labels: np.ndarray, teacher: np.ndarray, heads: np.ndarray, threshold: float
) -> np.ndarray:
    """The labels with the teacher's nose, eyes and ears where it is sure of them.

    Of people whose shoulders it has the other way round, the nose alone is taken.

    Args:
        labels: what there is; their own faces are replaced.
        teacher: its poses.
        heads: `[P, 2, 3]` (x, y, visibility), labelled neck and top of the head: a
            joint farther from their middle than the head is long is not of this face.
            Where one is not labelled, nothing is asked.
        threshold: least score of a joint.
    """
    middle = heads[..., :2].mean(axis=1, keepdims=True)
    length = np.linalg.norm(heads[:, 0, :2] - heads[:, 1, :2], axis=-1)
    distance = np.linalg.norm(teacher[..., :2] - middle, axis=-1)
    near = distance <= _HEAD_REACH * length[:, None]
    near |= ~(heads[..., 2] > 0).all(axis=1)[:, None]
    taken = near & (teacher[..., 2] >= threshold)
    _, crossed = _agreement(labels, teacher, ARMS[0], threshold)
    taken[np.ix_(crossed, _SIDED)] = False
    filled = labels.copy()
    filled[:, FACE] = _as_labels(teacher, taken)[:, FACE]
    return filled


def from_teacher(
    teacher: np.ndarray, sizes: np.ndarray, threshold: float
) -> np.ndarray:
    """Labels of people who have none: the teacher's joints that it is sure of.

    Args:
        teacher: its poses.
        sizes: `[P, 2]`, (height, width) of the photos, pixels: a joint outside is
            absent.
        threshold: least score of a joint.
    """
    inside = (teacher[..., :2] >= -0.5) & (
        teacher[..., :2] <= sizes[:, None, ::-1] - 0.5
    )
    return _as_labels(teacher, inside.all(axis=2) & (teacher[..., 2] >= threshold))


def _as_labels(poses: np.ndarray, there: np.ndarray) -> np.ndarray:
    labels = poses.copy()
    labels[..., 2] = 2
    labels[~there] = 0
    return labels


def other_people(
    found: np.ndarray, boxes: np.ndarray, size: tuple[int, int]
) -> list[dict[str, Any]]:
    """Records of people whom a teacher found beside those who are labelled.

    Whom it is sure of has its joints; others have none, so that no loss counts them.

    Args:
        found: `[N, 18, 3]`, see `benchmarks.photo_set.found_people`.
        boxes: `[P, 4]` (x, y, w, h) of the labelled people: who has a box like one of
            these is that person.
        size: (height, width) of the photo, pixels.
    """
    records = []
    for person in found:
        labels, score = person[:-1].copy(), person[-1, 0]
        there = labels[:, 2] >= _JOINT
        if score < _MAYBE or there.sum() < 2:
            continue
        low = labels[there, :2].min(axis=0).clip(0)
        high = np.minimum(labels[there, :2].max(axis=0), np.array(size[::-1]) - 1)
        # Joints lie within the body: a box is wider.
        margin = 0.1 * (high - low).max()
        low, high = (low - margin).clip(0), np.minimum(high + margin, size[::-1])
        box = np.append(low, high - low)
        if (box[2:] <= 1).any() or (_overlaps(box, boxes) > _SAME).any():
            continue
        labels = from_teacher(labels[None], np.array([size]), _JOINT)[0]
        count = int((labels[:, 2] > 0).sum())
        if score < _CERTAIN or count < _LEAST_JOINTS:
            labels[:] = 0
        area = BOX_AREA_FACTOR * box[2] * box[3]
        records.append(person_record(box, area, labels))
    return records


def _overlaps(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """`[P]`: shared area of a box and others, as a share of the smaller one's."""
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[:2] + box[2:], boxes[:, :2] + boxes[:, 2:])
    shared = (high - low).clip(0).prod(axis=1)
    return shared / np.minimum(box[2] * box[3], boxes[:, 2] * boxes[:, 3]).clip(1e-9)
