"""How well people keep their number: MOTA, after Bernardin and Stiefelhagen.

Keni Bernardin, Rainer Stiefelhagen: Evaluating Multiple Object Tracking Performance:
The CLEAR MOT Metrics (2008). People are matched by OKS.
"""

import dataclasses

import numpy as np
from scipy.optimize import linear_sum_assignment

from tfpose.metrics.pairwise_oks import pairwise_oks
from tfpose.skeletons import Skeleton

__all__ = ["TrackScore", "mean_acceleration"]


@dataclasses.dataclass
class TrackScore:
    """Counts over the frames of one video, which are added in order.

    Attributes:
        skeleton: the joints.
        least_oks: of a true person and the pose that is taken for theirs.
        people: true people, of all frames.
        misses: those without a pose.
        false_alarms: poses that are nobody's.
        switches: how often a person is found under another number than when they were
            found last.
    """

    skeleton: Skeleton
    least_oks: float = 0.5
    people: int = 0
    misses: int = 0
    false_alarms: int = 0
    switches: int = 0
    _last: dict[int, int] = dataclasses.field(default_factory=dict)

    def add(
        self,
        truth: np.ndarray,
        areas: np.ndarray,
        who: np.ndarray,
        poses: np.ndarray,
        numbers: np.ndarray,
    ) -> None:
        """Adds the next frame.

        Args:
            truth: `[P, J, 3]`: x, y in pixels and visibility; 0 is not compared.
            areas: `[P]` of these people, square pixels.
            who: int `[P]`, who each is.
            poses: `[Q, J, 2]` what was found, pixels.
            numbers: int `[Q]`, the number that each was given.
        """
        self.people += len(truth)
        counted = np.broadcast_to(
            truth[:, None, :, 2] > 0, (len(truth), len(poses), truth.shape[1])
        )
        oks = pairwise_oks(
            truth[..., :2], poses, np.asarray(areas)[:, None], self.skeleton, counted
        )
        # Who was a pair before stays one as long as they are alike enough.
        stays = [[self._last.get(int(w), None) == int(n) for n in numbers] for w in who]
        value = oks + 10.0 * np.array(stays, float).reshape(oks.shape)
        value[oks < self.least_oks] = -1000.0
        matched = 0
        for row, column in zip(*linear_sum_assignment(-value), strict=True):
            if oks[row, column] < self.least_oks:
                continue
            matched += 1
            person, number = int(who[row]), int(numbers[column])
            self.switches += self._last.get(person, number) != number
            self._last[person] = number
        self.misses += len(truth) - matched
        self.false_alarms += len(poses) - matched

    @property
    def mota(self) -> float:
        """1 - (misses + false alarms + switches) / people; below 0 if very bad."""
        wrong = self.misses + self.false_alarms + self.switches
        return 1 - wrong / max(self.people, 1)


def mean_acceleration(points: np.ndarray, fps: float) -> float:
    """How much a track trembles.

    Args:
        points: `[T, J, 2]` of frames one after the other; frames or joints that are NaN
            are left out.
        fps: frames a second.

    Returns:
        The mean length of the second difference, in the unit of the points a second
        squared; NaN where there are no three frames.
    """
    second = np.diff(np.asarray(points, np.float64), n=2, axis=0) * fps**2
    lengths = np.linalg.norm(second, axis=-1)
    lengths = lengths[np.isfinite(lengths)]
    return float(lengths.mean()) if len(lengths) else float("nan")
