"""Random views of the training poses: the cheapest augmentation of a lifter's data.

Bodies are turned about the vertical axis, tilted, and projected again with their own
camera. No network takes part.
"""

import math
from typing import Any

import numpy as np
from keras import ops

from data_pipelines.lifting.batches import LiftingEvaluation
from data_pipelines.lifting.datasets import load_lifting_dataset
from tfpose.geometry import keypoint_size
from tfpose.lifters.views import (
    place_bodies,
    project_poses,
    turn_bodies,
    view_rotations,
)
from tfpose.skeletons import Skeleton, get_skeleton
from trainers.lifter_config import LifterConfig
from trainers.random_model import RandomModel

__all__ = ["RandomViews"]


class RandomViews:
    """Gives bodies the views that a config asks for."""

    def __init__(self, config: LifterConfig, model: RandomModel) -> None:
        """
        Args:
            config: its `random_views`, `view_tilt` and `target_dir`.
            model: draws the random numbers.

        Raises:
            InputError: the target's data cannot be used.
        """
        skeleton = get_skeleton(config.skeleton)
        self._model, self._root = model, skeleton.root
        self._turned = config.random_views
        self._tilt = math.radians(config.view_tilt)
        self._targets = _load_targets(config, skeleton) if config.target_dir else None

    def added_to(self, batch: dict[str, Any]) -> tuple[Any, Any]:
        """A batch's keypoints and positions; below them, if asked for, other views.

        A view that leaves the image is replaced by its source.

        Args:
            batch: `positions` `[B, J, 3]`, `keypoints` `[B, J, 2]`, `intrinsics`
                `[B, 9]`.
        """
        keypoints, positions = batch["keypoints"], batch["positions"]
        if not self._turned and self._targets is None:
            return keypoints, positions
        viewed = self(positions, batch["intrinsics"])
        seen = project_poses(viewed, batch["intrinsics"])
        inside = ops.all(ops.abs(seen) <= 1, axis=(-2, -1), keepdims=True)
        return (
            ops.concatenate([keypoints, ops.where(inside, seen, keypoints)], axis=0),
            ops.concatenate([positions, ops.where(inside, viewed, positions)], axis=0),
        )

    def __call__(self, positions: Any, intrinsics: Any) -> Any:
        """Bodies seen from random sides, where they are or where targets are.

        Args:
            positions: `[B, J, 3]`, metres, in the camera's frame.
            intrinsics: `[B, 9]`, normalised.

        Returns:
            `[B, J, 3]`.
        """
        count = positions.shape[0]
        if self._turned:
            drawn = ops.unstack(self._model.draw_uniform(count, (3,)), axis=-1)
            azimuth = 2 * math.pi * drawn[0]
            pitch, roll = (self._tilt * _normal(uniform) for uniform in drawn[1:])
            rotations = view_rotations(azimuth, pitch, roll)
            positions = turn_bodies(positions, rotations, self._root)
        if self._targets is not None:
            rows = self._model.draw_integers(count, len(self._targets[0]))
            places, sizes = (
                ops.take(ops.convert_to_tensor(values), rows, axis=0)
                for values in self._targets
            )
            positions = place_bodies(positions, intrinsics, places, sizes, self._root)
        return positions


def _normal(uniform: Any) -> Any:
    """Standard normal numbers of uniform ones; the same with and without XLA."""
    return math.sqrt(2) * ops.erfinv(ops.clip(2 * uniform - 1, -0.999999, 0.999999))


def _load_targets(
    config: LifterConfig, skeleton: Skeleton
) -> tuple[np.ndarray, np.ndarray]:
    """Places `[N, 1, 2]` and sizes `[N, 1, 1]` of people in the target's 2D."""
    poses = load_lifting_dataset(
        config.target_dataset or config.dataset,
        config.target_dir,
        "test",
        skeleton,
        keypoints=config.keypoints or None,
        subjects=config.target_subjects or None,
        stride=config.stride,
    )
    keypoints = LiftingEvaluation(poses).keypoints
    sizes = ops.convert_to_numpy(keypoint_size(keypoints, skeleton.root))
    return keypoints[:, [skeleton.root]], sizes
