"""Other views of the same body: turned, placed elsewhere, projected again."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from tfpose.geometry import keypoint_size, project, rotation_matrices

__all__ = [
    "mirror_bodies",
    "place_bodies",
    "project_poses",
    "turn_bodies",
    "view_rotations",
]

# Beyond 45 degrees from the axis the distortion is not valid (from PoseAug's code).
_LIMIT = 1.0
# Each round corrects most of what perspective adds to the size.
_ROUNDS = 3


def project_poses(positions: Any, intrinsics: Any) -> Any:
    """Projects poses to keypoints `[B, J, 2]`, clipped far from the optical axis.

    Args:
        positions: `[B, J, 3]`, metres, in the camera's frame.
        intrinsics: `[B, 9]`, normalised.
    """
    return project(positions, intrinsics, _LIMIT)


def view_rotations(azimuth: Any, pitch: Any, roll: Any = None) -> Any:
    """Rotations of a body that are those of a camera that goes round it.

    About the vertical axis first (the camera's y), then about the horizontal axes.

    Args:
        azimuth: `[...]`, radians, about y.
        pitch: `[...]`, radians, about x.
        roll: `[...]`, radians, about z, the optical axis; None for none.

    Returns:
        `[..., 3, 3]`.
    """
    zero = ops.zeros_like(azimuth)
    turn = ops.stack([zero, azimuth, zero], axis=-1)
    tilt = ops.stack([pitch, zero, zero if roll is None else roll], axis=-1)
    return ops.matmul(rotation_matrices(tilt), rotation_matrices(turn))


def mirror_bodies(points: Any, flip_permutation: Sequence[int]) -> Any:
    """Bodies as a mirror shows them: x negated, left and right for each other.

    Args:
        points: keypoints `[B, J, 2]`, normalised or centred, or positions `[B, J, 3]`.
        flip_permutation: the skeleton's.

    Returns:
        the same shape.
    """
    joints = ops.unstack(points, axis=1)
    swapped = ops.stack([joints[joint] for joint in flip_permutation], axis=1)
    signs = [-1.0] + [1.0] * (points.shape[-1] - 1)
    return swapped * ops.convert_to_tensor(signs, dtype=points.dtype)


def turn_bodies(positions: Any, rotations: Any, root: int) -> Any:
    """Bodies rotated about their roots, which stay in place.

    Args:
        positions: `[..., J, 3]`, metres.
        rotations: `[..., 3, 3]`.
        root: index of the root.

    Returns:
        `[..., J, 3]`.
    """
    middle = ops.split(positions, positions.shape[-2], axis=-2)[root]
    turned = ops.matmul(positions - middle, ops.swapaxes(rotations, -1, -2))
    return turned + middle


def place_bodies(
    positions: Any, intrinsics: Any, places: Any, sizes: Any, root: int
) -> Any:
    """Bodies moved so that a camera sees them at given places, of given sizes.

    Args:
        positions: `[B, J, 3]`, metres; where the roots are does not matter.
        intrinsics: `[B, 9]`, normalised.
        places: `[B, 1, 2]`, keypoints that the roots shall have.
        sizes: `[B, 1, 1]`, see `tfpose.geometry.keypoint_size`.
        root: index of the root.

    Returns:
        `[B, J, 3]`.
    """
    body = positions - ops.split(positions, positions.shape[-2], axis=-2)[root]
    focal, centre = intrinsics[:, None, :2], intrinsics[:, None, 2:4]
    ray = (places - centre) / focal
    ray = ops.concatenate([ray, ops.ones_like(sizes)], axis=-1)
    # As if all joints were as far away as the root; then corrected.
    depth = focal[..., :1] * keypoint_size(body[..., :2], root) / sizes
    for _ in range(_ROUNDS):
        seen = keypoint_size(project(body + ray * depth, intrinsics), root)
        depth = depth * seen / sizes
    return body + ray * depth
