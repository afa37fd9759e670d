"""The one-euro filter: smooth where little moves, quick where much does.

Géry Casiez, Nicolas Roussel, Daniel Vogel: 1 € Filter: A Simple Speed-based Low-pass
Filter for Noisy Input in Interactive Systems. CHI 2012.
"""

import math

import numpy as np

__all__ = ["OneEuroFilter"]


class OneEuroFilter:
    """Smooths points that come one after the other, at any times."""

    def __init__(
        self, min_cutoff: float = 1.0, beta: float = 1.0, speed_cutoff: float = 1.0
    ):
        """
        Args:
            min_cutoff: cutoff frequency at rest, Hz; the smaller, the less jitter.
            beta: what a speed of 1 unit a second adds to the cutoff, Hz; the larger,
                the less lag.
            speed_cutoff: cutoff frequency of the speeds, Hz.
        """
        self._min_cutoff = min_cutoff
        self._beta = beta
        self._speed_cutoff = speed_cutoff
        self._seconds: float | None = None
        self._points = np.zeros(0)
        self._speeds = np.zeros(0)

    def __call__(
        self, points: np.ndarray, seconds: float, unit: float = 1.0
    ) -> np.ndarray:
        """The smoothed points.

        Args:
            points: `[J, D]`, the same joints each time; one that is not finite is
                returned as it is, and begins anew when it is finite again.
            seconds: their time, more than the one before.
            unit: length that speeds are measured in, such as the person's size, in the
                unit of the points.

        Returns:
            `[J, D]`.
        """
        points = np.asarray(points, np.float64)
        if self._seconds is None:
            self._points, self._speeds = points, np.zeros_like(points)
            self._seconds = seconds
            return points
        gap, self._seconds = seconds - self._seconds, seconds
        speeds = (points - self._points) / gap
        weight = _weight(self._speed_cutoff, gap)
        self._speeds = self._speeds + weight * (np.nan_to_num(speeds) - self._speeds)
        # All coordinates of a joint are smoothed alike.
        speed = np.linalg.norm(self._speeds, axis=-1, keepdims=True) / unit
        weight = _weight(self._min_cutoff + self._beta * speed, gap)
        smooth = self._points + weight * (points - self._points)
        self._points = np.where(np.isfinite(smooth), smooth, points)
        return self._points


def _weight(cutoff: np.ndarray | float, gap: float) -> np.ndarray:
    """Weight of the new value in a low-pass filter of a cutoff, Hz."""
    turn = 2 * math.pi * np.asarray(cutoff) * gap
    return turn / (turn + 1)
