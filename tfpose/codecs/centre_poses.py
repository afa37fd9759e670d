"""People from a map of their centres and from offsets to their joints.

A net draws a peak at the centre of each person and says in each cell how far the joints
of the person with that centre are away. The same number of slots is filled for every
picture, the best peak first, so that all shapes are static.
"""

from typing import Any

from keras import ops

__all__ = ["find_centres", "poses_of_offsets", "upsample"]


def upsample(maps: Any, stride: int) -> Any:
    """Maps `[B, h, w, C]` at the input's size, `[B, h * stride, w * stride, C]`.

    Bilinear; cell c covers the pixels c * stride to (c + 1) * stride - 1.
    """
    size = (maps.shape[1] * stride, maps.shape[2] * stride)
    return ops.image.resize(maps, size, "bilinear", data_format="channels_last")


def find_centres(centre_map: Any, slots: int, near: int = 3) -> tuple[Any, Any]:
    """The highest peaks of a map: cells that no neighbour is above.

    Args:
        centre_map: `[B, H, W]` float; what is not above 0 is no peak.
        slots: int. S, the number of peaks.
        near: int, odd. Neighbours are in a square of so many cells a side.

    Returns:
        Places `[B, S, 2]` (x, y) float, cells, and heights `[B, S]`, the highest first.
        Slots for which there is no peak have a height of 0 and an arbitrary place.
    """
    width = centre_map.shape[2]
    highest = ops.max_pool(
        ops.relu(centre_map)[..., None],
        near,
        strides=1,
        padding="same",
        data_format="channels_last",
    )[..., 0]
    peaks = ops.where(highest == centre_map, centre_map, 0.0)
    flat = ops.reshape(peaks, (-1, centre_map.shape[1] * width))
    scores, index = ops.top_k(flat, slots)
    index = ops.cast(index, "int32")
    places = ops.stack([index % width, index // width], axis=-1)
    return ops.cast(places, "float32"), scores


def poses_of_offsets(offsets: Any, centres: Any, stride: int) -> Any:
    """Keypoints `[B, S, J, 2]` of people with known centres, pixels of the input.

    Args:
        offsets: `[B, h, w, J, 2]`, centre minus keypoint (x, y), cells.
        centres: `[B, S, 2]` (x, y), whole pixels inside the input. Their offsets are
            read in the cell floor(centre / stride), without interpolation.
        stride: int. Pixels of the input per cell.
    """
    height, width, joints = offsets.shape[1:4]
    cells = ops.cast(ops.floor(centres / stride), "int32")
    rows = ops.arange(ops.shape(offsets)[0], dtype="int32")[:, None] * height
    index = (rows + cells[..., 1]) * width + cells[..., 0]
    found = ops.take(ops.reshape(offsets, (-1, joints * 2)), index, axis=0)
    found = ops.reshape(found, (-1, centres.shape[1], joints, 2))
    return centres[:, :, None] - found * stride
