"""Keypoint attraction maps at work: heatmaps are refined by them, and read.

Symbols: B pictures, S slots for people, J joints, k = 2r + 1 the side of a local map, n
the side of a window.
"""

from typing import Any

from keras import ops

__all__ = ["best_places", "refine_windows", "weighted_peaks"]


def refine_windows(windows: Any, attraction: Any) -> Any:
    """Windows convolved with their attraction maps: refined heatmaps.

    Args:
        windows: `[B, S, J, n, n]`.
        attraction: `[B, S, k, k, J]`; its entry (k // 2, k // 2) leaves the window
            where it is.

    Returns:
        `[B, S, n, n, J]`; outside a window is 0.
    """
    slots, joints, side = windows.shape[1:4]
    size = attraction.shape[2]
    # Each window is a channel, with a kernel of its own.
    channels = ops.reshape(windows, (-1, side, side))
    channels = ops.transpose(channels, (1, 2, 0))[None]
    kernels = ops.transpose(attraction / size**2, (2, 3, 0, 1, 4))
    kernels = ops.reshape(ops.flip(kernels, (0, 1)), (size, size, -1, 1))
    refined = ops.depthwise_conv(
        channels, kernels, padding="same", data_format="channels_last"
    )
    refined = ops.reshape(refined, (side, side, -1, slots, joints))
    return ops.transpose(refined, (2, 3, 0, 1, 4))


def weighted_peaks(heatmaps: Any, keypoints: Any) -> tuple[Any, Any]:
    """Joints' places by the two highest values of their refined heatmaps.

    Place and value are 0.75 of the highest's and 0.25 of the second's.

    Args:
        heatmaps: `[B, S, n, n, J]`, centred at `keypoints`.
        keypoints: `[B, S, J, 2]` (x, y), pixels.

    Returns:
        Keypoints `[B, S, J, 2]`, pixels, and values `[B, S, J]`.
    """
    slots, side, _, joints = heatmaps.shape[1:]
    flat = ops.transpose(heatmaps, (0, 1, 4, 2, 3))
    values, index = ops.top_k(ops.reshape(flat, (-1, slots, joints, side**2)), 2)
    index = ops.cast(index, "int32")
    places = ops.cast(ops.stack([index % side, index // side], axis=-1), "float32")
    place = 0.75 * places[..., 0, :] + 0.25 * places[..., 1, :]
    return (
        keypoints + place - side // 2,
        0.75 * values[..., 0] + 0.25 * values[..., 1],
    )


def best_places(expansion: Any, attraction: Any) -> tuple[Any, Any]:
    """Joints' places by their attraction maps alone.

    Args:
        expansion: places `[B, S, k, k, J, 2]`, pixels.
        attraction: `[B, S, k, k, J]`.

    Returns:
        Keypoints `[B, S, J, 2]`, pixels, and values `[B, S, J]`.
    """
    slots, side, _, joints = attraction.shape[1:]
    flat = ops.reshape(attraction, (-1, slots, side**2, joints))
    places = ops.reshape(expansion, (-1, slots, side**2, joints, 2))
    best = ops.one_hot(ops.argmax(flat, axis=2), side**2, axis=2)
    return ops.sum(places * best[..., None], axis=2), ops.max(flat, axis=2)
