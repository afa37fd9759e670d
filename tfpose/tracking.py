"""People keep their number over a video, and move smoothly.

Poses are matched to the people before by OKS, as in section 3 of Xiao, Wu, Wei: Simple
Baselines for Human Pose Estimation and Tracking (ECCV 2018). There, optical flow moves
the poses before to where they are likely to be now; here, each person's own speed does,
which needs no pictures.
"""

import dataclasses

import numpy as np
from scipy.optimize import linear_sum_assignment

from tfpose.metrics.pairwise_oks import pairwise_oks
from tfpose.one_euro import OneEuroFilter
from tfpose.predictors import People
from tfpose.skeletons import Skeleton

__all__ = ["Tracker"]

_LEAST_OKS = 0.1
# How long a speed is remembered.
_MEMORY = 0.3
# Area of a person whose joints lie in a line, as a share of their extent squared.
_SLIMNESS = 0.2


class Tracker:
    """Numbers the people of one video, frame by frame.

    A person gets a number in the frame in which they are seen the `birth`-th time in
    turn, those of the first frame at once; a person who is out of sight keeps it for
    the seconds of `patience`.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        birth: int = 3,
        patience: float = 2.0,
        smooth: bool = True,
        threshold: float = 0.1,
    ):
        """
        Args:
            skeleton: the joints.
            birth: frames in turn that a person is seen in before they are numbered.
            patience: seconds that a person may be out of sight.
            smooth: whether keypoints are smoothed by a one-euro filter.
            threshold: joints that score no more may be somewhere else in the next
                frame; by the others it is told who is who.
        """
        self._skeleton = skeleton
        self._birth = birth
        self._patience = patience
        self._smooth = smooth
        self._threshold = threshold
        self._tracks: list[_Track] = []
        self._numbered = 0
        self._begun = False

    def update(self, people: People, seconds: float) -> tuple[People, list[int]]:
        """The people of the next frame, smoothed, and their numbers.

        Args:
            people: found in the frame, P of them.
            seconds: the frame's time, more than that of the one before.

        Returns:
            The people in the same order; and of each the number, from 1; 0 as long as
            they have none.
        """
        poses = people.poses
        rows = self._match(poses, seconds)
        keypoints = np.array(people.keypoints, np.float64)
        numbers = []
        tracks = []
        for person, pose in enumerate(poses):
            row = rows.get(person)
            track = _Track(self._threshold) if row is None else self._tracks[row]
            track.see(pose, seconds)
            if not track.number and (track.frames >= self._birth or not self._begun):
                self._numbered += 1
                track.number = self._numbered
            if self._smooth:
                keypoints[person] = track.smoothed(pose, seconds)
            numbers.append(track.number)
            tracks.append(track)
        tracks += [
            track
            for row, track in enumerate(self._tracks)
            if row not in rows.values()
            and track.number
            and seconds - track.seconds <= self._patience
        ]
        self._tracks = tracks
        self._begun = self._begun or bool(len(poses))
        return dataclasses.replace(people, keypoints=keypoints), numbers

    def _match(self, poses: np.ndarray, seconds: float) -> dict[int, int]:
        """The row of the track of each person who has one before."""
        if not len(poses) or not self._tracks:
            return {}
        before = np.array([track.expected(seconds) for track in self._tracks])
        limit = self._threshold
        areas = np.array([_area(pose, limit) for pose in poses])
        old = np.array([_area(pose, limit) for pose in before])
        found = poses[:, None, :, 2] > limit
        counted = found & (before[None, :, :, 2] > limit)
        oks = pairwise_oks(
            poses[..., :2],
            before[..., :2],
            (areas[:, None] + old) / 2,
            self._skeleton,
            counted,
        )
        pairs = zip(*linear_sum_assignment(-oks), strict=True)
        return {int(p): int(t) for p, t in pairs if oks[p, t] >= _LEAST_OKS}


class _Track:
    """One person: where they were last, and how fast they move."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self.number = 0
        self.frames = 0
        self.seconds = 0.0
        self._pose = np.zeros((0, 3))
        self._speed = np.zeros(2)
        self._way = np.zeros(2)
        self._filter = OneEuroFilter(min_cutoff=2.0, beta=3.0)

    def see(self, pose: np.ndarray, seconds: float) -> None:
        """Takes in the person's pose `[J, 3]` in a frame."""
        if self.frames:
            gap = seconds - self.seconds
            both = np.minimum(pose[:, 2], self._pose[:, 2]) > self._threshold
            if both.any():
                moved = np.median((pose - self._pose)[both, :2], axis=0) / gap
                weight = 1 - np.exp(-gap / _MEMORY)
                self._speed = self._speed + weight * (moved - self._speed)
            self._way = self._way + self._speed * gap
        self._pose, self.seconds = pose, seconds
        self.frames += 1

    def expected(self, seconds: float) -> np.ndarray:
        """The pose `[J, 3]` if the person moves on as before."""
        pose = self._pose.copy()
        pose[:, :2] += self._speed * (seconds - self.seconds)
        return pose

    def smoothed(self, pose: np.ndarray, seconds: float) -> np.ndarray:
        """The keypoints `[J, 2]`, filtered, of joints that were found.

        The filter goes along with the body: who walks does not lag behind.
        """
        points = np.where(pose[:, 2:] > 0, pose[:, :2], np.nan) - self._way
        size = np.sqrt(_area(pose, self._threshold))
        smooth = self._filter(points, seconds, size) + self._way
        return np.where(np.isfinite(smooth), smooth, pose[:, :2])


def _area(pose: np.ndarray, threshold: float) -> float:
    """About how large a person is, square pixels; above 0."""
    found = pose[pose[:, 2] > threshold, :2]
    if len(found) < 2:
        return 1.0
    width, height = np.ptp(found, axis=0)
    return float(max(width * height, _SLIMNESS * max(width, height) ** 2, 1.0))
