"""Values of maps between their cells."""

from typing import Any

import numpy as np
from keras import ops

__all__ = ["sample_cells"]


def sample_cells(maps: Any, places: Any) -> Any:
    """Values of maps between their cells, bilinear; outside of a map is 0.

    Args:
        maps: `[B, h, w, C]`.
        places: `[B, ..., 2]` (row, column), cells.

    Returns:
        `[B, ..., C]`.
    """
    height, width, channels = maps.shape[1:]
    # A frame of zeros, of which a place farther off reads as much.
    padded = ops.pad(maps, ((0, 0), (1, 1), (1, 1), (0, 0)))
    # The four cells about a place lie side by side, so that one look-up finds them.
    around = ops.concatenate(
        [
            padded[:, top : top + height + 1, left : left + width + 1]
            for top in (0, 1)
            for left in (0, 1)
        ],
        axis=-1,
    )
    limits = np.array([height, width], np.float32)
    places = ops.clip(places, -1.0, limits) + 1.0
    low = ops.minimum(ops.floor(places), limits)
    after = places - low
    before = 1.0 - after
    cells = ops.cast(low, "int32")
    batch = ops.arange(ops.shape(maps)[0], dtype="int32") * (height + 1)
    batch = ops.reshape(batch, (-1, *[1] * (len(places.shape) - 2)))
    index = (batch + cells[..., 0]) * (width + 1) + cells[..., 1]
    found = ops.take(
        ops.reshape(around, (-1, 4 * channels)), ops.reshape(index, (-1,)), axis=0
    )
    found = ops.reshape(found, (-1, 4, channels))
    weights = ops.stack(
        [
            row[..., 0] * column[..., 1]
            for row in (before, after)
            for column in (before, after)
        ],
        axis=-1,
    )
    weights = ops.cast(ops.reshape(weights, (-1, 4, 1)), found.dtype)
    total = ops.sum(found * weights, axis=1)
    return ops.reshape(total, (-1, *places.shape[1:-1], channels))
