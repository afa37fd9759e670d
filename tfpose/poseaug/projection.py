"""How PoseAug projects poses: without distortion far from the axis."""

from typing import Any

from tfpose.geometry import project

__all__ = ["project_poses"]

# Beyond 45 degrees from the axis, distortion means nothing (the released code's).
_LIMIT = 1.0


def project_poses(positions: Any, intrinsics: Any) -> Any:
    """Normalised keypoints `[B, J, 2]` of poses.

    Args:
        positions: `[B, J, 3]`, metres, in the camera's frame.
        intrinsics: `[B, 9]`, normalised.
    """
    return project(positions, intrinsics, _LIMIT)
