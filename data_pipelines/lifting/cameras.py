"""Cameras on the host: world to camera, projection, and what is not in the files.

The projection is that of `tfpose.geometry.project` with Human3.6M's distortion model,
in NumPy and float64, so that reading a dataset takes no network library; a test holds
the two equal.
"""

import numpy as np
import scipy.optimize

__all__ = [
    "fit_intrinsics",
    "fit_root",
    "pinhole",
    "project_points",
    "rotation_from_quaternion",
    "world_to_camera",
]


def rotation_from_quaternion(quaternion: np.ndarray) -> np.ndarray:
    """Rotation matrix `[3, 3]` of a quaternion (w, x, y, z) of any length but 0."""
    w, x, y, z = np.asarray(quaternion, np.float64) / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def world_to_camera(
    positions: np.ndarray, orientation: np.ndarray, centre: np.ndarray
) -> np.ndarray:
    """Positions in the camera's frame.

    Args:
        positions: `[..., 3]`, world, metres.
        orientation: quaternion (w, x, y, z) that turns camera axes into world axes.
        centre: `[3]`, where the camera stands in the world, metres.

    Returns:
        float64 `[..., 3]`.
    """
    return (positions - np.asarray(centre)) @ rotation_from_quaternion(orientation)


def pinhole(fx: float, fy: float, cx: float, cy: float) -> np.ndarray:
    """Intrinsics float32 `[9]` of a camera without distortion."""
    return np.array([fx, fy, cx, cy, 0, 0, 0, 0, 0], np.float32)


def project_points(positions: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Where a camera sees points.

    Args:
        positions: `[..., J, 3]` in the camera's frame, in front of it.
        intrinsics: `[..., 9]`: fx, fy, cx, cy, k1, k2, k3, p1, p2.

    Returns:
        float64 `[..., J, 2]` in the units of f and c.
    """
    positions = np.asarray(positions, np.float64)
    camera = np.asarray(intrinsics, np.float64)[..., None, :]
    u = positions[..., :2] / positions[..., 2:]
    square = np.sum(u**2, axis=-1, keepdims=True)
    k1, k2, k3 = camera[..., 4:5], camera[..., 5:6], camera[..., 6:7]
    radial = 1 + square * (k1 + square * (k2 + square * k3))
    tilt = np.sum(camera[..., 7:9] * u, axis=-1, keepdims=True)
    bent = u * (radial + tilt) + camera[..., 7:9] * square
    return camera[..., :2] * bent + camera[..., 2:4]


def fit_root(
    relative: np.ndarray, keypoints: np.ndarray, intrinsics: np.ndarray
) -> np.ndarray:
    """Where a body of known shape stands so that a camera sees its keypoints.

    Linear least squares of the pinhole equations, without distortion: exact where
    the 2D is the projection of the 3D.

    Args:
        relative: `[N, J, 3]`, in the directions of the camera's axes, metres.
        keypoints: `[N, J, 2]`, px.
        intrinsics: `[9]`; distortion is not regarded.

    Returns:
        float64 `[N, 3]`, what to add to `relative`, metres.
    """
    relative = np.asarray(relative, np.float64)
    focal, centre = intrinsics[:2].astype(np.float64), intrinsics[2:4]
    u = (keypoints - centre) / focal
    # x + tx = u (z + tz), and the same of y: two equations per joint, of t.
    count, joints, _ = relative.shape
    by_joint = np.zeros((count, joints, 2, 3))
    by_joint[:, :, 0, 0] = by_joint[:, :, 1, 1] = 1
    by_joint[..., 2] = -u
    equations = by_joint.reshape(count, 2 * joints, 3)
    transposed = np.swapaxes(equations, 1, 2)
    values = (u * relative[..., 2:] - relative[..., :2]).reshape(count, 2 * joints, 1)
    return np.linalg.solve(transposed @ equations, transposed @ values)[..., 0]


def fit_intrinsics(
    positions: np.ndarray, keypoints: np.ndarray, limit: int = 4000
) -> np.ndarray:
    """The camera that sees 3D points at given pixels.

    Focal lengths and centre by linear least squares, then with k1, k2, p1 and p2 by
    robust least squares on the distances in the image. For datasets that come with
    true 2D and 3D but without intrinsics.

    Args:
        positions: `[N, J, 3]` in the camera's frame, in front of it.
        keypoints: `[N, J, 2]`, px.
        limit: points used, evenly spaced among all.

    Returns:
        float64 `[9]`.
    """
    points = np.asarray(positions, np.float64).reshape(-1, 3)
    pixels = np.asarray(keypoints, np.float64).reshape(-1, 2)
    chosen = np.unique(np.linspace(0, len(points) - 1, limit).astype(int))
    points, pixels = points[chosen], pixels[chosen]
    u = points[:, :2] / points[:, 2:]
    start = np.zeros(8)
    for axis in (0, 1):
        design = np.stack([u[:, axis], np.ones(len(u))], axis=1)
        solution, *_ = np.linalg.lstsq(design, pixels[:, axis], rcond=None)
        start[axis], start[2 + axis] = solution

    def camera(parameters: np.ndarray) -> np.ndarray:
        return np.insert(parameters, 6, 0.0)

    def residuals(parameters: np.ndarray) -> np.ndarray:
        return (project_points(points, camera(parameters)) - pixels).ravel()

    scale = np.array([*np.abs(start[:2]), 100.0, 100.0, 0.1, 0.1, 0.01, 0.01])
    fit = scipy.optimize.least_squares(
        residuals,
        start,
        loss="soft_l1",
        x_scale=np.maximum(scale, 1e-3),
        max_nfev=40,
    )
    return camera(fit.x)
