"""Poses as a detector that is not exact would see them."""

import dataclasses

import numpy as np

from data_pipelines.lifting.poses import LiftingDataset

__all__ = ["with_noise"]


def with_noise(poses: LiftingDataset, noise: float) -> LiftingDataset:
    """The same poses, seen less well; the same noise in every run.

    Args:
        poses: N of them.
        noise: standard deviation of normal noise on the keypoints, pixels; 0 for none.
    """
    if not noise:
        return poses
    moves = np.random.default_rng(0).normal(0, noise, poses.keypoints.shape)
    return dataclasses.replace(
        poses,
        keypoints=poses.keypoints + moves.astype(np.float32),
        keypoint_source=f"{poses.keypoint_source} with noise of {noise:g} px",
    )
