"""Numbers of people: births, patience, crossings; smooth films of mannequins."""

import numpy as np
import pytest

from benchmarks.video_tracks import shoot, summarise
from tfpose.predictors import People
from tfpose.skeletons import get_skeleton
from tfpose.tracking import Tracker

COCO = get_skeleton("coco17")
# Somebody 100 px high.
BODY = np.random.default_rng(1).uniform([-20, -50], [20, 50], (17, 2))


def people(*places, joints=BODY):
    points = np.array([joints + place for place in places]).reshape(-1, 17, 2)
    count = len(points)
    return People(points, np.ones((count, 17)), np.ones(count), np.zeros((count, 4)))


def numbers(tracker, frames, fps=25):
    return [tracker.update(f, index / fps)[1] for index, f in enumerate(frames)]


def test_who_comes_later_is_numbered_when_seen_three_times() -> None:
    there, here = (100, 100), (300, 100)
    frames = [people(there)] + [people(here, there)] * 3
    assert numbers(Tracker(COCO), frames) == [[1], [0, 1], [0, 1], [2, 1]]
    # Not in turn: that may be anything.
    frames = [people(there), people(here, there), people(there)] * 4
    assert {n for row in numbers(Tracker(COCO), frames) for n in row} == {0, 1}
    assert numbers(Tracker(COCO, birth=1), frames[:2]) == [[1], [2, 1]]


def test_who_is_hidden_walks_on_for_as_long_as_patience_lasts() -> None:
    walk = [people((100 + 4 * index, 100)) for index in range(60)]
    hidden = [*walk[:20], *[people()] * 20, *walk[40:]]
    assert numbers(Tracker(COCO), hidden)[40:] == [[1]] * 20
    # Impatient: somebody new, once they were seen three times.
    again = numbers(Tracker(COCO, patience=0.5), hidden)[40:]
    assert again == [[0]] * 2 + [[2]] * 18


def test_people_who_pass_each_other_keep_their_numbers() -> None:
    frames = [
        people((100 + 5 * index, 100), (400 - 5 * index, 104)) for index in range(60)
    ]
    # The order in a frame means nothing.
    frames[31::2] = [
        people((400 - 5 * i, 104), (100 + 5 * i, 100)) for i in range(31, 60, 2)
    ]
    found = numbers(Tracker(COCO), frames)
    assert found[30::2] == [[1, 2]] * 15 and found[31::2] == [[2, 1]] * 15


def test_small_scores_tell_who_is_who_where_a_net_has_small_ones() -> None:
    there, here = (100, 100), (300, 100)
    frames = [people(*places) for places in ((there, here), (here, there))] * 3
    for frame in frames:
        frame.joint_scores[:] = 0.03
    found = numbers(Tracker(COCO, threshold=0.01), frames)
    assert found == [[1, 2], [2, 1]] * 3
    assert numbers(Tracker(COCO), frames)[-1] != [2, 1]


def test_joints_that_were_not_found_stay_as_they_are() -> None:
    tracker = Tracker(COCO)
    for index in range(5):
        found = people((100, 100))
        found.joint_scores[0, 3] = 0
        found.keypoints[0, 3] = [900 * index, 7] if index != 2 else np.nan
        smooth, _ = tracker.update(found, index / 25)
        same = np.abs(smooth.keypoints - found.keypoints) < 1e-9
        assert (same | np.isnan(found.keypoints)).all()


@pytest.mark.slow
def test_mannequins_keep_their_numbers_and_do_not_tremble() -> None:
    """A film of crossings and a pillar: see benchmarks/video_tracks.py."""
    films = [shoot(7, 100)]
    raw = summarise(films, lambda: Tracker(COCO, smooth=False))
    smooth = summarise(films, lambda: Tracker(COCO))
    assert smooth["jitter"] < 0.5 * raw["jitter"]
    for name in ("PCK@0.1", "PCK@0.2"):
        assert smooth[name] >= raw[name]
    impatient = summarise(films, lambda: Tracker(COCO, patience=0.0))
    assert smooth["switches"] <= 3 < impatient["switches"]
    assert smooth["MOTA"] > 0.8
