"""From keypoints in an image to a body in metres."""

from typing import Any

import keras
import numpy as np
from keras import ops

from tfpose.adaptation import AdaptedModel
from tfpose.errors import InputError
from tfpose.geometry import normalize_keypoints
from tfpose.lifters.net import LiftingNet
from tfpose.lifters.views import mirror_bodies

__all__ = ["AdaptingLifter", "PoseLifter"]

_BATCH = 4096


class PoseLifter:
    """A lifter, ready to use.

    Args:
        net: of a `LiftingNet`.
        flip_test: average over the pose and its mirror image.

    Raises:
        InputError: `net` is no lifter.
    """

    def __init__(self, net: keras.Model, flip_test: bool = False) -> None:
        if not isinstance(net, LiftingNet):
            raise InputError(
                f"{net.name}: is a {type(net).__name__}, expected a lifter, from 2D "
                "keypoints to 3D positions"
            )
        self.net = net
        self.skeleton = net.skeleton
        self.flip_test = flip_test

    def lift(self, keypoints: Any) -> Any:
        """Root-relative positions.

        Args:
            keypoints: tensor `[B, J, 2]`, by `normalize_keypoints`.

        Returns:
            `[B, J, 3]`, metres, in the camera's frame, the root's row 0.
        """
        positions = self._lift_once(keypoints)
        if not self.flip_test:
            return positions
        again = self._mirror(self._lift_once(self._mirror(keypoints)))
        return (positions + again) / 2

    def _lift_once(self, keypoints: Any) -> Any:
        """`lift` without the mirror image."""
        return self.net(keypoints, training=False)

    def predict(self, keypoints: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
        """Root-relative positions of the people of one image.

        Args:
            keypoints: float `[P, J, 2]`, pixels of the skeleton's joints.
            image_size: (height, width), pixels.

        Returns:
            float32 `[P, J, 3]`, metres, in the camera's frame.

        Raises:
            InputError: another shape, or a number that is not finite.
        """
        return self.lift_all(self.normalize(keypoints, image_size))

    def normalize(
        self, keypoints: np.ndarray, image_size: tuple[int, int]
    ) -> np.ndarray:
        """Keypoints of one image as `lift` takes them; see `predict`.

        Returns:
            float32 `[P, J, 2]`.
        """
        keypoints = np.asarray(keypoints, np.float32)
        joints = self.skeleton.num_joints
        if keypoints.ndim != 3 or keypoints.shape[1:] != (joints, 2):
            raise InputError(
                f"keypoints have shape {keypoints.shape}, expected [people, {joints}, "
                f"2] for skeleton {self.skeleton.name!r}"
            )
        if not np.isfinite(keypoints).all():
            raise InputError("keypoints have numbers that are not finite")
        size = np.asarray(image_size, np.float32)
        return ops.convert_to_numpy(normalize_keypoints(keypoints, size))

    def lift_all(self, keypoints: np.ndarray) -> np.ndarray:
        """As `lift`, for any number of poses, some at a time.

        Args:
            keypoints: float32 `[N, J, 2]`, by `normalize_keypoints`.

        Returns:
            float32 `[N, J, 3]`.
        """
        found = [np.zeros((0, self.skeleton.num_joints, 3), np.float32)]
        for start in range(0, len(keypoints), _BATCH):
            positions = self.lift(keypoints[start : start + _BATCH])
            found.append(ops.convert_to_numpy(positions))
        return np.concatenate(found)

    def _mirror(self, points: Any) -> Any:
        return mirror_bodies(points, self.skeleton.flip_permutation)


class AdaptingLifter(PoseLifter):
    """A lifter that adapts to each pose, in order; flip test is the adapter's business.

    Args:
        net: of a `LiftingNet`.
        adapted: takes `keypoints` `[1, J, 2]`, normalised, returns `positions`
            `[1, J, 3]`.

    Raises:
        InputError: `net` is no lifter.
    """

    def __init__(self, net: keras.Model, adapted: AdaptedModel) -> None:
        super().__init__(net, flip_test=False)
        self._adapted, self._alone = adapted, 0

    def lift(self, keypoints: Any) -> Any:
        found = [self._adapted({"keypoints": pose[None]}) for pose in keypoints]
        return np.concatenate([ops.convert_to_numpy(one["positions"]) for one in found])

    def lift_streams(self, keypoints: np.ndarray, streams: np.ndarray) -> np.ndarray:
        """As `lift_all`, each stream from the trained weights on.

        A stream of one pose has nothing to adapt for: an online adapter leaves it out.

        Args:
            keypoints: float32 `[N, J, 2]`, by `normalize_keypoints`.
            streams: int `[N]`, of which stream each pose is; poses are in order.

        Returns:
            float32 `[N, J, 3]`.
        """
        if not self._adapted.adapter.online:
            return self.lift_all(keypoints)
        positions = np.zeros((*keypoints.shape[:2], 3), np.float32)
        for stream in np.unique(streams):
            rows = np.flatnonzero(streams == stream)
            if len(rows) == 1:
                self._alone += 1
                found = self._adapted.unadapted({"keypoints": keypoints[rows]})
                positions[rows] = ops.convert_to_numpy(found["positions"])
            else:
                self._adapted.begin()
                positions[rows] = self.lift_all(keypoints[rows])
        return positions

    def left_out(self) -> str:
        """What adaptation left out; empty for nothing."""
        parts = [self._adapted.left_out()]
        if self._alone:
            parts.append(f"not adapted to {self._alone} streams of one pose")
        return ", ".join(part for part in parts if part)
