"""What pose nets of random weights say of themselves, where they are only timed."""

from tfpose.skeletons import get_skeleton

__all__ = ["POSE_INFO"]

POSE_INFO = {
    "task": "top_down",
    "skeleton": get_skeleton("coco17").to_dict(),
    "sigma": 2.0,
    "decoder": "dark",
    "alignment": "half_pixel",
    "flip_shift": 0,
}
"""A heatmap net's `info`, with COCO's 17 joints."""
