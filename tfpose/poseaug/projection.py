"""PoseAug's projection of poses, which is clipped far from the optical axis."""

from typing import Any

from tfpose.geometry import project

__all__ = ["project_poses"]

# Beyond 45 degrees from the axis the distortion is not valid (from the released code).
_LIMIT = 1.0


def project_poses(positions: Any, intrinsics: Any) -> Any:
    """Projects poses to normalised keypoints `[B, J, 2]`.

    Args:
        positions: `[B, J, 3]`, metres, in the camera's frame.
        intrinsics: `[B, 9]`, normalised.
    """
    return project(positions, intrinsics, _LIMIT)
