"""Real pairs of 2D and 3D poses, for tests of what happens to poses."""

import functools
from pathlib import Path

import numpy as np

from data_pipelines.lifting.batches import LiftingEvaluation
from data_pipelines.lifting.datasets import load_lifting_dataset
from tfpose.skeletons import get_skeleton

__all__ = ["mocap_pairs"]


@functools.cache
def mocap_pairs(shared_data: Path) -> dict[str, np.ndarray]:
    """Poses of CMU's motion capture, of the joints of `h36m16`; not to be changed.

    Args:
        shared_data: folder of the real data sets, see the fixture of that name.

    Returns:
        `keypoints` `[N, 16, 2]` and `intrinsics` `[N, 9]`, normalised, and `positions`
        `[N, 16, 3]`, metres, in the camera's frame; N is about 200.
    """
    poses = load_lifting_dataset(
        "mocap",
        str(shared_data / "mocap" / "cmu_bvh"),
        "test",
        get_skeleton("h36m16"),
        stride=100,
    )
    rows = np.linspace(0, len(poses) - 1, min(len(poses), 200)).astype(int)
    return LiftingEvaluation(poses).many(rows)
