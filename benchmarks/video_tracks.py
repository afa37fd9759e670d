"""People's numbers and smooth tracks on films of mannequins, where truth is known.

    python -m benchmarks.video_tracks

The people of a film cross each other's way and pass behind a pillar. What a detector
and a net would find is imitated, so that it is known what is wrong with it: keypoints
are off by as much as COCO's annotators are from each other, twice as much where a joint
is hidden; half of the error's variance changes from frame to frame, half of it lasts
for about ten frames. One person in twenty is not found, nor is anybody of whom fewer
than five joints are seen; in one frame of twenty there is a pose where nobody is.
"""

import argparse
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from data_pipelines.mannequin.film import FilmFrame, draw_film
from data_pipelines.mannequin.render import Person
from tfpose.metrics.pck import pck, torso_size
from tfpose.metrics.tracks import TrackScore, mean_acceleration
from tfpose.predictors import People
from tfpose.skeletons import get_skeleton
from tfpose.tracking import Tracker

__all__ = ["Film", "main", "score", "shoot", "summarise"]

_FPS = 25.0
_COCO = get_skeleton("coco17")
_LEAST_SEEN = 5
_RARE = 0.05
_LASTS = 0.9
# A person's area as a share of their height squared.
_AREA = 0.2


@dataclasses.dataclass
class Film:
    """A film and what was found in it.

    Attributes:
        frames: the truth.
        people: found in each frame, COCO's joints.
        owners: of each frame int `[Q]`, who each is; -1 for nobody.
    """

    frames: list[FilmFrame]
    people: list[People]
    owners: list[np.ndarray]


def shoot(seed: int, frames: int) -> Film:
    """Draws a film and finds most of its people."""
    film = list(draw_film(seed, frames=frames, fps=_FPS))
    rng = np.random.default_rng(seed)
    count = 1 + max(max(frame.numbers, default=0) for frame in film)
    lasting = rng.normal(0, 1, (count, 17, 2))
    people, owners = [], []
    for frame in film:
        fresh = rng.normal(0, 1, lasting.shape)
        lasting = _LASTS * lasting + np.sqrt(1 - _LASTS**2) * fresh
        error = np.sqrt(0.5) * (lasting + rng.normal(0, 1, lasting.shape))
        poses, whose = _detect(frame, error, rng)
        scores = np.full(poses.shape[:2], 0.8)
        boxes = np.zeros((len(poses), 4))
        people.append(People(poses, scores, np.ones(len(poses)), boxes))
        owners.append(whose)
    return Film(film, people, owners)


def score(film: Film, tracker: Tracker) -> tuple[TrackScore, np.ndarray, np.ndarray]:
    """How well the people are tracked.

    Returns:
        The counts; the keypoints `[T, P, 17, 2]` of each person by frame, NaN where not
        found, and the true ones `[T, P, 17, 3]`.
    """
    scored = TrackScore(_COCO)
    count = 1 + max(max(frame.numbers, default=0) for frame in film.frames)
    found = np.full((len(film.frames), count, 17, 2), np.nan)
    truth = np.zeros((len(film.frames), count, 17, 3))
    for place, frame in enumerate(film.frames):
        people, given = tracker.update(film.people[place], frame.seconds)
        keypoints, numbers = people.keypoints, np.array(given, int)
        labelled = [i for i, p in enumerate(frame.people) if p.keypoints.any()]
        for row in labelled:
            person = frame.people[row]
            truth[place, frame.numbers[row]] = person.keypoints
        for points, owner in zip(keypoints, film.owners[place], strict=True):
            if owner >= 0:
                found[place, owner] = points
        who = np.array([frame.numbers[row] for row in labelled], int)
        areas = np.array([_AREA * _height(frame.people[row]) ** 2 for row in labelled])
        # A pose without a number is not shown as anybody's.
        shown = numbers > 0
        scored.add(truth[place, who], areas, who, keypoints[shown], numbers[shown])
    return scored, found, truth


def _detect(
    frame: FilmFrame, error: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints `[Q, 17, 2]`, pixels, and whose they are."""
    assert _COCO.sigmas is not None
    sigmas = np.array(_COCO.sigmas)[:, None]
    poses, owners = [], []
    for person, number in zip(frame.people, frame.numbers, strict=True):
        seen = person.keypoints[:, 2:] == 2
        if seen.sum() < _LEAST_SEEN or rng.random() < _RARE:
            continue
        size = np.sqrt(_AREA) * _height(person)
        off = error[number] * sigmas * size * np.where(seen, 1, 2)
        poses.append(person.keypoints[:, :2] + off)
        owners.append(number)
    if poses and rng.random() < _RARE:
        # Somebody's pose where they are not.
        shift = rng.uniform(-1, 1, 2) * np.array(frame.image.shape[1::-1]) / 2
        poses.append(poses[0] + shift)
        owners.append(-1)
    return np.array(poses).reshape(-1, 17, 2), np.array(owners, int)


def _height(person: Person) -> float:
    """Of the body in the picture, pixels, also of what is hidden."""
    return float(np.ptp(person.keypoints[:, 1][person.keypoints[:, 2] > 0]))


def summarise(films: list[Film], make: Callable[[], Tracker]) -> dict[str, float]:
    """MOTA and its counts, PCK of the joints in sight, and jitter, of all films."""
    results = [score(film, make()) for film in films]
    scores = [scored for scored, _, _ in results]
    row = {
        name: float(sum(getattr(scored, name) for scored in scores))
        for name in ("people", "misses", "false_alarms", "switches")
    }
    wrong = row["misses"] + row["false_alarms"] + row["switches"]
    row["MOTA"] = 1 - wrong / row["people"]
    found = np.concatenate([f.reshape(-1, 17, 2) for _, f, _ in results])
    truth = np.concatenate([t.reshape(-1, 17, 3) for _, _, t in results])
    there = np.isfinite(found[:, 0, 0]) & truth[..., 2].any(axis=1)
    sizes = torso_size(truth, _COCO, "midline")
    truth[..., 2] *= truth[..., 2] == 2
    for threshold in (0.05, 0.1, 0.2):
        correct = pck(found[there], truth[there], sizes[there], threshold)
        row[f"PCK@{threshold:g}"] = correct.overall
    row["jitter"] = _jitter([f / _median_height(t) for _, f, t in results])
    row["true"] = _jitter(
        [
            np.where(t[..., 2:] > 0, t[..., :2], np.nan) / _median_height(t)
            for _, _, t in results
        ]
    )
    return row


def _median_height(truth: np.ndarray) -> float:
    y = np.where(truth[..., 2] > 0, truth[..., 1], np.nan)
    whole = np.isfinite(y).sum(axis=-1) == 17
    return float(np.median(np.ptp(y[whole], axis=-1)))


def _jitter(tracks: list[np.ndarray]) -> float:
    """Mean of all people of the mean acceleration, heights per second squared."""
    people = [track[:, person] for track in tracks for person in range(track.shape[1])]
    return float(np.nanmean([mean_acceleration(one, _FPS) for one in people]))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, default=5)
    parser.add_argument("--frames", type=int, default=150)
    chosen = parser.parse_args()
    films = [shoot(seed, chosen.frames) for seed in range(chosen.films)]
    rows: dict[str, dict[str, Any]] = {
        "numbered and smoothed": {},
        "not smoothed": {"smooth": False},
        "numbered at once": {"birth": 1},
        "not found again": {"patience": 0.0},
    }
    for number, (name, options) in enumerate(rows.items()):
        row = summarise(films, lambda options=options: Tracker(_COCO, **options))
        if not number:
            print("tracker", *row, sep=" | ")
        print(name, *(f"{value:.4g}" for value in row.values()), sep=" | ", flush=True)


if __name__ == "__main__":
    main()
