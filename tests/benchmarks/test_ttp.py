"""Test-time personalization: pairs of a film's frames, training and adaptation."""

import dataclasses

import numpy as np
import pytest

from benchmarks.films import FRAMES, films_of, write_films
from benchmarks.metta_steps import accuracy_of_films
from benchmarks.ttp import PRESETS, FilmPairs, TTPTask, follow_film, redraw_losses
from data_pipelines.readers.datasets import load_dataset
from data_pipelines.top_down import (
    PoseAugmentation,
    TopDownEvaluation,
    labelled_people,
)
from tests.tiny_metta import make_tiny_metta
from trainers.engine.loop import train

STILL = PoseAugmentation(
    scale=0, rotation=0, flip_probability=0, half_body_probability=0
)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    for split, count, seed in (("train", 3, 0), ("val", 2, 100)):
        write_films(folder, "studio", split, count, seed)
    return folder


@pytest.fixture(scope="module")
def people(films):
    return labelled_people(load_dataset("coco_format", films, "train"))


@pytest.fixture(scope="module")
def net():
    return make_tiny_metta("coco17")


def test_films_are_known_by_their_frames(people):
    films = films_of(people)
    assert set(films) == {0, 1, 2}
    assert np.bincount(films).max() <= FRAMES
    names = [people.images.describe(int(row)) for row in people.image_index]
    for film, name in zip(films, names, strict=True):
        assert f"train_{film:04d}_" in name


def test_a_source_is_another_frame_of_the_film(people):
    sampler = FilmPairs(people, (32, 32), 4, 0, STILL)
    upright = [
        sampler.sample(row, sampler.regions.matrices[row], False)["image"]
        for row in range(len(people))
    ]
    films, found = films_of(people), []
    for position in range(12):
        pair = sampler(position)
        frame, source = (
            next(row for row, one in enumerate(upright) if np.array_equal(one, image))
            for image in (pair["image"], pair["source"])
        )
        assert films[frame] == films[source]
        found.append(frame != source)
    assert np.mean(found) > 0.5
    assert np.array_equal(sampler(5)["source"], sampler(5)["source"])


def test_a_source_is_changed_as_the_frame_is(people):
    films = films_of(people)
    alone = people.select([int(np.flatnonzero(films == film)[0]) for film in range(3)])
    # The only other frame is the frame.
    sampler = FilmPairs(alone, (32, 32), 3, 0, PoseAugmentation())
    mirrored = 0
    for position in range(6):
        pair = sampler(position)
        apart = pair["image"].astype(int) - pair["source"]
        assert np.abs(apart).max() <= 1
        _, matrices, mirror = sampler._plans[position // 3]
        mirrored += mirror.any()
    assert mirrored


def test_the_whole_frame_is_drawn_from_looks_and_keypoints(net):
    rng = np.random.default_rng(0)
    frames, sources = rng.uniform(0, 255, (2, 2, 32, 32, 3)).astype(np.float32)
    maps = rng.normal(0, 3, (2, 8, 8, 6)).astype(np.float32)
    losses = np.asarray(redraw_losses(net, maps, frames, sources))
    looks = net.appearance(net.picture(sources), np.zeros((1, 16, 16, 1)))
    drawn = np.asarray(net.inpaint(net.points(maps), looks, 1))[:, 0]
    apart = (drawn - np.asarray(net.picture(frames))) ** 2
    np.testing.assert_allclose(losses, apart.mean(axis=(1, 2, 3)), rtol=1e-4)
    assert np.abs(redraw_losses(net, maps[::-1], frames, sources) - losses).min() > 1e-6


@pytest.mark.slow
def test_a_film_is_followed_and_forgotten(net):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (3, 32, 32, 3)).astype(np.float32)
    before = [np.array(v) for v in net.variables]
    plain = np.asarray(net(frames, training=False))
    follow = follow_film(net, 1e-3)
    np.testing.assert_allclose(follow(frames, 0), plain, atol=1e-5)
    adapted = follow(frames, 2)
    assert adapted.shape == plain.shape
    assert np.abs(adapted - plain).max() > 1e-3
    # Online: a frame is answered by what the ones before have taught, too.
    assert np.abs(follow(frames[2:], 2) - adapted[2:]).max() > 1e-3
    # The next film starts from the trained weights.
    np.testing.assert_allclose(follow(frames, 2), adapted, atol=1e-5)
    for value, variable in zip(before, net.variables, strict=True):
        np.testing.assert_array_equal(value, variable)


def test_films_are_scored_frame_by_frame(films):
    people = labelled_people(load_dataset("coco_format", films, "val"))
    sampler = TopDownEvaluation(people, (32, 32))
    truth = [sampler(row) for row in range(len(people))]

    def knowing(frames, steps):
        assert steps == 3
        rows = [
            next(
                i for i, one in enumerate(truth) if np.array_equal(one["image"], image)
            )
            for image in frames
        ]
        points = np.stack([truth[row]["keypoints"] for row in rows])
        return points, np.ones(points.shape[:2])

    assert accuracy_of_films(knowing, 3, str(films), (32, 32)) == 1

    def backwards(frames, steps):
        return tuple(one[::-1] for one in knowing(frames, steps))

    assert accuracy_of_films(backwards, 3, str(films), (32, 32)) < 1


@pytest.mark.slow
def test_it_trains(films, tmp_path):
    config = dataclasses.replace(
        PRESETS["small"],
        dataset="coco_format",
        data_dir=str(films),
        workdir=str(tmp_path),
        net="hrnet_tiny",
        input_height=32,
        input_width=32,
        filters=(4, 8, 8),
        batch_size=8,
        epochs=1,
        lr_drop_epochs=(),
    )
    train(config, TTPTask)
    assert (tmp_path / "model.keras").exists()
    assert (tmp_path / "figures" / "pairs.png").exists()
