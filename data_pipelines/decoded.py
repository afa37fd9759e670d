"""Decoded photos, kept in memory as far as a budget reaches."""

import threading

import numpy as np

from data_pipelines.images import decode_image
from data_pipelines.people import PoseDataset

__all__ = ["DecodedImages"]


class DecodedImages:
    """Photos of a dataset as arrays, by row; safe to use from many threads.

    Decoding takes more time than everything else that is done to a small photo, so
    what fits into the budget is decoded once. What a sample looks like does not
    depend on the budget.
    """

    def __init__(self, people: PoseDataset, budget_megabytes: float = 0.0):
        """
        Args:
          people: whose photos.
          budget_megabytes: memory for photos that are kept; 0 keeps none.
        """
        self._people = people
        self._left = int(budget_megabytes * 2**20)
        self._kept: dict[int, np.ndarray] = {}
        self._lock = threading.Lock()

    def __getitem__(self, image: int) -> np.ndarray:
        """uint8 `[H, W, 3]` RGB.

        Raises:
          InputError: if the file is no image any more; names it.
        """
        kept = self._kept.get(image)
        if kept is not None:
            return kept
        store = self._people.images
        height, width = (int(side) for side in self._people.image_sizes[image])
        pixels = decode_image(store.read(image), (height, width), store.describe(image))
        with self._lock:
            if pixels.nbytes <= self._left and image not in self._kept:
                self._left -= pixels.nbytes
                self._kept[image] = pixels
        return pixels
