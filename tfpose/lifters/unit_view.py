"""How a camera sees a body of which only the shape is known."""

from typing import Any

from keras import ops

from tfpose.geometry import centre_keypoints, keypoint_size

__all__ = ["place_like", "unit_view"]


def unit_view(positions: Any, root: int, distance: float) -> Any:
    """Keypoints of a body in front of a pinhole camera, centred and of size 1.

    Args:
        positions: `[..., J, 3]`, metres, relative to the root.
        root: index of the root.
        distance: of the root from the camera, metres. Centred keypoints of size 1 do
            not depend on the focal length, and little on the distance.

    Returns:
        `[..., J, 2]`, see `tfpose.geometry.centre_keypoints`.
    """
    x, y, z = ops.split(positions, 3, axis=-1)
    # No joint is behind the camera, or so near that its gradient is all that counts.
    depth = ops.maximum(z + distance, 0.1 * distance)
    return centre_keypoints(ops.concatenate([x, y], axis=-1) / depth, root)


def place_like(keypoints: Any, seen: Any, root: int) -> Any:
    """Centred keypoints of size 1 where another body is seen, and as large as it.

    So a lifter gets what it is used to, whether it centres keypoints or not.

    Args:
        keypoints: `[..., J, 2]`, from `unit_view`.
        seen: `[..., J, 2]`, keypoints in an image.
        root: index of the root.

    Returns:
        `[..., J, 2]`.
    """
    middle = ops.split(seen, seen.shape[-2], axis=-2)[root]
    return keypoints * keypoint_size(seen, root) + middle
