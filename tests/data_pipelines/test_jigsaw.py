"""Puzzles whose centres lie on the pixels of their patches."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from data_pipelines.batches import training_batches
from data_pipelines.colour import ColourAugmentation
from data_pipelines.jigsaw import (
    JigsawAugmentation,
    JigsawEvaluation,
    JigsawTraining,
)
from data_pipelines.readers.datasets import load_dataset
from tfpose.hsjp import puzzle
from tfpose.top_down.crop import transform_points

NO_COLOUR = ColourAugmentation(
    jitter_probability=0,
    grayscale_probability=0,
    blur_probability=0,
    solarise_probability=0,
)
SPATIAL = JigsawAugmentation(colour=NO_COLOUR)


def _flat_patches(people_on, size, grid, people=1):
    """People whose crop has a flat colour per patch, and the colours `[N**2, 3]`."""
    colours = np.random.default_rng(grid).permutation(6**3)[: grid * grid]
    colours = np.stack(np.unravel_index(colours, (6, 6, 6)), -1) * 40 + 40
    height, width = size
    zoom = 4
    y, x = np.mgrid[: zoom * height, : zoom * width]
    row, column = y * grid // (zoom * height), x * grid // (zoom * width)
    picture = colours[row * grid + column].astype(np.uint8)
    # The region is the box with a quarter of context; here it is the whole picture.
    inner = np.array([zoom * width, zoom * height]) / 1.25
    corner = (np.array([zoom * width, zoom * height]) - inner) / 2
    boxes = np.tile(np.concatenate([corner, inner]), (people, 1))
    return people_on([picture] * people, boxes=boxes), colours


CASES = [
    ((64, 64), 2),
    ((64, 64), 3),
    ((100, 100), 6),
    ((64, 64), 5),
    ((96, 72), 5),
    ((72, 96), 7),
    ((128, 128), 8),
]


def _check_colours(sample, colours, size, margin=1):
    """Every centre inside lies on its patch; returns how many were looked at."""
    checked = 0
    for patch, (x, y) in enumerate(sample["centres"]):
        inside = -0.5 <= x < size[1] - 0.5 and -0.5 <= y < size[0] - 0.5
        assert sample["inside"][patch] == inside
        column, row = int(round(float(x))), int(round(float(y)))
        if not (
            margin <= column < size[1] - margin and margin <= row < size[0] - margin
        ):
            continue
        pixel = sample["image"][row, column, :3].astype(int)
        assert np.abs(pixel - colours[patch]).max() <= 3, (patch, pixel)
        checked += 1
    return checked


@pytest.mark.parametrize(("size", "grid"), CASES)
def test_augmented_centres_lie_on_their_patches(people_on, size, grid):
    people, colours = _flat_patches(people_on, size, grid)
    sampler = JigsawTraining(people, size, grid, 1, 0, SPATIAL)
    seen, hidden = 0, 0
    for epoch in range(40):
        sample = sampler(epoch)
        seen += _check_colours(sample, colours, size)
        hidden += (sample["inside"] == 0).sum()
    assert seen > 20 * grid**2
    # Augmentation pushes patches out of view, and the mask says so.
    assert hidden > 0


@pytest.mark.parametrize(("size", "grid"), CASES)
def test_evaluation_is_shuffled_and_nothing_else(people_on, size, grid):
    people, colours = _flat_patches(people_on, size, grid, people=3)
    sampler = JigsawEvaluation(people, size, grid, seed=0)
    cells = puzzle.cell_centres(size, grid)
    for row in range(3):
        sample = sampler(row)
        assert _check_colours(sample, colours, size, margin=0) == grid**2
        assert sample["inside"].all()
        places = puzzle.patch_cells(sampler.orders[row])
        assert (sample["centres"] == cells[places]).all()
    assert len(np.unique(sampler.orders, axis=0)) == 3


def test_crop_fills_the_mosaic_where_sides_round_up_differently(people_on):
    """5 patches of 64 x 48 pixels make a mosaic of 65 x 50."""
    y, x = np.mgrid[:256, :192]
    picture = np.stack([x, y, 0 * x], -1).astype(np.uint8)
    inner = np.array([192, 256]) / 1.25
    box = np.concatenate([(np.array([192, 256]) - inner) / 2, inner])
    people = people_on([picture], boxes=box[None])
    person = JigsawEvaluation(people, (64, 48), 5, seed=0).person(0).astype(float)
    assert person.shape == (65, 50, 3)
    # A pixel of the mosaic has the place in the region as its colour.
    across = (np.arange(50) + 0.5) * 192 / 50 - 0.5
    down = (np.arange(65) + 0.5) * 256 / 65 - 0.5
    assert np.abs(person[1:-1, 1:-1, 0] - across[None, 1:-1]).max() < 1.5
    assert np.abs(person[1:-1, 1:-1, 1] - down[1:-1, None]).max() < 1.5


@pytest.mark.parametrize(("size", "grid"), CASES)
def test_edges_of_the_mosaic_are_the_edges_of_the_input(people_on, size, grid):
    people, _ = _flat_patches(people_on, size, 2)
    sampler = JigsawEvaluation(people, size, grid, seed=0)
    height, width = puzzle.mosaic_size(size, grid)
    corners = np.array([[-0.5, -0.5], [width - 0.5, height - 0.5]])
    expected = [[-0.5, -0.5], [size[1] - 0.5, size[0] - 0.5]]
    assert np.allclose(transform_points(sampler._fit, corners), expected)


@pytest.fixture
def noise(people_on):
    rng = np.random.default_rng(0)
    return people_on(
        [rng.integers(0, 256, (40, 40, 3), dtype=np.uint8) for _ in range(11)]
    )


def _same(first, second):
    return all((first[name] == second[name]).all() for name in first)


def test_a_sample_is_a_function_of_its_position(noise):
    def fresh(seed=4):
        return JigsawTraining(noise, (32, 32), 3, 4, seed, JigsawAugmentation())

    expected = [fresh()(position) for position in range(20)]
    backwards = fresh()
    for position in reversed(range(20)):
        assert _same(backwards(position), expected[position])
    shared = fresh()
    with ThreadPoolExecutor(8) as threads:
        for sample, other in zip(
            threads.map(shared, list(range(20)) * 3), expected * 3, strict=True
        ):
            assert _same(sample, other)
    assert not _same(fresh(seed=5)(0), expected[0])


def test_a_resumed_run_gets_the_identical_batches(noise):
    def batches(step):
        sampler = JigsawTraining(noise, (32, 32), 3, 4, 1, JigsawAugmentation())
        return training_batches(sampler, 4, first_step=step)

    whole = list(batches(0).take(6).as_numpy_iterator())
    resumed = list(batches(3).take(3).as_numpy_iterator())
    for first, second in zip(whole[3:], resumed, strict=True):
        assert _same(first, second)


def test_everybody_once_an_epoch(noise):
    sampler = JigsawTraining(noise, (32, 32), 2, 11, 0, SPATIAL)
    orders = []
    for epoch in range(3):
        rows, shuffles, *_ = sampler._plans[epoch]
        assert sorted(rows) == list(range(11))
        orders.append((tuple(rows), shuffles.tobytes()))
    assert len(set(orders)) == 3
    partly = JigsawTraining(noise, (32, 32), 2, 4, 0, SPATIAL)
    assert partly.steps_per_epoch == 2


def test_crowds_are_no_puzzles_and_the_unlabelled_are(noise):
    crowd = np.arange(11) < 3
    people = dataclasses.replace(noise, crowd=crowd)
    assert len(JigsawEvaluation(people, (32, 32), 2, 0)) == 8


def test_original_comes_behind_the_mosaic(people_on):
    people, colours = _flat_patches(people_on, (64, 64), 3)
    plain = JigsawEvaluation(people, (64, 64), 3, seed=1)(0)
    both = JigsawEvaluation(people, (64, 64), 3, seed=1, with_original=True)(0)
    assert both["image"].shape == (64, 64, 6)
    assert (both["image"][..., :3] == plain["image"]).all()
    original = both["image"][..., 3:].astype(int)
    for cell, (x, y) in enumerate(puzzle.cell_centres((64, 64), 3).round().astype(int)):
        assert np.abs(original[y, x] - colours[cell]).max() <= 3
    training = JigsawTraining(people, (64, 64), 3, 1, 0, SPATIAL, with_original=True)
    # The original stays as it is, only the mosaic is moved.
    assert np.abs(training(0)["image"][..., 3:].astype(int) - original).max() <= 1
    assert training.signature["image"].shape == (64, 64, 6)


def test_colour_changes_mosaic_and_original_alike(people_on):
    people, _ = _flat_patches(people_on, (64, 64), 2)
    gray = dataclasses.replace(NO_COLOUR, grayscale_probability=1)
    augmentation = JigsawAugmentation(colour=gray)
    image = JigsawTraining(people, (64, 64), 2, 1, 0, augmentation, with_original=True)(
        0
    )["image"]
    assert (image[..., :3] == image[..., :1]).all()
    assert (image[..., 3:] == image[..., 3:4]).all()


def test_augmentation_grows_over_the_ramp(people_on):
    augmentation = JigsawAugmentation(ramp_epochs=4)
    assert [augmentation.amount(e) for e in range(6)] == [0, 0.25, 0.5, 0.75, 1, 1]
    assert JigsawAugmentation().amount(0) == 1
    people, _ = _flat_patches(people_on, (64, 64), 3)
    sampler = JigsawTraining(people, (64, 64), 3, 1, 0, augmentation)
    first = sampler(0)
    assert (sampler._plans[0][3] == 0).all()
    cells = puzzle.cell_centres((64, 64), 3)[puzzle.patch_cells(sampler._plans[0][1])]
    assert np.abs(first["centres"] - cells[0]).max() < 1e-4


def test_ranges_of_the_spatial_augmentation(noise):
    people = noise.select(np.arange(2000) % 11)
    sampler = JigsawTraining(people, (64, 48), 2, 1, 0, SPATIAL)
    matrices = sampler._plans[0][2]
    scales = np.sqrt(np.linalg.det(matrices[:, :, :2]))
    angles = np.rad2deg(np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0]))
    middle = np.array([23.5, 31.5])
    moved = matrices[:, :, :2] @ middle + matrices[:, :, 2] - middle
    for values, limit in (
        (scales - 1, 0.35),
        (angles, 45),
        (moved[:, 0], 4.8),
        (moved[:, 1], 6.4),
    ):
        assert np.abs(values).max() == pytest.approx(limit, rel=0.01)
        assert np.abs(values).max() <= limit * (1 + 1e-6)
        # Uniform: the deviation is the limit over the root of 3.
        assert values.std() == pytest.approx(limit / 3**0.5, rel=0.05)
        assert values.mean() == pytest.approx(0, abs=0.05 * limit)


def test_real_photos(shared_data):
    people = load_dataset("coco_format", shared_data / "lspet", "val")
    sampler = JigsawTraining(people, (64, 64), 3, 8, 0, JigsawAugmentation())
    batch = next(iter(training_batches(sampler, 8)))
    assert batch["image"].shape == (8, 64, 64, 3)
    assert batch["image"].numpy().std() > 20
