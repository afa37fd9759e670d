"""A pinhole camera without distortion.

Camera frame: metres, x right, y down, z forward. World frame: y up (see `body`).
Pixels follow the convention stated in `tfpose.codecs.heatmap`.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["Camera", "aim_camera"]

_UP = np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True)
class Camera:
    """From the world to pixels.

    Attributes:
        rotation: `[3, 3]`, from world to camera.
        position: `[3]` metres in the world.
        focal: focal length, pixels.
        center: (cx, cy), the principal point in pixels.
    """

    rotation: np.ndarray
    position: np.ndarray
    focal: float
    center: tuple[float, float]

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """World points [..., 3] in the camera frame."""
        return (points - self.position) @ self.rotation.T

    def project(self, points: np.ndarray) -> np.ndarray:
        """Camera-frame points [..., 3] with z > 0 to pixels [..., 2]."""
        return self.focal * points[..., :2] / points[..., 2:] + self.center


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    (a0, a1, a2), (b0, b1, b2) = a.tolist(), b.tolist()
    return np.array([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0])


def _look(forward: np.ndarray, roll: float) -> np.ndarray:
    """Rows right, down, forward of a camera that looks along `forward`."""
    forward = forward / np.sqrt(forward @ forward)
    right = _cross(forward, _UP)
    right /= np.sqrt(right @ right)
    down = _cross(forward, right)
    c, s = np.cos(roll), np.sin(roll)
    return np.stack([c * right + s * down, c * down - s * right, forward])


def aim_camera(
    points: np.ndarray,
    view: tuple[float, float, float, float],
    image_size: tuple[int, int],
    fill: float,
    shift: tuple[float, float],
) -> Camera:
    """A camera that frames world `points` [N, 3].

    Args:
        points: what is to be in the picture.
        view: azimuth (0 looks at a body's front, positive from its left), elevation,
            roll in degrees; distance from the middle of the points in metres.
        image_size: (height, width) in pixels.
        fill: share of the picture that the points span, above 1 to cut them off.
        shift: displacement of the points from the middle of the picture, as shares of
            its (width, height).
    """
    azimuth, elevation, roll = np.deg2rad(view[:3])
    height, width = image_size
    target = (points.min(0) + points.max(0)) / 2
    back = np.array(
        [
            np.sin(azimuth) * np.cos(elevation),
            np.sin(elevation),
            np.cos(azimuth) * np.cos(elevation),
        ]
    )
    position = target + view[3] * back
    # A camera under the floor would see nothing.
    position[1] = max(position[1], 0.12)
    center = ((width - 1) / 2, (height - 1) / 2)
    rotation = _look(target - position, roll)
    for _ in range(2):  # Aim at the middle of the projection, then measure it.
        local = (points - position) @ rotation.T
        plane = local[:, :2] / np.maximum(local[:, 2:], 0.2)
        low, high = plane.min(0), plane.max(0)
        middle = (low + high) / 2
        span = np.maximum((high - low) / (width, height), 1e-6)
        focal = float(fill / span.max())
        aim = np.array([*(middle - np.multiply(shift, (width, height)) / focal), 1.0])
        rotation = _look(rotation.T @ aim, roll)
    return Camera(rotation, position, focal, center)
