"""Regions of people: polygons or run lengths, kept compact and decoded when asked.

Polygons are those of COCO's files, (x, y) in px in edge coordinates, as boxes are.
Run lengths (RLE) are COCO's compressed form: the lengths of the runs of 0 and 1, in
turn, down the columns of the whole image, as the text that pycocotools writes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import cv2
import numpy as np
from pycocotools import mask as coco_mask

__all__ = ["Segmentation", "Segmentations", "run_lengths", "shrink_mask"]


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The region of one person; none if both attributes are empty.

    Attributes:
        polygons: float32 `[n, 2]` each, (x, y) px. The region is their union.
        rle: bytes. COCO's compressed run lengths, where there are no polygons.
    """

    polygons: tuple[np.ndarray, ...] = ()
    rle: bytes = b""

    @classmethod
    def of_mask(cls, mask: np.ndarray) -> "Segmentation":
        """Exactly the pixels that are True in bool `[H, W]`."""
        encoded = coco_mask.encode(np.asfortranarray(mask, np.uint8))
        return cls(rle=encoded["counts"])

    def __bool__(self) -> bool:
        return bool(self.polygons or self.rle)

    def mask(self, size: Sequence[int]) -> np.ndarray:
        """Bool `[H, W]`, as pycocotools draws it; `size` is the image's (H, W)."""
        height, width = size
        if self.rle:
            encoded = {"size": [height, width], "counts": self.rle}
            return coco_mask.decode(encoded).astype(np.bool_)
        if not self.polygons:
            return np.zeros((height, width), np.bool_)
        # Rounding gives back the file's decimals, which float32 does not hold: a
        # coordinate on the border between two pixels then falls as in the file.
        flat = [
            np.round(polygon.ravel().astype(np.float64), 3) for polygon in self.polygons
        ]
        parts = coco_mask.frPyObjects([part.tolist() for part in flat], height, width)
        return coco_mask.decode(coco_mask.merge(parts)).astype(np.bool_)

    def resized(self, size: Sequence[int], new: Sequence[int]) -> "Segmentation":
        """The region in an image resized from `size` to `new`, both (H, W) px."""
        if self.rle:
            share = cv2.resize(
                self.mask(size).astype(np.float32),
                (new[1], new[0]),
                interpolation=cv2.INTER_AREA,
            )
            return Segmentation.of_mask(share > 0.5)
        factor = np.array([new[1] / size[1], new[0] / size[0]])
        scaled = ((polygon * factor).astype(np.float32) for polygon in self.polygons)
        return Segmentation(polygons=tuple(scaled))


@dataclass(frozen=True, eq=False)
class Segmentations:
    """The regions of P people in five arrays; `segmentations[row]` is one of them.

    Attributes:
        polygon_counts: int32 `[P]`. Polygons of each person.
        point_counts: int32 `[Q]`. Points of each polygon.
        points: float32 `[N, 2]`, (x, y) px of all polygons.
        rle_lengths: int32 `[P]`. Bytes of each person's run lengths, 0 for none.
        rle: uint8 `[M]`. All run lengths.
    """

    polygon_counts: np.ndarray
    point_counts: np.ndarray
    points: np.ndarray
    rle_lengths: np.ndarray
    rle: np.ndarray

    def __post_init__(self) -> None:
        sums = (
            ("polygon_counts", np.int32, (len(self.rle_lengths),)),
            ("point_counts", np.int32, (int(self.polygon_counts.sum()),)),
            ("points", np.float32, (int(self.point_counts.sum()), 2)),
            ("rle_lengths", np.int32, (len(self.polygon_counts),)),
            ("rle", np.uint8, (int(self.rle_lengths.sum()),)),
        )
        for name, dtype, shape in sums:
            array = getattr(self, name)
            if array.dtype != dtype or array.shape != shape:
                raise ValueError(
                    f"segmentations: {name} must be {np.dtype(dtype)} {shape}, "
                    f"received {array.dtype} {array.shape}"
                )

    @classmethod
    def of(cls, regions: Iterable[Segmentation]) -> "Segmentations":
        """Gathers one value per person."""
        regions = list(regions)
        polygons = [polygon for region in regions for polygon in region.polygons]
        points = np.concatenate([np.zeros((0, 2)), *polygons]).astype(np.float32)
        return cls(
            polygon_counts=np.array([len(r.polygons) for r in regions], np.int32),
            point_counts=np.array([len(polygon) for polygon in polygons], np.int32),
            points=points,
            rle_lengths=np.array([len(region.rle) for region in regions], np.int32),
            rle=np.frombuffer(b"".join(r.rle for r in regions), np.uint8),
        )

    def __len__(self) -> int:
        return len(self.polygon_counts)

    def __getitem__(self, row: int) -> Segmentation:
        first, stop = self._polygon_starts[row], self._polygon_starts[row + 1]
        ends = self._point_starts[first : stop + 1]
        polygons = tuple(
            self.points[a:b] for a, b in zip(ends[:-1], ends[1:], strict=True)
        )
        start, end = self._rle_starts[row], self._rle_starts[row + 1]
        return Segmentation(polygons, self.rle[start:end].tobytes())

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name, which the class can be made from again."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def take(self, rows: np.ndarray) -> "Segmentations":
        """The regions of people at `rows` (integers), in that order."""
        of_people = self._point_starts[self._polygon_starts]
        return Segmentations(
            polygon_counts=self.polygon_counts[rows],
            point_counts=_gathered(self.point_counts, self._polygon_starts, rows),
            points=_gathered(self.points, of_people, rows),
            rle_lengths=self.rle_lengths[rows],
            rle=_gathered(self.rle, self._rle_starts, rows),
        )

    @cached_property
    def _polygon_starts(self) -> np.ndarray:
        return _starts(self.polygon_counts)

    @cached_property
    def _point_starts(self) -> np.ndarray:
        return _starts(self.point_counts)

    @cached_property
    def _rle_starts(self) -> np.ndarray:
        return _starts(self.rle_lengths)


def _starts(counts: np.ndarray) -> np.ndarray:
    """int64 `[n + 1]`: where each part begins, and the end."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])


def _gathered(values: np.ndarray, starts: np.ndarray, rows: np.ndarray) -> np.ndarray:
    first, stop = starts[rows].tolist(), starts[rows + 1].tolist()
    parts = [values[a:b] for a, b in zip(first, stop, strict=True)]
    return np.concatenate([values[:0], *parts])


def run_lengths(rle: bytes) -> np.ndarray:
    """int64: the lengths that compressed run lengths stand for.

    pycocotools decodes such text without looking where it ends, so text from a file
    is decoded here first.

    Raises:
        ValueError: it is no such text.
    """
    codes = np.frombuffer(rle, np.uint8).astype(np.int64) - 48
    if not len(codes) or codes.min() < 0 or codes.max() > 63 or codes[-1] & 32:
        raise ValueError("not compressed run lengths")
    # A number is in groups of 5 bits, the lowest first; all but its last have bit 32.
    last = np.flatnonzero(codes & 32 == 0)
    first = np.concatenate([[0], last[:-1] + 1])
    place = np.arange(len(codes)) - np.repeat(first, last + 1 - first)
    if place.max() > 6:
        raise ValueError("not compressed run lengths")
    numbers = np.add.reduceat((codes & 31) << (5 * place), first)
    # Bit 16 of the last group is the sign.
    numbers -= np.where(codes[last] & 16, np.int64(32) << (5 * place[last]), 0)
    # From the fourth on, a number is the difference from the last but one.
    for start in (1, 2):
        numbers[start::2] = np.cumsum(numbers[start::2])
    return numbers


def shrink_mask(mask: np.ndarray, stride: int) -> np.ndarray:
    """Bool `[ceil(H / stride), ceil(W / stride)]` of bool `[H, W]`.

    A cell is True where more than half of its pixels are.
    """
    edges: Sequence[np.ndarray] = [np.arange(0, side, stride) for side in mask.shape]
    rows = np.add.reduceat(mask.astype(np.int32), edges[0], axis=0)
    found = np.add.reduceat(rows, edges[1], axis=1)
    height, width = (
        np.diff(starts, append=side)
        for starts, side in zip(edges, mask.shape, strict=True)
    )
    return 2 * found > np.outer(height, width)
