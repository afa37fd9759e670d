"""Whether pose pairs are what a reader takes them for.

Datasets of 3D poses come in many conversions, and a wrong unit, axis or joint order
trains without a complaint and scores like a bad model. Four things hold for bodies
seen by cameras, and each breaks under some of those faults:

    bones have human lengths, equal on both sides    unit, joint order
    people are before the camera, most head up       frame
    knees bend forward                               left and right, mirrored frame
    the 3D projects onto the 2D                      frame, camera, joint order, pairing
"""

import numpy as np

from data_pipelines.lifting.cameras import project_points
from data_pipelines.lifting.poses import LiftingDataset
from tfpose.errors import InputError

__all__ = ["check_poses"]

# Metres, infants to giants, and markers or joint centres alike.
_BONES = {
    ("hip", "knee"): (0.20, 0.65),
    ("knee", "ankle"): (0.20, 0.65),
    ("shoulder", "elbow"): (0.12, 0.45),
    ("elbow", "wrist"): (0.10, 0.42),
}
_SIDES_RATIO = 1.25
# Poses looked at per camera, evenly spaced.
_LOOKED_AT = 2000
# The share of poses that may stand behind their camera: none but glitches.
_BEHIND = 0.01


def check_poses(
    dataset: LiftingDataset, where: str, max_error: float | None = None
) -> None:
    """Refuses poses that no camera can have seen of a human.

    Args:
        dataset: poses to look at; joints that it lacks are not asked for.
        where: file or folder, for the message.
        max_error: how far, in px, the 3D may project from the 2D in the median of a
            camera's joints, in an image of 1000 px (width and height in the mean; in
            proportion in others). None does not look.

    Raises:
        InputError: says in one line what does not hold, and what that hints at.
    """
    if not len(dataset):
        raise InputError(f"{where}: no poses")
    for camera in np.unique(dataset.camera_index):
        rows = np.flatnonzero(dataset.camera_index == camera)
        rows = rows[
            np.linspace(0, len(rows) - 1, min(len(rows), _LOOKED_AT)).astype(int)
        ]
        part = dataset.select(rows)
        seen = f"{where}: {_description(part)}"
        _check_lengths(part, seen)
        _check_frame(part, seen)
        if max_error is not None:
            _check_projection(part, seen, max_error)
    _check_sides(dataset, where)


def _description(part: LiftingDataset) -> str:
    subject = part.subjects[part.subject_index[0]]
    action = part.actions[part.action_index[0]]
    return f"camera {part.camera_index[0]} ({subject} {action}, ...)"


def _joints(part: LiftingDataset, name: str) -> np.ndarray | None:
    """float64 `[N, 2, 3]`, left and right; None where the skeleton lacks one."""
    names = [f"left_{name}", f"right_{name}"]
    if not set(names) <= set(part.skeleton.joints):
        return None
    rows = [part.skeleton.index(joint) for joint in names]
    return part.positions[:, rows].astype(np.float64)


def _check_lengths(part: LiftingDataset, seen: str) -> None:
    for (upper, lower), (least, most) in _BONES.items():
        ends = _joints(part, upper), _joints(part, lower)
        if ends[0] is None or ends[1] is None:
            continue
        left, right = np.median(np.linalg.norm(ends[0] - ends[1], axis=-1), axis=0)
        for side, length in (("left", left), ("right", right)):
            if not least <= length <= most:
                raise InputError(
                    f"{seen}: {side} {upper} to {lower} is {length:.4g} m, expected "
                    f"{least} to {most}; {_length_hint(length, least, most)}"
                )
        if max(left, right) > _SIDES_RATIO * min(left, right):
            raise InputError(
                f"{seen}: {upper} to {lower} is {left:.3f} m on the left and "
                f"{right:.3f} m on the right; another joint order?"
            )


def _length_hint(length: float, least: float, most: float) -> str:
    for factor, unit in (
        (1000, "millimetres"),
        (100, "centimetres"),
        (39.37, "inches"),
    ):
        if least <= length / factor <= most:
            return f"are these {unit}?"
    return "another unit or joint order?"


def _check_frame(part: LiftingDataset, seen: str) -> None:
    behind = np.mean(part.positions[..., 2].min(axis=1) <= 0)
    if behind > _BEHIND:
        raise InputError(
            f"{seen}: {100 * behind:.0f} % of the poses are not before the camera "
            "(z above 0); is this the camera's frame, with its root?"
        )
    shoulders, hips = _joints(part, "shoulder"), _joints(part, "hip")
    if shoulders is None or hips is None:
        return
    trunk = shoulders.mean(axis=1) - hips.mean(axis=1)
    # y points down, so that of an upright trunk is its negative length.
    down = np.median(trunk[:, 1] / np.linalg.norm(trunk, axis=1).clip(1e-6))
    if down > 0.5:
        raise InputError(
            f"{seen}: most people stand on their heads; is y up instead of down?"
        )


def _check_sides(dataset: LiftingDataset, where: str) -> None:
    """Left, right and forward of a body have one handedness: knees bend forward."""
    rows = np.linspace(0, len(dataset) - 1, min(len(dataset), _LOOKED_AT)).astype(int)
    part = dataset.select(np.unique(rows))
    hips, knees, ankles = (_joints(part, name) for name in ("hip", "knee", "ankle"))
    shoulders = _joints(part, "shoulder")
    if hips is None or knees is None or ankles is None or shoulders is None:
        return
    leg = ankles - hips
    along = np.sum((knees - hips) * leg, axis=-1, keepdims=True) / np.sum(
        leg**2, axis=-1, keepdims=True
    ).clip(1e-9)
    forward = np.sum(knees - (hips + along * leg), axis=1)
    up = shoulders.mean(axis=1) - hips.mean(axis=1)
    left = hips[:, 0] - hips[:, 1]
    # up x forward is to the left.
    volume = np.sum(np.cross(up, forward) * left, axis=-1)
    if len(part) >= 10 and volume.sum() < -0.5 * np.abs(volume).sum():
        raise InputError(
            f"{where}: knees bend backward; left and right are swapped, or the frame "
            "is mirrored"
        )


def _check_projection(part: LiftingDataset, seen: str, max_error: float) -> None:
    intrinsics = part.intrinsics[part.camera_index[0]]
    limit = max_error * part.image_sizes[part.camera_index[0]].mean() / 1000
    front = part.positions[..., 2].min(axis=1) > 0
    projected = project_points(part.positions[front], intrinsics)
    errors = np.linalg.norm(projected - part.keypoints[front], axis=-1)
    median = np.median(errors)
    if median > limit:
        raise InputError(
            f"{seen}: the 3D projects {median:.1f} px from the 2D in the median, "
            f"expected at most {limit:.1f}; another camera, frame or pairing?"
        )
    by_joint = np.median(errors, axis=0)
    # Single joints are allowed more: markers and labels differ by some centimetres.
    if by_joint.max() > 5 * limit:
        worst = part.skeleton.joints[int(by_joint.argmax())]
        raise InputError(
            f"{seen}: {worst} projects {by_joint.max():.1f} px from its 2D in the "
            f"median, all joints {median:.1f}; another joint order?"
        )
