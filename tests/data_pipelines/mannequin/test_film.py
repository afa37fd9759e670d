"""Films of mannequins: the same each time; people go on and hide each other."""

import itertools

import numpy as np

from data_pipelines.mannequin.film import draw_film


def test_frames_are_a_pure_function_and_go_on() -> None:
    first, again = (list(draw_film(3, people=2, frames=3)) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.image, other.image)
    assert [frame.seconds for frame in first] == [0, 1 / 25, 2 / 25]
    (other,) = draw_film(4, people=2, frames=1)
    assert not np.array_equal(other.image, first[0].image)
    # Nobody jumps: a body's joints move by less than a sixth of a metre a frame.
    for before, after in itertools.pairwise(first):
        moved = after.people[0].keypoints_3d - before.people[0].keypoints_3d
        assert 0.005 < np.linalg.norm(moved, axis=1).max() < 0.17


def test_people_are_hidden_by_others_and_by_the_pillar() -> None:
    frames = list(draw_film(0, people=3, frames=8, fps=1.0, image_size=(108, 192)))
    seen = [
        (person.keypoints[:, 2] == 2).mean()
        for frame in frames
        for person in frame.people
    ]
    assert min(seen) < 0.3 and max(seen) > 0.6
    assert {number for frame in frames for number in frame.numbers} == {0, 1, 2}


def test_a_scenario_decides_how_a_film_looks() -> None:
    studio, wild = (
        list(draw_film(5, people=1, frames=2, image_size=(108, 192), scenario=name))
        for name in ("studio", "wild")
    )
    # What changes between two frames where nobody walks is grain.
    still = [
        np.median(np.abs(after.image.astype(int) - before.image))
        for before, after in (studio, wild)
    ]
    assert still[1] > 2 * still[0]
