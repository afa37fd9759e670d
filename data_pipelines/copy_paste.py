"""People of other photos pasted into a photo, by their segmentations.

Ghiasi et al., "Simple Copy-Paste is a Strong Data Augmentation Method for Instance
Segmentation" (CVPR 2021, arXiv:2012.07177). More people, and more who hide each other,
than were photographed.
"""

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from data_pipelines.people import PoseDataset
from tfpose.errors import InputError
from tfpose.top_down.crop import transform_points, warp

__all__ = ["Donors", "Pasted", "Scene", "paste"]

_MOST = 3
# A pasted person's longer side as a share of the input's shorter one.
_SIZES = (0.25, 0.9)
# Half a cell of the map around a pasted person is not ignored either.
_SHOWN = 128


class Scene(NamedTuple):
    """A picture and its N people.

    Attributes:
        image: uint8 `[H, W, 3]`.
        keypoints: `[N, J, 3]`: x, y in pixels, visibility 0, 1 or 2; 0 if absent.
        centres: `[N, 3]`: x, y in pixels, and 1; 0 for somebody without a centre.
        areas: `[N]`, square pixels.
        ignored: bool `[h, w]`, cells that no loss counts.
    """

    image: np.ndarray
    keypoints: np.ndarray
    centres: np.ndarray
    areas: np.ndarray
    ignored: np.ndarray


class Pasted(NamedTuple):
    """A person to paste.

    Attributes:
        image: uint8 `[H, W, 3]`, the person's photo where the person shall be.
        mask: uint8 `[H, W]`, 255 in the person's pixels.
        keypoints: `[J, 3]`, as a `Scene`'s.
        centre: `[3]`.
        area: square pixels.
    """

    image: np.ndarray
    mask: np.ndarray
    keypoints: np.ndarray
    centre: np.ndarray
    area: float


class Donors:
    """People who can be pasted: with a segmentation and labelled joints."""

    def __init__(self, people: PoseDataset, least_area: float):
        """
        Args:
            people: of all photos.
            least_area: smallest area, square pixels of the photo, where it is known.

        Raises:
            InputError: there is nobody.
        """
        self._people = people
        regions = people.segmentations
        usable = ~people.crowd & (people.num_labelled > 0)
        usable &= ~(people.areas < least_area)
        rows = np.flatnonzero(usable) if regions is not None else np.zeros(0, int)
        self._rows = [row for row in rows.tolist() if regions and regions[row]]
        if not self._rows:
            raise InputError(
                f"{people.name}: nobody with labelled joints has a segmentation, so "
                "nobody can be pasted"
            )

    def draw(
        self,
        rng: np.random.Generator,
        crop: Callable[[int, np.ndarray], np.ndarray],
        input_size: tuple[int, int],
    ) -> list[Pasted]:
        """One to three people, anywhere, of any size.

        Args:
            rng: makes the draws.
            crop: a photo, by its row, under a map `[2, 3]` to input pixels.
            input_size: (height, width), pixels.
        """
        return [
            self._place(int(rng.choice(self._rows)), rng, crop, input_size)
            for _ in range(rng.integers(1, _MOST + 1))
        ]

    def _place(
        self,
        row: int,
        rng: np.random.Generator,
        crop: Callable[[int, np.ndarray], np.ndarray],
        input_size: tuple[int, int],
    ) -> Pasted:
        people, height, width = self._people, *input_size
        x, y, w, h = people.boxes[row].astype(np.float64)
        scale = rng.uniform(*_SIZES) * min(height, width) / max(w, h)
        middle = np.array([x + w / 2, y + h / 2]) - 0.5
        place = rng.uniform((0, 0), (width, height)) - 0.5
        matrix = np.column_stack([np.eye(2) * scale, place - scale * middle])
        mask = people.mask(row)
        keypoints = people.keypoints[row].astype(np.float64)
        visible = keypoints[:, 2] > 0
        keypoints[:, :2] = transform_points(matrix, keypoints[:, :2])
        keypoints *= visible[:, None]
        centre = np.append(keypoints[visible, :2].mean(axis=0), 1.0)
        return Pasted(
            image=crop(int(people.image_index[row]), matrix),
            mask=warp(mask.astype(np.uint8) * 255, matrix, input_size),
            keypoints=keypoints,
            centre=centre,
            area=float(mask.sum() * scale**2),
        )


def paste(scene: Scene, others: list[Pasted]) -> Scene:
    """The scene with others in front, the first one hindmost.

    Hidden joints stay labelled, as occluded; of whom no joint can be seen any more
    nobody would label anything, so such people are taken out. Areas stay as they were.
    """
    for other in others:
        scene = _paste_one(scene, other)
    return scene


def _paste_one(scene: Scene, other: Pasted) -> Scene:
    mask = other.mask
    if not mask.any():
        return scene
    share = mask[..., None].astype(np.float32) / 255
    image = np.rint(scene.image * (1 - share) + other.image * share).astype(np.uint8)
    keypoints = scene.keypoints.copy()
    labelled = keypoints[..., 2] > 0
    hidden = labelled & _covered(keypoints[..., :2], mask)
    keypoints[hidden, 2] = 1
    kept = (labelled & ~hidden).any(axis=1) | ~labelled.any(axis=1)
    cells = (scene.ignored.shape[1], scene.ignored.shape[0])
    shown = cv2.resize(mask, cells, interpolation=cv2.INTER_AREA) >= _SHOWN
    return Scene(
        image=image,
        keypoints=np.concatenate([keypoints[kept], other.keypoints[None]]),
        centres=np.concatenate([scene.centres[kept], other.centre[None]]),
        areas=np.append(scene.areas[kept], other.area),
        ignored=scene.ignored & ~shown,
    )


def _covered(points: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Which points `[..., 2]` lie on the mask."""
    height, width = mask.shape
    x, y = np.rint(points[..., 0]), np.rint(points[..., 1])
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    rows, columns = y.clip(0, height - 1).astype(int), x.clip(0, width - 1).astype(int)
    return inside & (mask[rows, columns] >= _SHOWN)
