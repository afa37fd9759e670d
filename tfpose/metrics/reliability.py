"""What scores mean: how often joints of a score are right."""

import dataclasses
from typing import Any

import numpy as np

__all__ = [
    "PersonThreshold",
    "Reliability",
    "find_person_threshold",
    "measure_reliability",
]

_BINS = 10


@dataclasses.dataclass(frozen=True, eq=False)
class Reliability:
    """How often joints are right that have a score, in K bins of scores.

    Attributes:
        edges: `[K + 1]`, of the bins, from 0 to 1; the last has what scores more, too.
        counts: int `[K]`, labelled joints of each.
        right: `[K]`, the share of these that is right; NaN where there are none.
        mean_scores: `[K]`, of these; NaN where there are none.
        unlabelled: int `[K]`, joints of each that have no label: they are hidden, or
            out of the picture.
        threshold: who takes joints above it for right, and the others for wrong, errs
            least often. In two digits.
        above: shares of the labelled joints above the threshold that are right, and of
            those that are not above it.
        kept: shares of the labelled joints and of the unlabelled ones above it.
    """

    edges: np.ndarray
    counts: np.ndarray
    right: np.ndarray
    mean_scores: np.ndarray
    unlabelled: np.ndarray
    threshold: float
    above: tuple[float, float]
    kept: tuple[float, float]

    def to_dict(self) -> dict[str, Any]:
        """Everything in it, for JSON."""
        shares = np.nan_to_num(self.right, nan=-1)
        means = np.nan_to_num(self.mean_scores, nan=-1)
        return {
            "score_threshold": self.threshold,
            "right_above": self.above[0],
            "right_below": self.above[1],
            "labelled_above": self.kept[0],
            "unlabelled_above": self.kept[1],
            "bins": [
                {
                    "from": round(float(low), 3),
                    "to": round(float(high), 3),
                    "labelled": int(count),
                    "right": float(share) if count else None,
                    "mean_score": float(mean) if count else None,
                    "unlabelled": int(absent),
                }
                for low, high, count, share, mean, absent in zip(
                    self.edges[:-1],
                    self.edges[1:],
                    self.counts,
                    shares,
                    means,
                    self.unlabelled,
                    strict=True,
                )
            ],
        }


@dataclasses.dataclass(frozen=True)
class PersonThreshold:
    """Who is a person, of those whom a net finds without boxes.

    Attributes:
        person_threshold: above it people are found best, which is with the highest
            harmonic mean of the two shares (F1). In three digits, as scores of whole
            people are small: a mean over all joints, seen or not.
        right: share of those above it who are people.
        found: share of people who are above it.
    """

    person_threshold: float
    right: float
    found: float


def find_person_threshold(
    scores: np.ndarray, right: np.ndarray, people: int
) -> PersonThreshold:
    """The score that tells people from others best.

    Args:
        scores: `[Q]`, of those who were found.
        right: bool `[Q]`, whether each is a person, each person once.
        people: how many there are.
    """
    limits = np.arange(0, 1001) / 1000
    kept = np.asarray(scores)[:, None] > limits
    hits = (kept & np.asarray(right)[:, None]).sum(axis=0)
    best = int(np.argmax(2 * hits / np.maximum(kept.sum(axis=0) + people, 1)))
    return PersonThreshold(
        float(limits[best]),
        float(hits[best] / max(1, kept[:, best].sum())),
        float(hits[best] / max(1, people)),
    )


def measure_reliability(
    scores: np.ndarray, right: np.ndarray, unlabelled: np.ndarray
) -> Reliability:
    """Compares scores with what was right.

    Args:
        scores: `[N]`, of labelled joints, N > 0.
        right: bool `[N]`, whether each is where its label is.
        unlabelled: `[M]`, scores of joints without a label.
    """
    edges = np.linspace(0, 1, _BINS + 1)

    def bins(values: np.ndarray) -> np.ndarray:
        return np.clip(np.digitize(values, edges) - 1, 0, _BINS - 1)

    def total(values: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        return np.bincount(bins(values), weights, _BINS)

    counts = total(scores)
    some = np.where(counts > 0, counts, np.nan)
    threshold = _best_threshold(scores, right)
    kept = scores > threshold
    return Reliability(
        edges,
        counts.astype(int),
        total(scores, right.astype(float)) / some,
        total(scores, scores) / some,
        total(unlabelled).astype(int),
        threshold,
        (_mean(right[kept]), _mean(right[~kept])),
        (_mean(kept), _mean(unlabelled > threshold)),
    )


def _best_threshold(scores: np.ndarray, right: np.ndarray) -> float:
    """The least of those that most often tell right from wrong, of two digits."""
    candidates = np.arange(0, 101) / 100
    hits = [np.mean((scores > limit) == right) for limit in candidates]
    return float(candidates[int(np.argmax(hits))])


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0
