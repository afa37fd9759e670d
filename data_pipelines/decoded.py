"""Crops of a dataset's photos; decoded photos are kept as far as a budget reaches."""

import threading
from collections import OrderedDict

import numpy as np

from data_pipelines.images import decode_image
from data_pipelines.people import PoseDataset
from tfpose.errors import InputError
from tfpose.top_down.crop import reduced_matrix, reduction, warp

__all__ = ["DecodedImages"]


class DecodedImages:
    """Photos of a dataset as arrays, by row; safe to use from many threads.

    Decoding takes more time than everything else that is done to a photo, so those
    used last are kept: all of them if the budget is large enough, otherwise for the
    other people in them, whom `data_pipelines.batches.near_order` calls soon. What a
    sample looks like does not depend on the budget.
    """

    def __init__(self, people: PoseDataset, budget_megabytes: float = 0.0):
        """
        Args:
            people: whose photos.
            budget_megabytes: memory for photos that are kept; 0 keeps none.
        """
        self._people = people
        self._left = int(budget_megabytes * 2**20)
        # The one used last is at the end.
        self._kept: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def crop(
        self,
        image: int,
        matrix: np.ndarray,
        input_size: tuple[int, int],
        antialias: bool = True,
    ) -> np.ndarray:
        """A photo under a map to input pixels, uint8 `[H, W, 3]` RGB.

        Where the map shrinks it to a half or less, the photo is decoded that much
        smaller, which is quicker and does not skip pixels.

        Args:
            image: row of the photo.
            matrix: `[2, 3]`, see `tfpose.top_down.crop`.
            input_size: (height, width) of the result.
            antialias: False leaves the photo at its size and skips pixels, as published
                weights were tested.

        Raises:
            InputError: the file is no image any more; names it, and says how to find
                all like it.
        """
        factor = reduction(matrix) if antialias else 1
        photo = self._decoded(image, factor)
        return warp(photo, reduced_matrix(matrix, factor), input_size, antialias)

    def _decoded(self, image: int, factor: int) -> np.ndarray:
        key = image, factor
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        store = self._people.images
        height, width = (int(side) for side in self._people.image_sizes[image])
        name = store.describe(image)
        try:
            pixels = decode_image(store.read(image), (height, width), name, factor)
        except InputError as error:
            raise InputError(
                f"{error}; `python -m data_pipelines.prepare` finds all such files "
                "at once"
            ) from None
        with self._lock:
            if key not in self._kept:
                self._kept[key] = pixels
                self._left -= pixels.nbytes
            while self._left < 0:
                self._left += self._kept.popitem(last=False)[1].nbytes
        return pixels
