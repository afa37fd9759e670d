"""From a picture to everybody in it, with a net that finds people by centres."""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from tfpose.codecs.flip import merge, unflip_heatmaps
from tfpose.errors import InputError
from tfpose.logocap.centre_net import CentreNet, Dense, Poses
from tfpose.logocap.picture import Placement
from tfpose.logocap.pose_scorer import PoseScorer
from tfpose.logocap.suppression import read_slots
from tfpose.predictors import People, Predictor

__all__ = ["CentrePredictor"]

# Few people are adapted to the picture in few slots, which costs less.
_FEW_SLOTS = (5, 10)


class CentrePredictor(Predictor):
    """Finds everybody in a picture, without boxes, as the published code does.

    A joint's score is what its heatmap, refined or not, says times the score of the
    person's centre; a person's score is the mean of the joints'.

    Attributes:
        compiled: `find` and `adapt`, compiled; None without a `compiler`.

    Example:
    ```python
    net = keras.saving.load_model("model.keras")
    people = CentrePredictor(net).predict(photo)
    ```
    """

    wants_boxes = False
    person_threshold = 0.0

    def __init__(
        self,
        net: CentreNet,
        flip_test: bool = True,
        *,
        level: str | None = None,
        short_side: int | None = None,
        pose_scorer: PoseScorer | None = None,
        compiler: Callable[[Callable], Callable] | None = None,
    ) -> None:
        """
        Args:
            net: whose `info` names its `short_side`, pixels.
            flip_test: average heatmaps and offsets of the picture and of its mirror
                image.
            level: one of the net's `levels`; the last one if None.
            short_side: of the net's input, pixels; the net's own if None.
            pose_scorer: people's scores are multiplied by what it says of their poses.
            compiler: what the net is compiled with before the second picture of a size;
                None to leave it as it is.

        Raises:
            InputError: the net does not say its `short_side`, or a choice is
                impossible.
        """
        level = net.levels[-1] if level is None else level
        if level not in net.levels:
            expected = f"one of {', '.join(net.levels)}"
            if len(net.levels) == 1:
                expected = f"{net.levels[0]}, the net's only one"
            raise InputError(f"level is {level!r}, expected {expected}")
        side = net.info.get("short_side") if short_side is None else short_side
        if side is None:
            raise InputError("model: its info has no short_side, expected pixels")
        if side < 1:
            raise InputError(f"short_side is {side}, expected at least 1 pixel")
        if pose_scorer is not None:
            joints = pose_scorer.skeleton.joints
            if joints != net.skeleton.joints:
                raise InputError(
                    f"pose_scorer is for joints of {pose_scorer.skeleton.name}, and "
                    f"the net has those of {net.skeleton.name}"
                )
        self.net, self.skeleton, self.pose_scorer = net, net.skeleton, pose_scorer
        self.flip_test, self.level, self.short_side = flip_test, level, side
        self.read_thresholds(net.info)
        few = [slots for slots in _FEW_SLOTS if slots < net.slots]
        self._slots = (*few, net.slots)
        self._seen: set[tuple[int, int]] = set()
        self.compiled: tuple[Callable, Callable] | None = None
        if compiler is not None:
            self.compiled = compiler(self.find), compiler(self.adapt)

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "flip test": "yes, not shifted" if self.flip_test else "no",
            "short side": self.short_side,
            "adaptation to the picture": self.level,
            "poses rescored": "no" if self.pose_scorer is None else "yes",
        }

    def dense(self, images: Any) -> Dense:
        """Dense maps, flip-tested, of pixels 0..255 `[B, H, W, 3]`."""
        dense = self.net.dense(images)
        if self.flip_test:
            dense = self._merged(dense, self.net.dense(self.net.mirror(images)))
        return dense

    def find(self, images: Any) -> tuple[Dense, Poses]:
        """Dense maps, flip-tested, and start poses of pixels 0..255 `[B, H, W, 3]`."""
        dense = self.dense(images)
        return dense, self.net.start_poses(dense)

    def adapt(self, dense: Dense, poses: Poses) -> tuple[Any, Any]:
        """Poses `[B, S, J, 3]` and scores `[B, S]`, see `CentreNet.adapted`."""
        return self.net.adapted(dense, poses, self.level)

    def predict(self, image: np.ndarray, boxes: np.ndarray | None = None) -> People:
        self.usable_boxes(image, boxes)
        poses, scores = read_slots(*self._ranked(image))
        if self.pose_scorer is not None:
            scores = scores * ops.convert_to_numpy(self.pose_scorer(poses))
        points = poses[..., :2]
        low, high = points.min(axis=1), points.max(axis=1)
        return People(
            points,
            poses[..., 2].astype(np.float32),
            scores,
            np.concatenate([low, high - low], axis=1),
        )

    def candidates(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """People of a picture before those that lie on each other are suppressed.

        Args:
            image: uint8 `[H, W, 3]` RGB.

        Returns:
            Float64: poses `[P, J, 3]` (x, y in the picture's pixels, score), and
            people's scores `[P]`, all above 0.
        """
        poses, scores, _ = self._ranked(image)
        return poses, scores

    def _ranked(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`candidates`, and by what the best of poses on each other is found, `[P]`."""
        placement = Placement.of(image.shape[0], image.shape[1], self.short_side)
        find, adapt = self.find, self.adapt
        if self.compiled is not None and placement.size in self._seen:
            find, adapt = self.compiled
        self._seen.add(placement.size)
        dense, start = find(ops.convert_to_tensor(placement.place(image)[None]))
        count = int(ops.convert_to_numpy(start.filled).sum())
        # The highest centres are first, so empty slots are last.
        slots = next(slots for slots in self._slots if slots >= count)
        found = adapt(dense, Poses(*(part[:, :slots] for part in start)))
        poses, scores = (
            ops.convert_to_numpy(part)[0].astype(np.float64) for part in found
        )
        poses[..., :2] = placement.to_picture(poses[..., :2])
        ranks = scores
        if self.net.ranks_by_joints:
            heights = ops.convert_to_numpy(start.scores)[0, :slots].astype(np.float64)
            ranks = scores / np.where(heights > 0, heights, 1)
        found_people = scores > 0
        return poses[found_people], scores[found_people], ranks[found_people]

    def _merged(self, dense: Dense, mirrored: Dense) -> Dense:
        """Means over a picture and its mirror image; features of the picture alone."""
        joints = self.skeleton.num_joints
        permutation = [*self.skeleton.flip_permutation, joints]
        heatmaps = merge(
            dense.heatmaps, unflip_heatmaps(mirrored.heatmaps, permutation)
        )
        offsets = ops.take(ops.flip(mirrored.offsets, 2), permutation[:-1], axis=3)
        offsets = merge(dense.offsets, offsets * np.array([-1, 1], np.float32))
        return dense._replace(heatmaps=heatmaps, offsets=offsets)
