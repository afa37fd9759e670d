"""Cameras sampled around a moving subject, from a seed.

World: metres, y up. Camera frame: x right, y down, z forward. Pixels follow the
convention stated in `tfpose.codecs.heatmap`.
"""

import dataclasses
import difflib

import numpy as np

from data_pipelines.lifting.cameras import pinhole
from tfpose.errors import InputError

__all__ = ["CAMERA_SETTINGS", "CameraSetting", "View", "get_setting", "sample_view"]

Range = tuple[float, float]

# Metres above the lowest point of the subject that a camera is at least.
_ABOVE_FLOOR = 0.2
# Metres from the camera to the nearest joint, at least.
_NEAREST = 0.5


@dataclasses.dataclass(frozen=True)
class CameraSetting:
    """What cameras are drawn from, evenly within each range.

    Attributes:
        name: key in `CAMERA_SETTINGS`, or the user's own.
        azimuth: degrees around the vertical.
        elevation: degrees that the camera is above the subject's middle, seen from
            there. Raised where the camera would be under the floor.
        distance: metres to the subject's middle. Extended where the subject would
            leave the image.
        focal: focal length as a share of the image's longer side.
        roll: degrees about the viewing direction.
        image_sizes: (height, width) px, one of which is drawn.
        off_centre: how far from the middle the subject may be, as a share of the
            room that it leaves in the image.
        margin: share of the image, at each edge, that joints stay out of.
    """

    name: str
    azimuth: Range = (-180.0, 180.0)
    elevation: Range = (0.0, 15.0)
    distance: Range = (4.0, 6.0)
    focal: Range = (1.1, 1.2)
    roll: Range = (0.0, 0.0)
    image_sizes: tuple[tuple[int, int], ...] = ((1000, 1000),)
    off_centre: float = 0.5
    margin: float = 0.03

    def __post_init__(self) -> None:
        where = f"camera setting {self.name!r}"
        for field in ("azimuth", "elevation", "distance", "focal", "roll"):
            low, high = getattr(self, field)
            if not low <= high:
                raise InputError(
                    f"{where}: {field} is {low}..{high}, a range upside down"
                )
        if self.distance[0] <= 0 or self.focal[0] <= 0:
            raise InputError(f"{where}: distance and focal must be above 0")
        if not -80 <= self.elevation[0] <= self.elevation[1] <= 80:
            raise InputError(
                f"{where}: elevation is {self.elevation}, expected -80 to 80"
            )
        if not self.image_sizes or not all(min(size) > 1 for size in self.image_sizes):
            raise InputError(
                f"{where}: image_sizes must be one (height, width) or more"
            )
        if not (0 <= self.off_centre <= 1 and 0 <= self.margin < 0.4):
            raise InputError(f"{where}: off_centre is 0 to 1, margin 0 to 0.4")


CAMERA_SETTINGS: dict[str, CameraSetting] = {
    setting.name: setting
    for setting in (
        # About what Human3.6M's four cameras are.
        CameraSetting("studio"),
        # What people film with and from; mostly outside of `studio`'s ranges.
        CameraSetting(
            "wild",
            elevation=(-15.0, 45.0),
            distance=(2.5, 9.0),
            focal=(0.7, 1.6),
            roll=(-8.0, 8.0),
            image_sizes=((1080, 1920), (1920, 1080), (720, 1280), (480, 640)),
            off_centre=1.0,
        ),
    )
}


def get_setting(setting: str | CameraSetting) -> CameraSetting:
    """The camera setting of that name; InputError with the nearest name."""
    if isinstance(setting, CameraSetting):
        return setting
    if setting not in CAMERA_SETTINGS:
        near = difflib.get_close_matches(setting, list(CAMERA_SETTINGS), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(
            f"unknown camera setting {setting!r}{hint} (known: "
            f"{', '.join(CAMERA_SETTINGS)})"
        )
    return CAMERA_SETTINGS[setting]


@dataclasses.dataclass(frozen=True, eq=False)
class View:
    """One camera.

    Attributes:
        rotation: float64 `[3, 3]`, rows right, down, forward in the world.
        centre: float64 `[3]`, where it stands, world metres.
        intrinsics: float32 `[9]` px, without distortion.
        image_size: (height, width) px.
    """

    rotation: np.ndarray
    centre: np.ndarray
    intrinsics: np.ndarray
    image_size: tuple[int, int]

    def to_camera(self, positions: np.ndarray) -> np.ndarray:
        """World positions `[..., 3]` in the camera's frame, float64."""
        return (positions - self.centre) @ self.rotation.T


def _orientation(azimuth: float, elevation: float, roll: float) -> np.ndarray:
    """Rows right, down, forward; azimuth 0 looks along -z, at the front of what
    faces +z.
    """
    a, e, r = np.deg2rad([azimuth, elevation, roll])
    forward = -np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)])
    right = np.array([np.cos(a), 0.0, -np.sin(a)])
    down = np.cross(forward, right)
    c, s = np.cos(r), np.sin(r)
    return np.stack([c * right + s * down, c * down - s * right, forward])


def sample_view(
    positions: np.ndarray, setting: CameraSetting, rng: np.random.Generator
) -> View:
    """A camera that has all of a take in its image.

    Args:
        positions: `[T, J, 3]`, world metres, y up.
        setting: what to draw from.
        rng: always takes the same number of draws.
    """
    azimuth, elevation, distance, focal, roll = (
        rng.uniform(*getattr(setting, field))
        for field in ("azimuth", "elevation", "distance", "focal", "roll")
    )
    height, width = setting.image_sizes[rng.integers(len(setting.image_sizes))]
    shift = rng.uniform(-setting.off_centre, setting.off_centre, 2)
    points = np.asarray(positions, np.float64).reshape(-1, 3)
    low, high = points.min(axis=0), points.max(axis=0)
    middle = (low + high) / 2
    pixels = focal * max(height, width)
    # How far from the optical axis a joint may be at 1 m.
    room = (1 - 2 * setting.margin) * np.array([width - 1, height - 1]) / 2 / pixels
    lowest = low[1] + _ABOVE_FLOOR - middle[1]
    for _ in range(3):  # A longer distance may bring the camera under the floor.
        rotation = _orientation(azimuth, elevation, roll)
        local = (points - middle) @ rotation.T
        needed = (np.abs(local[:, :2]) / room - local[:, 2:]).max()
        away = max(distance, needed, _NEAREST - local[:, 2].min())
        floor = np.degrees(np.arcsin(np.clip(lowest / away, -1.0, 1.0)))
        if elevation >= floor:
            break
        elevation = float(floor)
    local[:, 2] += away
    offset = np.array([*_shift_within(local, room, shift), away])
    if (middle - offset @ rotation)[1] < low[1] + _ABOVE_FLOOR:
        offset[:2] = 0.0
    return View(
        rotation=rotation,
        centre=middle - offset @ rotation,
        intrinsics=pinhole(pixels, pixels, (width - 1) / 2, (height - 1) / 2),
        image_size=(height, width),
    )


def _shift_within(local: np.ndarray, room: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Metres sideways and down, a share `shift` in -1..1 of what keeps all in view."""
    reach = room * local[:, 2:]
    least = (-reach - local[:, :2]).max(axis=0)
    most = (reach - local[:, :2]).min(axis=0)
    return np.where(shift < 0, -shift * least, shift * most)
